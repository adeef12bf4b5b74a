// Waiting on Linux: shared futexes with absolute monotonic deadlines.
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
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

// Of linux/futex.h since Linux 5.16; the headers may be older than the kernel that we run on.
struct Waiter {
  std::uint64_t value;
  std::uint64_t address;
  std::uint32_t flags;
  std::uint32_t reserved;
};
constexpr std::uint32_t kFutex32Bits = 2;  // shared between processes, without FUTEX_PRIVATE_FLAG
constexpr long kFutexWaitv = 449;          // on every architecture

Waiter to_waiter(const Sighting& sighting) noexcept {
  return {.value = sighting.seen,
          .address = reinterpret_cast<std::uintptr_t>(&sighting.word),
          .flags = kFutex32Bits,
          .reserved = 0};
}

/// Where one futex at a time is all there is: the notice is looked at ten times a second then.
void wait_for_index(const Sighting& index, Deadline deadline) noexcept {
  const timespec until = to_timespec(std::min(deadline, deadline_after(std::chrono::milliseconds(100))));
  // FUTEX_WAIT_BITSET takes an absolute deadline on CLOCK_MONOTONIC; FUTEX_WAIT's is relative and drifts when
  // interrupted.
  syscall(SYS_futex, &index.word, FUTEX_WAIT_BITSET, index.seen, &until, nullptr, FUTEX_BITSET_MATCH_ANY);
}

#ifdef ZIPC_TSAN  // which would see a race
constexpr bool kMayJoin = false;
#else
constexpr bool kMayJoin = true;
#endif

}  // namespace

namespace detail {
std::atomic<bool> joined_heavy_fences{false};
}

bool join_heavy_fences() noexcept {
  static const bool joined = [] {
    const char* wish = std::getenv("ZIPC_MEMBARRIER");
    if (!kMayJoin || (wish != nullptr && std::strcmp(wish, "off") == 0)) return false;
    // A forked child inherits this, as it does the flag below.
    return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0;
  }();
  detail::joined_heavy_fences.store(joined, std::memory_order_relaxed);  // before this process announces anything
  return joined;
}

bool heavy_fence() noexcept { return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) == 0; }

void wait_while_unchanged(const Sighting& index, const Sighting& notice, Deadline deadline) noexcept {
  static std::atomic<bool> has_waitv{true};
  if (has_waitv.load(std::memory_order_relaxed)) {  // only an optimisation
    Waiter waiters[] = {to_waiter(index), to_waiter(notice)};
    timespec until{};
    if (deadline != kNoDeadline) until = to_timespec(deadline);
    const long result = syscall(kFutexWaitv, waiters, 2, 0, deadline == kNoDeadline ? nullptr : &until, CLOCK_MONOTONIC);
    if (result >= 0 || (errno != ENOSYS && errno != EPERM)) return;  // EPERM: of a container's filter
    has_waitv.store(false, std::memory_order_relaxed);  // only an optimisation
  }
  wait_for_index(index, deadline);
}

void wake_one(const std::atomic<std::uint32_t>& word) noexcept {
  syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

}  // namespace zipc
