// What all ways of waiting share: how long to spin, and what to do between looks.
#include "common/waiting.h"

#include <unistd.h>

#include <algorithm>
#include <limits>
#include <thread>

namespace zipc {
namespace {

/// The ticks() that so many spin_pause()s take, and reading them: the shortest of a few runs, for others may have been interrupted.
std::uint64_t ticks_of(int pauses) noexcept {
  auto shortest = std::numeric_limits<std::uint64_t>::max();
  for (int run = 0; run < 4; ++run) {
    const std::uint64_t start = ticks();
    spin_pauses(pauses);
    shortest = std::min(shortest, ticks() - start);
  }
  return shortest;
}

/// The shortest of a few runs, as above.
int pauses_in(std::chrono::nanoseconds duration) noexcept {
  constexpr int kPauses = 32;
  auto shortest = std::chrono::nanoseconds::max();
  for (int run = 0; run < 4; ++run) {
    const auto start = Clock::now();
    spin_pauses(kPauses);
    shortest = std::min<std::chrono::nanoseconds>(shortest, Clock::now() - start);
  }
  return static_cast<int>(duration.count() * kPauses / std::max<std::int64_t>(1, shortest.count()));
}

}  // namespace

void Naps::take(Deadline deadline) noexcept {
  constexpr std::chrono::microseconds kLongest{1000};
  const std::chrono::nanoseconds nap = next_;
  next_ = std::min(next_ * 2, kLongest);
  std::this_thread::sleep_for(deadline == kNoDeadline ? nap : std::min(nap, deadline - Clock::now()));
}

void give_way() noexcept { std::this_thread::yield(); }

int pauses_in(std::uint64_t ticks) noexcept {
  constexpr int kPauses = 64;
  static const std::uint64_t none = ticks_of(0);
  static const std::uint64_t some = std::max(ticks_of(kPauses), none + 1) - none;
  const std::uint64_t net = std::min(ticks - std::min(ticks, none), kPauses * some);  // no more is of interest
  return static_cast<int>((net * kPauses + some / 2) / some);
}

int Pace::spin_limit() noexcept {
  static const int limit = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? pauses_in(kSpinTime) : 0;
  return limit;
}

}  // namespace zipc
