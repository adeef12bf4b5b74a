/// How far a transfer is, on the terminal: a line on standard error that is drawn anew ten times a second.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "client/ctl/tally.h"

namespace zipc::ctl {

/// What the line says of a transfer.
struct ProgressView {
  std::string title;                   ///< "send /camera"
  std::optional<std::uint64_t> total;  ///< bytes to come in all, where that is known
  std::string waiting;                 ///< what it waits for; empty: nothing
};

/// The line, no longer than `width` characters. Pure, for tests and for Progress.
[[nodiscard]] std::string render_progress(const ProgressView& view, const Tally& tally, double seconds,
                                          std::size_t width);

/// Draws nothing when standard error is no terminal, or this process is in the background of one.
class Progress {
 public:
  /// `quiet`: draws nothing at all.
  Progress(std::string title, std::optional<std::uint64_t> total, bool quiet);
  /// Takes the line away.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Draws if a tenth of a second has gone by. Cost otherwise: reading the clock. `waiting`: as in ProgressView.
  void update(const Tally& tally, const char* waiting = "");

  /// Replaces the line by what was done: "send /camera: 51 MiB in 801 messages, 0.04 s, 1.2 GiB/s".
  void finish(const Tally& tally);

 private:
  [[nodiscard]] bool visible() const;
  void draw(const std::string& line, const char* end);

  ProgressView view_;
  bool terminal_;
  bool drawn_ = false;
  Tally::Clock::time_point next_;  ///< when to draw again
};

}  // namespace zipc::ctl
