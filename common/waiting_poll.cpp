// Waiting where there is no shared futex (macOS), and in the tests on Linux: look, sleep a little, look again.
#include <algorithm>
#include <thread>

#include "common/waiting.h"

namespace zipc {

void wait_while_equal(const std::atomic<std::uint32_t>& word, std::uint32_t seen, Deadline deadline) noexcept {
  using std::chrono::microseconds;
  constexpr microseconds kShortest{50};
  constexpr microseconds kLongest{1000};
  for (microseconds nap = kShortest; word.load(std::memory_order_acquire) == seen;  // [message-ready] or [slot-free]
       nap = std::min(nap * 2, kLongest)) {
    const auto now = Clock::now();
    if (now >= deadline) return;
    if (deadline == kForever) {
      std::this_thread::sleep_for(nap);
    } else {
      std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(nap, deadline - now));
    }
  }
}

void wake_one(const std::atomic<std::uint32_t>&) noexcept {}

}  // namespace zipc
