// What all ways of waiting share: how long to spin, and what to do between looks.
#include "common/waiting.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace zipc {
namespace {

/// How long so many spin_pause()s take by `now`, reading it included: the shortest of a few runs, for others may have been interrupted.
template <typename Now>
auto time_of(int pauses, Now now) noexcept {
  auto shortest = decltype(now() - now())::max();
  for (int run = 0; run < 4; ++run) {
    const auto start = now();
    spin_pauses(pauses);
    shortest = std::min(shortest, now() - start);
  }
  return shortest;
}

/// The same by ticks().
std::uint64_t ticks_of(int pauses) noexcept {
  using Ticks = std::chrono::duration<std::uint64_t>;
  return time_of(pauses, [] { return Ticks(ticks()); }).count();
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
  constexpr int kPauses = 32;
  static const int limit = sysconf(_SC_NPROCESSORS_ONLN) <= 1 ? 0 : [] {
    const std::chrono::nanoseconds taken = time_of(kPauses, [] { return Clock::now(); });
    return static_cast<int>(std::chrono::nanoseconds(kSpinTime).count() * kPauses / std::max<std::int64_t>(1, taken.count()));
  }();
  return limit;
}

}  // namespace zipc
