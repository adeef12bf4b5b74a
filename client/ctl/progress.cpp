#include "client/ctl/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "client/ctl/units.h"

namespace zipc::ctl {
namespace {

constexpr std::chrono::milliseconds kInterval{100};
constexpr std::size_t kBarWidthMax = 40;
constexpr std::size_t kBarWidthMin = 8;  // a shorter one says nothing

std::size_t terminal_width() {
  struct winsize size {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string bar(double done, std::size_t width) {
  const auto filled = static_cast<std::size_t>(done * static_cast<double>(width));
  std::string text(width, ' ');
  std::fill_n(text.begin(), filled, '=');
  if (filled < width) text[filled] = '>';
  return "[" + text + "]";
}

std::string rate(double bytes_per_second) { return format_size(bytes_per_second) + "/s"; }

std::chrono::seconds whole(double seconds) {
  return std::chrono::seconds{static_cast<std::int64_t>(std::min(seconds, 359'999.0))};  // 99 hours
}

/// With a known total: "[===>   ]  45%  23 MiB of 51 MiB  1.2 GiB/s  eta 0:03".
std::string render_share(const Tally& tally, double total, double speed, std::size_t width) {
  const auto bytes = static_cast<double>(tally.bytes());
  const double done = total > 0 ? std::min(bytes / total, 1.0) : 1.0;
  std::array<char, 8> percent{};
  std::snprintf(percent.data(), percent.size(), "%3.0f%%", std::min(done * 100, 100.0));
  std::string text = std::string(percent.data()) + "  " + format_size(bytes) + " of " + format_size(total);
  if (speed > 0) text += "  " + rate(speed) + "  eta " + format_clock(whole((total - total * done) / speed));
  const std::size_t room = width > text.size() + 4 ? width - text.size() - 4 : 0;
  return room < kBarWidthMin ? text : bar(done, std::min(room, kBarWidthMax)) + " " + text;
}

}  // namespace

std::string render_progress(const ProgressView& view, const Tally& tally, double seconds, std::size_t width) {
  std::string line = view.title + "  ";
  const double speed = seconds > 0 ? static_cast<double>(tally.bytes()) / seconds : 0;
  if (!view.waiting.empty()) {
    line += format_size(static_cast<double>(tally.bytes())) + "  " + view.waiting;
  } else if (view.total) {
    line += render_share(tally, static_cast<double>(*view.total), speed, width > line.size() ? width - line.size() : 0);
  } else {
    line += format_size(static_cast<double>(tally.bytes())) + "  " + rate(speed) + "  " + format_clock(whole(seconds));
  }
  return line.substr(0, width);
}

Progress::Progress(std::string title, std::optional<std::uint64_t> total, bool quiet)
    : view_{.title = std::move(title), .total = total, .waiting = {}},
      terminal_(!quiet && isatty(STDERR_FILENO) == 1),
      next_(Tally::Clock::now() + kInterval) {}

Progress::~Progress() {
  if (drawn_) draw({}, "");
}

/// A job in the background would write over what the foreground shows.
bool Progress::visible() const { return terminal_ && tcgetpgrp(STDERR_FILENO) == getpgrp(); }

void Progress::draw(const std::string& line, const char* end) {
  std::fprintf(stderr, "\r\x1b[K%s%s", line.c_str(), end);  // to the first column; erase to the end of the line
  drawn_ = !line.empty() && *end == '\0';
}

void Progress::update(const Tally& tally, const char* waiting) {
  if (!terminal_) return;
  const auto now = Tally::Clock::now();
  if (now < next_) return;
  next_ = now + kInterval;
  if (!visible()) return;
  view_.waiting = waiting;
  draw(render_progress(view_, tally, tally.seconds_at(now), terminal_width() - 1), "");
}

void Progress::finish(const Tally& tally) {
  if (!visible()) return;
  std::array<char, 32> seconds{};
  std::snprintf(seconds.data(), seconds.size(), "%.2f s", tally.seconds());
  draw(view_.title + ": " + format_size(static_cast<double>(tally.bytes())) + " in " +
           std::to_string(tally.messages()) + " messages, " + seconds.data() + ", " + rate(tally.bytes_per_second()),
       "\n");
}

}  // namespace zipc::ctl
