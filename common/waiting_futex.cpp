// Waiting on Linux: shared futexes with absolute monotonic deadlines.
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ctime>

#include "common/waiting.h"

namespace zipc {
namespace {

timespec to_timespec(Deadline deadline) noexcept {
  const auto since_boot = deadline.time_since_epoch();  // steady_clock is CLOCK_MONOTONIC
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
  const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(since_boot - seconds);
  return {.tv_sec = static_cast<time_t>(seconds.count()), .tv_nsec = static_cast<long>(rest.count())};
}

}  // namespace

// FUTEX_WAIT_BITSET takes an absolute deadline on CLOCK_MONOTONIC; FUTEX_WAIT's is relative and drifts when interrupted.
void wait_while_equal(const std::atomic<std::uint32_t>& word, std::uint32_t seen, Deadline deadline) noexcept {
  timespec until{};
  if (deadline != kForever) until = to_timespec(deadline);
  syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, seen, deadline == kForever ? nullptr : &until, nullptr,
          FUTEX_BITSET_MATCH_ANY);
}

void wake_one(const std::atomic<std::uint32_t>& word) noexcept {
  syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

}  // namespace zipc
