// Waiting where there is no shared futex (macOS), and in the tests on Linux: look, sleep a little, look again.
#include "common/waiting.h"

namespace zipc {

void wait_while_unchanged(const Sighting& index, const Sighting& notice, Deadline deadline) noexcept {
  const auto is_unchanged = [](const Sighting& sighting) {
    return sighting.word.load(std::memory_order_acquire) == sighting.seen;  // [message-ready], [slot-free] or [noticed]
  };
  for (Naps naps; is_unchanged(index) && is_unchanged(notice); naps.take(deadline)) {
    if (Clock::now() >= deadline) return;
  }
}

namespace detail {
std::atomic<bool> joined_heavy_fences{false};
}

bool join_heavy_fences() noexcept { return false; }

bool heavy_fence() noexcept { return false; }

void wake_one(const std::atomic<std::uint32_t>&) noexcept {}

}  // namespace zipc
