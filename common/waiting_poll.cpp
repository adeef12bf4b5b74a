// Waiting where there is no shared futex (macOS), and in the tests on Linux: look, sleep a little, look again.
#include <algorithm>
#include <thread>

#include "common/waiting.h"

namespace zipc {

void wait_while_unchanged(const Sighting& index, const Sighting& notice, Deadline deadline) noexcept {
  using std::chrono::microseconds;
  constexpr microseconds kShortest{50};
  constexpr microseconds kLongest{1000};
  const auto is_unchanged = [](const Sighting& sighting) {
    return sighting.word.load(std::memory_order_acquire) == sighting.seen;  // [message-ready], [slot-free] or [noticed]
  };
  for (microseconds nap = kShortest; is_unchanged(index) && is_unchanged(notice); nap = std::min(nap * 2, kLongest)) {
    const auto now = Clock::now();
    if (now >= deadline) return;
    if (deadline == kForever) {
      std::this_thread::sleep_for(nap);
    } else {
      std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(nap, deadline - now));
    }
  }
}

namespace detail {
std::atomic<bool> joined_heavy_fences{false};
}

bool join_heavy_fences() noexcept { return false; }

bool heavy_fence() noexcept { return false; }

void wake_one(const std::atomic<std::uint32_t>&) noexcept {}

}  // namespace zipc
