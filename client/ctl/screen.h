/// The terminal as a screen to draw on, and its keys. curses stays behind screen.cpp.
#pragma once

#include <optional>
#include <vector>
#include <zipc/error.hpp>

#include "client/ctl/top_view.h"

namespace zipc::ctl {

enum class Key { quit, sort, help, up, down, page_up, page_down, home, end, other };

/// Owns the terminal: there is one Screen at a time, and destroying it makes the terminal what it was. Move-only.
class Screen {
 public:
  /// Error::unsupported: standard input or output is no terminal, the terminal can do too little, or this zipcctl was
  /// built without curses.
  [[nodiscard]] static Result<Screen> open();

  Screen(Screen&& other) noexcept : owner_(std::exchange(other.owner_, false)) {}
  Screen& operator=(Screen&&) = delete;
  ~Screen();

  [[nodiscard]] ScreenSize size() const;
  void draw(const std::vector<ScreenLine>& lines);
  /// The next key that was pressed; nothing if none is left. Does not block: standard input can be read when there is
  /// one. A change of the size counts as another key.
  [[nodiscard]] std::optional<Key> key();
  /// False once the terminal has gone.
  [[nodiscard]] bool alive() const;

 private:
  Screen() = default;
  bool owner_ = true;
};

}  // namespace zipc::ctl
