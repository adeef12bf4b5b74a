/// Where the mistakes of one file are collected, and how what the file contains is put into words.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.h"

namespace zipc {

/// A place in the text, counted from 1. {0, 0}: the text as a whole.
struct Position {
  int line = 0;
  int column = 0;

  friend constexpr auto operator<=>(const Position&, const Position&) = default;
};

/// The mistakes found so far. The same mistake at the same place, reached twice through an alias, counts once.
class Diagnostics {
 public:
  explicit Diagnostics(std::string_view file) : file_(file) {}

  void add(Position where, std::string message);

  [[nodiscard]] bool empty() const noexcept { return found_.empty(); }

  /// Whether more mistakes would not be kept, so that there is no need to look for them.
  [[nodiscard]] bool is_full() const noexcept;

  /// In the order of the file; behind as many as are kept, one says that there may be more.
  [[nodiscard]] std::vector<Diagnostic> list() const;

 private:
  std::string file_;
  std::multimap<Position, std::string> found_;
};

/// `text` in quotes, harmless to a terminal or a log and of readable length; "nothing" when it is empty.
[[nodiscard]] std::string quoted(std::string_view text);

/// "a, b or c".
[[nodiscard]] std::string any_of(const std::vector<std::string_view>& words);

}  // namespace zipc
