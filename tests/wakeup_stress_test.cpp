// Two processes that put each other to sleep again and again, over the smallest queues, with waits without a limit: a receiver's
// wake-up that is lost makes this hang, and the watchdog of the test run is the only limit of time. ctest runs it twice: as
// the library is, and with ZIPC_MEMBARRIER=off, so that every publication fences.
//
// The ring itself, over memory that the processes share: without a broker the library's own waits look after the peer ten times
// a second, and would find what they were not woken for. So does a sender that waits for space (ring.h, kSenderSleep): its
// waits of that length are counted and printed.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <tuple>
#include <vector>

#include "common/ring.h"
#include "tests/support/processes.h"
#include "tests/support/self_checking.h"

namespace zipc {
namespace {

constexpr std::uint32_t kLongest = 64;

/// A segment that is shared with forked children.
class SharedQueue {
 public:
  explicit SharedQueue(const Params& params)
      : params_(params),
        memory_(mmap(nullptr, segment_size(params), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (memory_ == MAP_FAILED) abort();
    *tripwire() = kTripwire;
  }
  SharedQueue(const SharedQueue&) = delete;
  SharedQueue& operator=(const SharedQueue&) = delete;
  ~SharedQueue() { munmap(memory_, segment_size(params_)); }
  [[nodiscard]] Ring ring(bool has_tripwire) const { return {memory_, params_, has_tripwire ? tripwire() : nullptr}; }
  [[nodiscard]] Ring sender_ring(SegmentHeader* copies) const {
    return {static_cast<SegmentHeader*>(memory_), copies, params_, tripwire(), nullptr};
  }

 private:
  [[nodiscard]] std::atomic<std::uint8_t>* tripwire() const {
    return reinterpret_cast<std::atomic<std::uint8_t>*>(static_cast<std::byte*>(memory_) + tripwire_offset(params_));
  }

  Params params_;
  void* memory_;
};

/// One process: it sends on one queue and receives on another, as a sender and as a receiver that sleep.
class Side {
 public:
  /// `has_copies`: it sends as one who has copies of its own, and says when all is clear; otherwise by the header alone.
  Side(const SharedQueue& out, const SharedQueue& in, bool has_copies, unsigned seed)
      : copies_(has_copies ? std::make_unique<SegmentHeader>() : nullptr),
        out_(has_copies ? out.sender_ring(copies_.get()) : out.ring(false)), in_(in.ring(has_copies)), random_(seed) {
    out_.announce(Role::sender);
    in_.announce(Role::receiver);
    if (has_copies) out_.catch_up();
  }

  /// Messages `number` up to and without `end`.
  [[nodiscard]] bool send(std::uint64_t number, std::uint64_t end) {
    for (; number < end; ++number) {
      const auto message = test::make_message(number, 1, buffer_);
      if (!wait_for_space() || out_.send(message.data(), message.size()) != Error::ok) return false;
      if (random_() % 8 == 0) dawdle();
    }
    return true;
  }
  [[nodiscard]] bool receive(std::uint64_t number, std::uint64_t end) {
    for (; number < end; ++number) {
      const Slot slot = receive_one();
      if (slot.error != Error::ok || !test::is_message({slot.data, slot.size}, number, 1, kLongest)) return false;
      if (random_() % 8 == 0) dawdle();
    }
    return true;
  }
  [[nodiscard]] Slot receive_one() {
    const Error waited = in_.wait_for_message(kNoDeadline);
    return waited == Error::ok ? in_.receive() : Slot{.error = waited};
  }
  [[nodiscard]] bool send_end() { return wait_for_space() && out_.send(nullptr, 0) == Error::ok; }

  /// Sometimes not at all, sometimes for about as long as the peer takes to fall asleep.
  void dawdle() {
    const auto kind = random_() % 4;
    if (kind == 0) return;
    auto left = kind == 1 ? random_() % 3000 : static_cast<unsigned>(Pace().spins()) + random_() % 400;
    for (; left > 0; --left) spin_pause();
  }
  [[nodiscard]] int long_waits() const { return long_waits_; }

 private:
  bool wait_for_space() {
    const auto begin = Clock::now();
    const Error waited = out_.wait_for_space(kNoDeadline);
    if (Clock::now() - begin >= kSenderSleep.beside_zipc) ++long_waits_;
    return waited == Error::ok;
  }

  std::unique_ptr<SegmentHeader> copies_;
  Ring out_;
  Ring in_;
  std::mt19937 random_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(kLongest);
  int long_waits_ = 0;
};

/// How long to go on. ZIPC_STRESS_SECONDS for a longer search.
std::chrono::milliseconds duration() {
  const char* wanted = std::getenv("ZIPC_STRESS_SECONDS");
  return std::chrono::milliseconds(wanted != nullptr ? std::atoll(wanted) * 1000 : 1500);
}

std::uint64_t burst_length(std::uint64_t burst) { return 1 + test::mix(burst) % 7; }  // both sides compute it

int echo(Side& side) {
  for (std::uint64_t burst = 0, number = 0;; ++burst) {
    const Slot first = side.receive_one();
    if (first.error != Error::ok) return 2;
    if (first.size == 0) return 0;
    if (!test::is_message({first.data, first.size}, number, 1, kLongest)) return 3;
    const std::uint64_t end = number + burst_length(burst);
    if (!side.receive(number + 1, end)) return 4;
    side.dawdle();
    if (!side.send(number, end)) return 5;
    number = end;
  }
}

class WakeUps : public ::testing::TestWithParam<std::tuple<std::uint32_t, bool>> {};

TEST_P(WakeUps, AreNotLostBetweenTwoProcesses) {
  const auto [queue_size, has_copies] = GetParam();
  const Params params{.queue_size = queue_size, .message_size = kLongest};
  const SharedQueue there(params);
  const SharedQueue back(params);
  test::Child child([&] {
    Side side(back, there, has_copies, 1);
    return echo(side);
  });
  Side side(there, back, has_copies, 2);
  std::uint64_t number = 0;
  const auto until = Clock::now() + duration();
  for (std::uint64_t burst = 0; Clock::now() < until; ++burst) {
    const std::uint64_t end = number + burst_length(burst);
    ASSERT_TRUE(side.send(number, end));
    side.dawdle();
    ASSERT_TRUE(side.receive(number, end)) << "burst " << burst;
    number = end;
  }
  ASSERT_TRUE(side.send_end());
  EXPECT_EQ(child.wait(), 0);
  std::printf("%llu messages there and back, %d waits for space of 100 ms or more\n",
              static_cast<unsigned long long>(number), side.long_waits());
}

INSTANTIATE_TEST_SUITE_P(QueueSizes, WakeUps, ::testing::Combine(::testing::Values(2u, 3u, 8u), ::testing::Bool()));

}  // namespace
}  // namespace zipc
