// Waiting on Linux: shared futexes with absolute monotonic deadlines, and membarrier(2).
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "common/waiting.h"

namespace zipc {
namespace {

#ifndef ZIPC_TSAN
int membarrier(int command) noexcept { return static_cast<int>(syscall(SYS_membarrier, command, 0, 0)); }
#endif

bool register_for_heavy_fences() noexcept {
#ifdef ZIPC_TSAN
  return false;
#else
  const char* wanted = std::getenv("ZIPC_FENCE");
  if (wanted != nullptr && std::strcmp(wanted, "full") == 0) return false;
  const int commands = membarrier(MEMBARRIER_CMD_QUERY);
  return commands > 0 && (commands & MEMBARRIER_CMD_GLOBAL_EXPEDITED) != 0 &&
         membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) == 0;
#endif
}

timespec to_timespec(Deadline deadline) noexcept {
  const auto since_boot = deadline.time_since_epoch();  // steady_clock is CLOCK_MONOTONIC
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
  const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(since_boot - seconds);
  return {.tv_sec = static_cast<time_t>(seconds.count()), .tv_nsec = static_cast<long>(rest.count())};
}

}  // namespace

bool heavy_fence_available() noexcept {
  static const bool available = [] {
    const bool registered = register_for_heavy_fences();
    heavy_fence_registered.store(registered, std::memory_order_relaxed);  // false is always safe
    return registered;
  }();
  return available;
}

void heavy_fence() noexcept {
  full_fence();
#ifndef ZIPC_TSAN
  if (heavy_fence_available()) membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED);
#endif
}

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
