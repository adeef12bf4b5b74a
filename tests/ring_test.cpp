// The ring over plain memory: what it promises, one sentence at a time; and then with a sender and a receiver that sleep.
#include "common/ring.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <algorithm>
#include <random>
#include <thread>
#include <vector>

#include "common/write_back.h"
#include "tests/support/self_checking.h"

namespace zipc {
namespace {

using test::is_message;
using test::make_message;

/// A segment in memory of this process, with both sides announced.
class Queue {
 public:
  explicit Queue(const Params& params, bool announced = true)
      : params_(params), memory_(static_cast<std::size_t>(segment_size(params)) / 8 + 1) {
    if (!announced) return;
    ring().announce(Role::sender);
    ring().announce(Role::receiver);
  }
  [[nodiscard]] Ring ring() { return {memory_.data(), params_, nullptr}; }
  [[nodiscard]] SegmentHeader& header() { return ring().header(); }

 private:
  Params params_;
  std::vector<std::uint64_t> memory_;
};

std::string text_of(const Slot& slot) { return {reinterpret_cast<const char*>(slot.data), slot.size}; }

/// Waits for a message, and takes it out.
Slot receive_waiting(Ring ring, Waiting waiting = Waiting::sleep) {
  const Error waited = ring.wait_for_message(kNoDeadline, waiting);
  return waited == Error::ok ? ring.receive() : Slot{.error = waited};
}

/// Waits for space, and sends.
Error send_waiting(Ring ring, const void* message, std::size_t size, Waiting waiting = Waiting::sleep) {
  const Error waited = ring.wait_for_space(kNoDeadline, waiting);
  return waited == Error::ok ? ring.send(message, size) : waited;
}

TEST(Ring, DeliversMessagesInOrderWithTheirLengths) {
  Queue queue({.queue_size = 4, .message_size = 8});
  Ring ring = queue.ring();
  ASSERT_EQ(ring.send("one", 3), Error::ok);
  ASSERT_EQ(ring.send("three", 5), Error::ok);
  EXPECT_EQ(text_of(ring.receive()), "one");
  EXPECT_EQ(text_of(ring.receive()), "three");
  EXPECT_EQ(ring.receive().error, Error::empty);
}

/// One end's hot path over `queue`.
HotPath hot_path(Queue& queue, Pace& pace, std::atomic<std::uint8_t>* tripwire) {
  Ring ring = queue.ring();
  auto* memory = reinterpret_cast<std::byte*>(&ring.header());
  return {&ring.header(), &ring.header(), memory + buffers_offset(ring.params()), ring.params(), tripwire, false, &pace, false};
}
HotPath hot_path(Queue& queue, Pace& pace) {
  static std::atomic<std::uint8_t> whole[] = {kTripwire, kTripwire, kTripwire, 0};
  return hot_path(queue, pace, whole);
}

TEST(HotPath, WritesEveryLineThatWasReadBackOnceALap) {
  constexpr std::uint32_t kSlots = 64;
  for (const std::uint32_t slot_size : {1u, 8u, 24u, 32u, 64u, 100u, 256u, 1000u, 1024u}) {
    for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{slot_size / 2}, std::uint64_t{slot_size}, std::uint64_t{1} << 40}) {
      std::vector<int> times(kSlots * slot_size / kCacheLine + 1);
      for (std::uint32_t i = 0; i < kSlots; ++i) {
        const std::uintptr_t slot = std::uintptr_t{i} * slot_size;
        const Lines done = lines_done_with(slot, size, slot_size);
        for (std::uintptr_t line = done.first; line < done.end; line += kCacheLine) {
          EXPECT_LE(line + kCacheLine, slot + slot_size) << "the next slot's bytes are on it, and not read yet";
          ++times.at(line / kCacheLine);
        }
      }
      for (std::size_t line = 0; line + 1 < times.size(); ++line) {
        EXPECT_LE(times[line], 1) << "slots of " << slot_size << ", messages of " << size;
        if (size >= slot_size) {
          EXPECT_EQ(times[line], 1) << "slots of " << slot_size << ", messages of " << size;
        }
      }
    }
  }
}

TEST(WriteBack, IsForChannelsThatTheNearerCachesHold) {
  EXPECT_TRUE(has_sizes_to_write_back({.queue_size = 33, .message_size = 32}));
  EXPECT_FALSE(has_sizes_to_write_back({.queue_size = 32, .message_size = 32}));
  EXPECT_FALSE(has_sizes_to_write_back({.queue_size = 33, .message_size = 31}));
  EXPECT_TRUE(has_sizes_to_write_back({.queue_size = 1024, .message_size = 1024}));
  EXPECT_FALSE(has_sizes_to_write_back({.queue_size = 1025, .message_size = 1024}));
  EXPECT_FALSE(has_sizes_to_write_back({.queue_size = kQueueSizeMax, .message_size = kMessageSizeMax}));
  EXPECT_FALSE(gains_by_writing_back({.queue_size = 16, .message_size = 64})) << "on any machine";
}

TEST(Pace, DoesNotSpinForAWhileWhereThatIsInVain) {
  Pace pace;
  constexpr int all = 1000;  // on a machine where spinning is of use
  const std::chrono::microseconds briefly(5);
  pace.slept(briefly);
  pace.slept(briefly);
  EXPECT_EQ(pace.spins_of(all), all) << "twice is no reason yet";
  pace.slept(briefly);
  EXPECT_LT(pace.spins_of(all), all) << "the peer waits for this processor";
  int waits = 0;
  for (; pace.spins_of(all) < all; ++waits) {
    ASSERT_LT(waits, 1000);
    pace.slept(briefly);
  }
  pace.spun();
  pace.slept(briefly);
  EXPECT_EQ(pace.spins_of(all), all) << "spinning has helped again";
  for (int i = 0; i < 10; ++i) pace.slept(std::chrono::seconds(1));
  EXPECT_LT(pace.spins_of(all), all) << "traffic is rare";
}

TEST(Pace, PausesInAStreamAndNotOnASingleProcessor) {
  constexpr int all = 1000;  // on a machine where spinning is of use
  Pace pace;
  EXPECT_EQ(pace.pauses_of(all), 0);
  for (int i = 0; i < 10; ++i) pace.found_messages(2, 1024);
  EXPECT_GT(pace.pauses_of(all), 0) << "the next batch is to be larger";
  EXPECT_EQ(pace.pauses_of(0), 0);
  EXPECT_EQ(pace.spins_of(0), 0);
}

TEST(Pace, LooksLessOftenInADialogueWhereLinesAreSlow) {
  Pace pace;
  EXPECT_EQ(pace.pauses_between_looks(), 1);
  const auto learnt = [&pace](int pauses_of_a_look) {
    for (int i = 0; i < 20; ++i) pace.look_took(pauses_of_a_look);
    return pace.pauses_between_looks();
  };
  EXPECT_EQ(learnt(1), 1);
  EXPECT_EQ(learnt(8), 4) << "half as long as a look";
  EXPECT_EQ(learnt(1000), 4) << "it was interrupted";
  EXPECT_EQ(learnt(100), Pace::kMostBetweenLooks);
  pace.look_took(1);
  EXPECT_EQ(pace.pauses_between_looks(), Pace::kMostBetweenLooks - 1) << "once may be chance";
  EXPECT_EQ(learnt(0), 1);
}

TEST(Waiting, KnowsHowManyPausesTakeAsLong) {
  EXPECT_EQ(pauses_in(0), 0);
  const std::uint64_t start = ticks();
  spin_pauses(100'000);
  EXPECT_GT(pauses_in(ticks() - start), 1000) << "and no more than that is of interest";
}

TEST(Pace, HasALookMeasuredNowAndThen) {
  Queue queue({.queue_size = 8, .message_size = 8});
  Pace pace;
  HotPath receiver = hot_path(queue, pace);
  Ring ring(&queue.header(), &queue.header(), queue.ring().params(), nullptr, &pace);
  int measured = 0;
  for (int round = 0; round < 1000; ++round) {
    pace.found_nothing();
    ASSERT_EQ(queue.ring().send("one", 3), Error::ok);
    if (pace.is_to_measure()) {
      ++measured;
      EXPECT_EQ(receiver.try_peek().error, kUndone) << "the ring does that";
      EXPECT_EQ(ring.look_for_message(), Error::ok);
      EXPECT_FALSE(pace.is_to_measure());
    }
    ASSERT_EQ(text_of(receiver.try_peek().error == Error::ok ? receiver.try_peek() : ring.peek()), "one");
    ASSERT_EQ(ring.pop(), Error::ok);
  }
  EXPECT_GT(measured, 3);
  EXPECT_LT(measured, 20);
}

TEST(HotPath, FindsTheOneMessageOfADialogue) {
  Queue queue({.queue_size = 8, .message_size = 8});
  ASSERT_EQ(queue.ring().send("first", 5), Error::ok);
  ASSERT_EQ(text_of(queue.ring().receive()), "first");  // it counts the depth, once
  Pace pace;
  HotPath receiver = hot_path(queue, pace);
  for (int round = 0; round < 20; ++round) {
    EXPECT_EQ(receiver.try_peek().error, Error::empty);
    ASSERT_EQ(queue.ring().send("one", 3), Error::ok);
    EXPECT_EQ(text_of(receiver.try_peek()), "one");
    EXPECT_NE(receiver.try_pop(), kUndone);
  }
  EXPECT_EQ(queue.ring().stats().received, 21u);
}

TEST(HotPath, LeavesToTheRingWhatThereIsToLearnOrToDo) {
  Queue queue({.queue_size = 8, .message_size = 8});
  ASSERT_EQ(queue.ring().send("first", 5), Error::ok);
  ASSERT_EQ(text_of(queue.ring().receive()), "first");
  Pace pace;
  HotPath receiver = hot_path(queue, pace);
  ASSERT_EQ(queue.ring().send("one", 3), Error::ok);
  EXPECT_EQ(receiver.try_peek().error, kUndone) << "a stream: there was no look in vain before";
  pace.found_nothing();
  queue.header().notice_to_receiver.store(kNoticeMoving);
  EXPECT_EQ(receiver.try_peek().error, kUndone) << "the channel moves";
  queue.header().notice_to_receiver.store(0);
  queue.header().waiters.store(1);
  EXPECT_EQ(receiver.try_peek().error, kUndone) << "it waits by a doorbell";
  queue.header().waiters.store(0);
  EXPECT_EQ(receiver.try_peek().error, Error::ok);
  EXPECT_NE(receiver.try_pop(), kUndone);
  queue.header().notice_to_receiver.store(kNoticePeerGone);
  EXPECT_EQ(receiver.try_peek().error, kUndone) << "its sender has gone, which is told once";
  queue.header().notice_to_receiver.store(0);
  queue.header().sender_features.store(0);
  EXPECT_EQ(receiver.try_peek().error, kUndone) << "the sender is not known to be zipc";
}

TEST(Ring, LooksForWhatTheHotPathHasLeftUndoneAndLeavesTheRestToPeek) {
  Queue queue({.queue_size = 8, .message_size = 8});
  Pace pace;
  Ring receiver(&queue.header(), &queue.header(), queue.ring().params(), nullptr, &pace);
  EXPECT_EQ(receiver.look_for_message(), Error::empty);
  ASSERT_EQ(queue.ring().send("one", 3), Error::ok);
  ASSERT_EQ(queue.ring().send("two", 3), Error::ok);
  for (auto* word : {&queue.header().waiters, &queue.header().notice_to_receiver}) {
    word->store(kNoticePeerGone);
    EXPECT_EQ(receiver.look_for_message(), kUndone) << "somebody has to be told, or something taken back";
    EXPECT_EQ(word->exchange(0), kNoticePeerGone) << "and that is not done here";
  }
  EXPECT_EQ(receiver.look_for_message(), Error::ok);
  EXPECT_EQ(text_of(receiver.try_receive()), "one");
  EXPECT_EQ(receiver.look_for_message(), kUndone) << "it knows of one: there is nothing to look for";
  EXPECT_EQ(text_of(receiver.try_receive()), "two");
  for (const std::uint32_t impossible : {8u, 0xffffffffu}) {
    queue.header().tail.store(impossible);
    EXPECT_EQ(receiver.look_for_message(), kUndone) << "peek() says that it is corrupt";
  }
  queue.header().tail.store(2);
  const std::uint32_t announced = queue.header().sender_features.exchange(0);
  EXPECT_EQ(receiver.look_for_message(), kUndone) << "the sender is not known to be zipc";
  queue.header().sender_features.store(announced);
  for (auto* word : {&queue.header().head, &queue.header().cached_tail, &queue.header().tail}) word->store(8);
  EXPECT_EQ(receiver.look_for_message(), kUndone) << "peek() says that it is corrupt";
}

TEST(Ring, SpinsUntilThereMayBeSomething) {
  Queue queue({.queue_size = 2, .message_size = 8});
  EXPECT_FALSE(queue.ring().spin(Role::receiver));
  ASSERT_EQ(queue.ring().send("one", 3), Error::ok);
  EXPECT_FALSE(queue.ring().spin(Role::sender)) << "the queue is full";
  if (Pace::spin_limit() == 0) return;  // on one processor it never spins, and so finds nothing
  EXPECT_TRUE(queue.ring().spin(Role::receiver));
  EXPECT_EQ(text_of(queue.ring().receive()), "one");
  EXPECT_TRUE(queue.ring().spin(Role::sender));
}

TEST(Ring, TakesABatchOutThatItHasSeenWithoutAnotherLookAtTheSendersIndex) {
  Queue queue({.queue_size = 8, .message_size = 8});
  for (const char* text : {"a", "b", "c"}) ASSERT_EQ(queue.ring().send(text, 1), Error::ok);
  std::uint32_t sizes[8];
  ASSERT_EQ(queue.ring().peek_run(sizes, 8).count, 3u);
  queue.header().tail.store(8);  // impossible: who looks says so
  EXPECT_EQ(queue.ring().pop_run(3), Error::ok);
  EXPECT_EQ(queue.ring().pop_run(1), Error::corrupt);
}

TEST(Ring, TakesOutMoreThanItHasSeenAndKnowsWhereItIsThen) {
  Queue queue({.queue_size = 8, .message_size = 8});
  Pace pace;
  HotPath receiver = hot_path(queue, pace);
  ASSERT_EQ(queue.ring().send("a", 1), Error::ok);
  ASSERT_EQ(queue.ring().peek().error, Error::ok);
  for (const char* text : {"b", "c"}) ASSERT_EQ(queue.ring().send(text, 1), Error::ok);
  ASSERT_EQ(queue.ring().pop_run(3), Error::ok);
  EXPECT_NE(receiver.try_receive().error, Error::ok) << "it went by what it knew before";
  EXPECT_EQ(queue.ring().receive().error, Error::empty);
  EXPECT_EQ(queue.ring().stats().received, 3u);
}

TEST(Ring, LoansNoEmptyBatchWhenTheReceiverTakesItsIndexBack) {
  Queue queue({.queue_size = 4, .message_size = 8});
  queue.header().head.store(1);  // as if the queue were full; the copy says that it is empty
  EXPECT_EQ(queue.ring().loan_run(4).error, Error::full);
}

TEST(HotPath, ReadsNoImpossibleIndexOrLength) {
  Queue queue({.queue_size = 4, .message_size = 8});
  Pace pace;
  HotPath end = hot_path(queue, pace);
  queue.header().largest.store(8);
  EXPECT_NE(end.try_send("x", 1), kUndone);
  queue.ring().reset();
  for (const std::uint32_t impossible : {4u, 5u, 0x7fffffffu, 0xfffffffeu, 0xffffffffu}) {
    queue.header().head.store(impossible);
    EXPECT_EQ(end.try_peek().error, kUndone);
    EXPECT_EQ(end.try_receive().error, kUndone);
    EXPECT_EQ(end.try_pop(), kUndone);
    queue.header().head.store(0);
    queue.header().tail.store(impossible);
    pace.found_nothing();
    EXPECT_EQ(end.try_peek().error, kUndone);
    EXPECT_EQ(end.try_loan().error, kUndone);
    EXPECT_EQ(end.try_publish(1), kUndone);
    EXPECT_EQ(end.try_send("x", 1), kUndone);
    queue.header().tail.store(0);
  }
  ASSERT_EQ(queue.ring().send("x", 1), Error::ok);
  ASSERT_EQ(queue.ring().peek().error, Error::ok);
  reinterpret_cast<ItemLength*>(&queue.header() + 1)->store(9);
  EXPECT_EQ(end.try_peek().error, kUndone);
  EXPECT_EQ(end.try_receive().error, kUndone);
  queue.header().largest.store(0xffffffff);
  EXPECT_EQ(end.try_send("123456789", 9), kUndone) << "it would go past the slot";
  EXPECT_EQ(end.try_publish(9), kUndone);
}

TEST(HotPath, LeavesTheLongestMessageYetToTheRingWhichKeepsItsLength) {
  Queue queue({.queue_size = 8, .message_size = 8});
  Pace pace;
  HotPath sender = hot_path(queue, pace);
  EXPECT_EQ(sender.try_send("four", 4), kUndone);
  EXPECT_EQ(queue.ring().send("four", 4), Error::ok);
  EXPECT_NE(sender.try_send("more", 4), kUndone);
  EXPECT_EQ(sender.try_publish(5), kUndone);
  EXPECT_EQ(queue.ring().publish(5), Error::ok);
  EXPECT_NE(sender.try_publish(5), kUndone);
  EXPECT_EQ(queue.ring().stats().largest, 5u);
  EXPECT_EQ(queue.ring().stats().sent, 4u);
}

TEST(Ring, SendsALongMessageAtOnceOnlyWhereThereIsNothingElseToDo) {
  Queue queue({.queue_size = 4, .message_size = 300});
  std::atomic<std::uint8_t> tripwire[] = {kTripwire, kTripwire, kTripwire, 0};
  Ring sender(&queue.header(), &queue.header(), queue.ring().params(), tripwire, nullptr);
  const std::string text(kShort + 1, 'x'), too_long(301, 'x');
  const auto tried = [&] { return sender.try_send_long(text.data(), text.size()); };
  EXPECT_EQ(tried(), kUndone) << "the longest yet";
  ASSERT_EQ(queue.ring().send(text.data(), text.size()), Error::ok);
  EXPECT_NE(tried(), kUndone);
  queue.header().largest.store(0xffffffff);  // as a hostile peer may say
  EXPECT_EQ(sender.try_send_long(too_long.data(), too_long.size()), kUndone) << "it would go past the slot";
  tripwire[kSenderInStepOffset] = 0;
  EXPECT_EQ(tried(), kUndone) << "its copies may be old";
  tripwire[kSenderInStepOffset] = kTripwire;
  EXPECT_NE(tried(), kUndone);
  EXPECT_EQ(tried(), kUndone) << "full";
  for (int i = 0; i < 3; ++i) EXPECT_EQ(text_of(queue.ring().receive()), text);
  EXPECT_EQ(queue.ring().stats().sent, 3u);
  queue.header().cached_head.store(2);  // so that it is not full by that
  for (const std::uint32_t impossible : {4u, 0xffffffffu}) {
    queue.header().tail.store(impossible);
    EXPECT_EQ(tried(), kUndone);
  }
}

TEST(HotPath, AsksTheRingWhetherToWakeUnlessBothSidesFenceAndNobodyElseCanHaveCome) {
  Queue queue({.queue_size = 16, .message_size = 8});
  // From here on the longest message is known, and both copies of the indices are up to date.
  ASSERT_EQ(queue.ring().send("known", 5), Error::ok);
  ASSERT_EQ(queue.ring().peek().error, Error::ok);
  queue.header().sender_features.store(kFeaturesOfKnown);
  queue.header().receiver_features.store(kFeaturesOfKnown);
  Pace pace;
  std::atomic<std::uint8_t> tripwire[] = {kTripwire, kTripwire, kTripwire, 0};
  HotPath end = hot_path(queue, pace, tripwire);
  EXPECT_EQ(end.try_send("a", 1), Error::ok);
  EXPECT_EQ(end.try_pop(), Error::ok);
  const auto expect_send = [&](Error expected, const char* why) {
    ASSERT_EQ(queue.ring().peek().error, Error::ok);
    EXPECT_EQ(end.try_send("b", 1), expected) << why;
    ASSERT_EQ(queue.ring().pop(), Error::ok);
  };
  expect_send(Error::ok, "all is well");
  queue.header().waiters.store(1);
  expect_send(kUnconcluded, "the receiver sleeps");
  queue.header().waiters.store(0);
  queue.header().notice_to_sender.store(kNoticeMoving);
  EXPECT_EQ(end.try_send("c", 1), kUnconcluded) << "the channel moves";
  queue.header().notice_to_sender.store(0);
  queue.header().receiver_features.store(kFeatureAnnouncesSleep);
  expect_send(kUnconcluded, "the receiver does not make our fence");
  queue.header().receiver_features.store(kFeaturesOfKnown);
  ASSERT_EQ(queue.ring().peek().error, Error::ok);
  tripwire[0].store(0);
  EXPECT_EQ(end.try_send("e", 1), kUnconcluded) << "an existing receiver may have come meanwhile";
  for (auto& byte : tripwire) byte.store(0);
  EXPECT_EQ(end.try_send("e", 1), kUndone) << "an existing peer may have come before";
  EXPECT_EQ(end.try_loan().error, kUndone) << "the same";
  EXPECT_EQ(end.try_publish(1), kUnconcluded) << "it is written where the loan has said, and who may sleep is looked after";
  EXPECT_EQ(end.try_peek().error, kUndone) << "an existing sender may have come";
  EXPECT_EQ(end.try_pop(), kUndone) << "the same";
}

/// A Queue whose sender has copies of its own, and with a tripwire.
class QueueWithCopies {
 public:
  explicit QueueWithCopies(const Params& params) : params_(params), memory_(static_cast<std::size_t>(segment_size(params)) / 8 + 1) {
    tripwire()[0] = kTripwire;
    sender().announce(Role::sender);
    receiver().announce(Role::receiver);
    sender().catch_up();
  }
  [[nodiscard]] std::atomic<std::uint8_t>* tripwire() {
    return reinterpret_cast<std::atomic<std::uint8_t>*>(reinterpret_cast<std::byte*>(memory_.data()) + tripwire_offset(params_));
  }
  [[nodiscard]] SegmentHeader& header() { return *reinterpret_cast<SegmentHeader*>(memory_.data()); }
  [[nodiscard]] Ring sender() { return {&header(), &copies_, params_, tripwire(), nullptr}; }
  [[nodiscard]] Ring receiver() { return {&header(), &header(), params_, tripwire(), nullptr}; }
  [[nodiscard]] bool is_all_clear() { return tripwire()[kAllClearOffset] == kAllClear; }

 private:
  Params params_;
  std::vector<std::uint64_t> memory_;
  SegmentHeader copies_{};
};

TEST(HotPath, SendsNothingTooLongWhateverTheHeaderSaysOfTheLongestMessage) {
  QueueWithCopies queue({.queue_size = 8, .message_size = 300});
  const std::string longest(300, 'x'), too_long(301, 'x');
  for (const std::uint32_t said : {301u, 0xffffffffu}) {  // as a hostile peer may, or where longer ones were sent before the channel moved
    queue.header().largest.store(said);
    queue.sender().catch_up();
    ASSERT_EQ(queue.sender().send(longest.data(), longest.size()), Error::ok);  // now it knows of free slots
    ASSERT_EQ(queue.sender().try_publish(longest.size()), queue.is_all_clear() ? Error::ok : kUnconcluded);
    EXPECT_EQ(queue.sender().try_publish(too_long.size()), kUndone) << "it would go past the slot";
    EXPECT_EQ(queue.sender().try_send_long(too_long.data(), too_long.size()), kUndone);
    EXPECT_EQ(queue.sender().publish(too_long.size()), Error::message_too_large);
    EXPECT_EQ(queue.sender().send(too_long.data(), too_long.size()), Error::message_too_large);
    EXPECT_EQ(queue.sender().stats().largest, said) << "it is no longer one";
  }
}

TEST(AllClear, IsSaidWhenAMessageIsSentAndThereIsNothingElseToDo) {
  const bool may_be_said = join_heavy_fences();  // without membarrier every message looks
  QueueWithCopies queue({.queue_size = 64, .message_size = 8});
  const auto expect_after_sending = [&](bool is_said, const char* why) {
    ASSERT_EQ(queue.sender().send("x", 1), Error::ok) << why;
    EXPECT_EQ(queue.is_all_clear(), is_said && may_be_said) << why;
    queue.tripwire()[kAllClearOffset] = 0;
  };
  expect_after_sending(true, "all is well");
  auto& header = queue.header();
  const std::uint32_t features = header.receiver_features;
  for (const std::uint32_t one : {kFeatureAnnouncesSleep, kFeatureFencesForBoth, kFeatureEndsAllClear}) {
    header.receiver_features = features & ~one;
    expect_after_sending(false, "the receiver does not do all that is wanted for it");
  }
  header.receiver_features = 0;
  expect_after_sending(false, "who comes next may be of any kind");
  header.receiver_features = features;
  header.waiters = waiting_stamp();
  expect_after_sending(false, "the receiver sleeps");
  header.waiters = 0;
  header.notice_to_sender = kNoticePeerGone;
  expect_after_sending(false, "there is something to be told");
  header.notice_to_sender = 0;
  queue.tripwire()[0] = 0;
  expect_after_sending(false, "an existing receiver may have come");
  queue.tripwire()[0] = kTripwire;
  expect_after_sending(true, "all is well again");
}

TEST(AllClear, IsEndedByWhoSleepsComesOrLeaves) {
  QueueWithCopies queue({.queue_size = 4, .message_size = 8});
  const auto say = [&] { queue.tripwire()[kAllClearOffset] = kAllClear; };
  say();
  EXPECT_EQ(queue.receiver().wait_for_message(deadline_after(std::chrono::milliseconds(1)), Waiting::sleep), Error::timeout);
  EXPECT_FALSE(queue.is_all_clear()) << "it has slept";
  say();
  static_cast<void>(queue.receiver().wait_by_doorbell(Role::receiver, 1));
  EXPECT_FALSE(queue.is_all_clear()) << "it waits by its doorbell";
  ASSERT_TRUE(queue.receiver().stop_waiting_by_doorbell(Role::receiver));
  say();
  queue.receiver().announce(Role::receiver);
  EXPECT_FALSE(queue.is_all_clear()) << "another one has come";
  say();
  queue.receiver().retract_and_tell(Role::receiver, kNoticePeerGone);
  EXPECT_FALSE(queue.is_all_clear()) << "it has left";
  queue.receiver().announce(Role::receiver);
  say();
  EXPECT_EQ(queue.sender().wait_for_space(deadline_after(std::chrono::milliseconds(1)), Waiting::sleep), Error::ok);
  EXPECT_TRUE(queue.is_all_clear()) << "what the sender does about itself is none of it";
}

TEST(AllClear, IsAllThatASenderLooksAtAfterItsMessage) {
  QueueWithCopies queue({.queue_size = 64, .message_size = 8});
  ASSERT_EQ(queue.sender().send("x", 1), Error::ok);
  queue.tripwire()[kAllClearOffset] = kAllClear;
  queue.header().notice_to_sender = kNoticeMoving;
  EXPECT_EQ(queue.sender().try_send("y", 1), Error::ok) << "the broker has not come to it yet";
  for (const std::uint8_t none : {std::uint8_t{0}, kAboutToSayClear}) {  // which a killed sender may have left
    queue.tripwire()[kAllClearOffset] = none;
    EXPECT_EQ(queue.sender().try_send("z", 1), kUnconcluded);
  }
  queue.tripwire()[kAllClearOffset] = kAllClear;
  ASSERT_EQ(queue.sender().try_send("a", 1), Error::ok);
  queue.tripwire()[0] = 0;
  EXPECT_EQ(queue.sender().try_send("b", 1), kUnconcluded) << "the kernel may zero that byte first";
}

TEST(HotPath, CopiesEveryShortLength) {
  std::byte from[kShort], to[kShort + 2];
  for (std::size_t i = 0; i < kShort; ++i) from[i] = static_cast<std::byte>(i * 7 + 1);
  for (std::size_t size = 0; size <= kShort; ++size) {
    std::fill(std::begin(to), std::end(to), std::byte{0});
    copy_short(to + 1, from, size);
    EXPECT_TRUE(std::equal(from, from + size, to + 1)) << size;
    EXPECT_EQ(to[0], std::byte{0}) << size;
    EXPECT_EQ(to[size + 1], std::byte{0}) << size;
  }
}

TEST(Ring, RingsADoorbellOnceForEachAnnouncementUnlessNobodyRings) {
  static int rings;
  static bool is_heard;
  rings = 0;
  set_bellringer([](const void*, std::uint32_t serial) noexcept {
    EXPECT_EQ(serial, 7u);
    ++rings;
    return is_heard;
  });
  Queue queue({.queue_size = 16, .message_size = 8});
  Ring ring = queue.ring();
  const auto send_two = [&] {
    EXPECT_EQ(ring.send("a", 1), Error::ok);
    EXPECT_EQ(ring.send("b", 1), Error::ok);
  };
  send_two();
  EXPECT_EQ(rings, 0) << "nobody waits";
  for (int expected = 1; expected < 4; ++expected) {
    is_heard = true;
    EXPECT_EQ(ring.wait_by_doorbell(Role::receiver, 7), Bellman::none) << "the sender has no broker";
    send_two();
    EXPECT_EQ(rings, expected);
    EXPECT_FALSE(ring.stop_waiting_by_doorbell(Role::receiver)) << "the sender has taken it back";
  }
  is_heard = false;
  EXPECT_EQ(ring.wait_by_doorbell(Role::receiver, 7), Bellman::none);
  send_two();
  EXPECT_EQ(rings, 5) << "the second message tries again";
  EXPECT_TRUE(ring.stop_waiting_by_doorbell(Role::receiver));
  set_bellringer(nullptr);
}

TEST(Ring, HoldsOneMessageLessThanItHasSlots) {
  for (std::uint32_t slots : {2u, 3u, 7u}) {
    Queue queue({.queue_size = slots, .message_size = 1});
    for (std::uint32_t i = 0; i + 1 < slots; ++i) EXPECT_EQ(queue.ring().send("x", 1), Error::ok);
    EXPECT_EQ(queue.ring().send("x", 1), Error::full);
    EXPECT_EQ(queue.ring().stats().depth, slots - 1);
    EXPECT_EQ(queue.ring().stats().full, 1u);
  }
}

TEST(Ring, KeepsAReceivedMessageIntactUntilTheNextReceive) {
  Queue queue({.queue_size = 3, .message_size = 4});
  Ring ring = queue.ring();
  ASSERT_EQ(ring.send("keep", 4), Error::ok);
  const Slot held = ring.receive();
  while (ring.send("over", 4) == Error::ok) {
  }
  EXPECT_EQ(text_of(held), "keep");
}

TEST(Ring, RefusesAMessageThatIsTooLongAndWritesNothing) {
  Queue queue({.queue_size = 2, .message_size = 4});
  EXPECT_EQ(queue.ring().send("12345", 5), Error::message_too_large);
  EXPECT_EQ(queue.ring().publish(5), Error::message_too_large);
  EXPECT_EQ(queue.ring().stats().sent, 0u);
  EXPECT_EQ(queue.ring().receive().error, Error::empty);
}

TEST(Ring, TellsAnEmptyMessageFromAnEmptyQueue) {
  Queue queue({.queue_size = 2, .message_size = 4});
  ASSERT_EQ(queue.ring().send(nullptr, 0), Error::ok);
  const Slot slot = queue.ring().receive();
  EXPECT_EQ(slot.error, Error::ok);
  EXPECT_NE(slot.data, nullptr);
  EXPECT_EQ(slot.size, 0u);
}

TEST(Ring, SendsALoanedSlotOnlyWhenItIsPublished) {
  Queue queue({.queue_size = 3, .message_size = 4});
  Ring ring = queue.ring();
  std::memcpy(ring.loan().data, "abcd", 4);
  EXPECT_EQ(ring.receive().error, Error::empty);
  ASSERT_EQ(ring.publish(2), Error::ok);
  EXPECT_EQ(text_of(ring.receive()), "ab");
}

TEST(Ring, GivesAPeekedMessageAgainUntilItIsPopped) {
  Queue queue({.queue_size = 3, .message_size = 4});
  Ring ring = queue.ring();
  ASSERT_EQ(ring.send("a", 1), Error::ok);
  ASSERT_EQ(ring.send("b", 1), Error::ok);
  EXPECT_EQ(text_of(ring.peek()), "a");
  EXPECT_EQ(text_of(ring.peek()), "a");
  EXPECT_EQ(ring.send("c", 1), Error::full) << "a peeked message keeps its slot";
  ASSERT_EQ(ring.pop(), Error::ok);
  EXPECT_EQ(text_of(ring.peek()), "b");
  ASSERT_EQ(ring.pop(), Error::ok);
  EXPECT_EQ(ring.pop(), Error::empty);
}

TEST(Ring, IsContinuedByACopyWithoutLosingItsPlace) {
  Queue queue({.queue_size = 4, .message_size = 4});
  Ring first = queue.ring();
  for (int round = 0; round < 10; ++round) {
    Ring second = queue.ring();
    for (Ring* sender : {&first, &second}) ASSERT_EQ(sender->send("m", 1), Error::ok);
    ASSERT_EQ(first.send("m", 1), Error::ok);
    ASSERT_EQ(second.send("m", 1), Error::full);
    for (Ring* receiver : {&second, &first, &second}) ASSERT_EQ(receiver->receive().error, Error::ok);
    ASSERT_EQ(first.receive().error, Error::empty);
  }
}

TEST(Ring, ReportsImpossibleIndicesAndLengthsAsCorrupt) {
  const Params params{.queue_size = 4, .message_size = 8};
  for (const std::uint32_t wrong : {4u, 5u, 0x80000000u, 0xffffffffu}) {
    Queue bad_tail(params);
    bad_tail.header().tail = wrong;
    EXPECT_EQ(bad_tail.ring().receive().error, Error::corrupt);
    EXPECT_EQ(bad_tail.ring().send("x", 1), Error::corrupt);
    Queue bad_head(params);
    bad_head.header().head = wrong;
    EXPECT_EQ(bad_head.ring().receive().error, Error::corrupt);
    bad_head.header().cached_head = 1;
    EXPECT_EQ(bad_head.ring().send("x", 1), Error::corrupt);
    Queue bad_cache(params);
    bad_cache.header().cached_tail = wrong;
    EXPECT_EQ(bad_cache.ring().receive().error, Error::corrupt);
  }
  Queue bad_length(params);
  ASSERT_EQ(bad_length.ring().send("x", 1), Error::ok);
  for (const std::uint64_t wrong : {std::uint64_t{9}, std::uint64_t{1} << 32, ~std::uint64_t{0}}) {
    reinterpret_cast<ItemLength*>(&bad_length.header() + 1)[0] = wrong;
    EXPECT_EQ(bad_length.ring().receive().error, Error::corrupt);
    EXPECT_EQ(bad_length.ring().wait_for_message(kNoDeadline), Error::corrupt) << "waiting must not hide it";
  }
}

TEST(Ring, CountsWhatWentThroughIt) {
  Queue queue({.queue_size = 4, .message_size = 8});
  Ring ring = queue.ring();
  for (int i = 0; i < 3; ++i) ASSERT_EQ(ring.send("1234", 4), Error::ok);
  static_cast<void>(ring.send("1234", 4));
  for (int i = 0; i < 2; ++i) ASSERT_EQ(ring.receive().error, Error::ok);
  const Stats stats = ring.stats();
  EXPECT_EQ(stats.sent, 3u);
  EXPECT_EQ(stats.bytes_sent, 12u);
  EXPECT_EQ(stats.received, 2u);
  EXPECT_EQ(stats.full, 1u);
  EXPECT_EQ(stats.depth, 1u);
  EXPECT_EQ(stats.deepest, 3u);
}

TEST(Ring, BelievesNoCachedIndexBesideAPeerThatDoesNotAnnounceItself) {
  Queue queue({.queue_size = 8, .message_size = 8}, false);
  Ring ring = queue.ring();
  ring.announce(Role::receiver);
  for (int i = 0; i < 5; ++i) ASSERT_EQ(ring.send("old", 3), Error::ok);
  ASSERT_EQ(ring.receive().error, Error::ok);
  queue.header().head = 0;  // what an existing sender does when it attaches and finds no flag
  queue.header().tail = 0;
  EXPECT_EQ(ring.receive().error, Error::empty) << "four messages of before the reset";
}

TEST(Ring, TimesOutByTheMonotonicClockAndNotBefore) {
  Queue queue({.queue_size = 2, .message_size = 8});
  EXPECT_EQ(queue.ring().wait_for_message(kNoWait), Error::timeout);
  const auto start = Clock::now();
  EXPECT_EQ(queue.ring().wait_for_message(start + std::chrono::milliseconds(30)), Error::timeout);
  EXPECT_GE(Clock::now() - start, std::chrono::milliseconds(30));
  ASSERT_EQ(queue.ring().send("x", 1), Error::ok);
  EXPECT_EQ(queue.ring().wait_for_space(deadline_after(std::chrono::milliseconds(1))), Error::timeout);
  EXPECT_EQ(queue.header().waiters.load(), 0u) << "who does not sleep says so";
}

TEST(Ring, TurnsAnEndlessTimeoutIntoForEver) {
  EXPECT_EQ(deadline_after(std::chrono::nanoseconds::max()), kNoDeadline);
  EXPECT_EQ(deadline_after(std::chrono::nanoseconds(0)), kNoWait);
  EXPECT_EQ(deadline_after(std::chrono::nanoseconds(-5)), kNoWait);
}

/// Two threads, one message in flight, both asleep again and again: a single lost wake-up would stop it for good.
void exchange_asleep(bool announced, int rounds) {
  Queue there({.queue_size = 2, .message_size = 8}, announced);
  Queue back({.queue_size = 2, .message_size = 8}, announced);
  std::thread echo([&] {
    std::mt19937 random(1);
    for (int i = 0; i < rounds; ++i) {
      const Slot slot = receive_waiting(there.ring());
      for (auto pause = random() % 600; pause > 0; --pause) spin_pause();  // now before, now after the other sleeps
      ASSERT_EQ(send_waiting(back.ring(), slot.data, slot.size), Error::ok);
    }
  });
  std::mt19937 random(2);
  for (int i = 0; i < rounds; ++i) {
    ASSERT_EQ(send_waiting(there.ring(), &i, sizeof i), Error::ok);
    for (auto pause = random() % 600; pause > 0; --pause) spin_pause();
    const Slot slot = receive_waiting(back.ring());
    ASSERT_EQ(std::memcmp(slot.data, &i, sizeof i), 0);
  }
  echo.join();
}

TEST(RingAsleep, LosesNoWakeUpBetweenTwoWhoSleepInTurn) { exchange_asleep(true, 100'000); }

// A slice bounds the sleep of a receiver here, so it is slow when a wake-up is lost rather than hanging.
TEST(RingAsleep, WakesAPeerThatDoesNotAnnounceItsSleep) { exchange_asleep(false, 5'000); }

/// A stream through a small queue, the sender asleep on full and the receiver on empty, each message checked.
void stream(const Params& params, std::uint64_t messages) {
  Queue queue(params);
  std::thread sender([&] {
    std::vector<std::byte> message(params.message_size);
    for (std::uint64_t i = 0; i < messages; ++i) {
      const auto bytes = make_message(i, 7, message);
      ASSERT_EQ(send_waiting(queue.ring(), bytes.data(), bytes.size()), Error::ok);
    }
  });
  for (std::uint64_t i = 0; i < messages; ++i) {
    const Slot slot = receive_waiting(queue.ring());
    ASSERT_EQ(slot.error, Error::ok);
    ASSERT_TRUE(is_message({slot.data, slot.size}, i, 7, params.message_size)) << "message " << i;
  }
  sender.join();
  EXPECT_EQ(queue.ring().stats().sent, messages);
  EXPECT_EQ(queue.ring().stats().received, messages);
}

TEST(RingAsleep, StreamsThroughTheSmallestQueue) { stream({.queue_size = 2, .message_size = 8}, 100'000); }
TEST(RingAsleep, StreamsThroughASmallQueue) { stream({.queue_size = 5, .message_size = 64}, 200'000); }
TEST(RingAsleep, StreamsThroughALargeQueue) { stream({.queue_size = 1024, .message_size = 200}, 300'000); }

TEST(RingAsleep, WakesASenderThatWaitsForSpaceWhenAMessageIsPopped) {
  Queue queue({.queue_size = 2, .message_size = 8});
  ASSERT_EQ(queue.ring().send("a", 1), Error::ok);
  std::thread sender([&] { EXPECT_EQ(send_waiting(queue.ring(), "b", 1), Error::ok); });
  while (queue.header().sender_waiting.load() == 0) std::this_thread::yield();  // it has announced its sleep
  ASSERT_EQ(queue.ring().pop(), Error::ok);
  sender.join();
  EXPECT_EQ(text_of(queue.ring().receive()), "b");
}

// Each way to wait.

class RingWaiting : public testing::TestWithParam<Waiting> {
 protected:
  [[nodiscard]] static bool announces(Waiting waiting) {
    return waiting == Waiting::sleep || waiting == Waiting::adaptive;
  }
};
INSTANTIATE_TEST_SUITE_P(Ways, RingWaiting, testing::ValuesIn(kWaitings),
                         [](const auto& way) { return std::string(to_string(way.param)); });

/// A thread that waits, and can be seen to do so: by the word that announces it, or, if it announces nothing, by the
/// processor time that only looking again and again takes.
class Waiter {
 public:
  template <class Wait>
  explicit Waiter(Wait wait)
      : thread_([this, wait] {
          const auto before = used(CLOCK_THREAD_CPUTIME_ID);
          used_before_.store(before.count());
          found_ = wait();
        }) {}

  void await_announcement(const std::atomic<std::uint32_t>& word) {
    while (word.load() == 0) std::this_thread::yield();
  }
  void await_looks() {
    clockid_t clock{};
    ASSERT_EQ(pthread_getcpuclockid(thread_.native_handle(), &clock), 0);
    while (used_before_.load() < 0) std::this_thread::yield();
    while (used(clock).count() < used_before_.load() + 1'000'000) std::this_thread::yield();  // a hundred looks at least
  }
  [[nodiscard]] Error join() {
    thread_.join();
    return found_;
  }

 private:
  static std::chrono::nanoseconds used(clockid_t clock) {
    timespec time{};
    clock_gettime(clock, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  }
  std::atomic<std::int64_t> used_before_{-1};
  Error found_ = Error::ok;
  std::thread thread_;
};

TEST_P(RingWaiting, PassesMessagesBothDirections) {
  const Waiting way = GetParam();
  const int rounds = way == Waiting::poll ? 300 : 5'000;  // naps
  Queue there({.queue_size = 2, .message_size = 8});
  Queue back({.queue_size = 2, .message_size = 8});
  std::thread echo([&] {
    for (int i = 0; i < rounds; ++i) {
      const Slot slot = receive_waiting(there.ring(), way);
      ASSERT_EQ(send_waiting(back.ring(), slot.data, slot.size, way), Error::ok);
    }
  });
  int received = 0;
  for (int sent = 0; received < rounds;) {  // two at a time where there is room, so that both wait for space as well
    for (; sent < rounds && sent < received + 2; ++sent) {
      ASSERT_EQ(send_waiting(there.ring(), &sent, sizeof sent, way), Error::ok);
    }
    const Slot slot = receive_waiting(back.ring(), way);
    ASSERT_EQ(std::memcmp(slot.data, &received, sizeof received), 0);
    ++received;
  }
  echo.join();
}

TEST_P(RingWaiting, TimesOutNotBeforeItsTime) {
  Queue queue({.queue_size = 2, .message_size = 8});
  EXPECT_EQ(queue.ring().wait_for_message(kNoWait, GetParam()), Error::timeout);
  const auto start = Clock::now();
  EXPECT_EQ(queue.ring().wait_for_message(start + std::chrono::milliseconds(20), GetParam()), Error::timeout);
  EXPECT_GE(Clock::now() - start, std::chrono::milliseconds(20));
  ASSERT_EQ(queue.ring().send("x", 1), Error::ok);
  EXPECT_EQ(queue.ring().wait_for_space(deadline_after(std::chrono::milliseconds(1)), GetParam()), Error::timeout);
  EXPECT_EQ(queue.header().waiters.load(), 0u);
  EXPECT_EQ(queue.header().sender_waiting.load(), 0u);
}

TEST_P(RingWaiting, AnnouncesAReceiverOnlyIfItSleepsUntilItIsWoken) {
  Queue queue({.queue_size = 2, .message_size = 8});
  Waiter receiver([&] { return queue.ring().wait_for_message(kNoDeadline, GetParam()); });
  announces(GetParam()) ? receiver.await_announcement(queue.header().waiters) : receiver.await_looks();
  EXPECT_EQ(queue.header().waiters.load() != 0, announces(GetParam()));
  ASSERT_EQ(queue.ring().send("x", 1), Error::ok);
  EXPECT_EQ(receiver.join(), Error::ok);
}

TEST_P(RingWaiting, AnnouncesASenderOnlyIfItSleepsUntilItIsWoken) {
  Queue queue({.queue_size = 2, .message_size = 8});
  ASSERT_EQ(queue.ring().send("x", 1), Error::ok);
  Waiter sender([&] { return queue.ring().wait_for_space(kNoDeadline, GetParam()); });
  announces(GetParam()) ? sender.await_announcement(queue.header().sender_waiting) : sender.await_looks();
  EXPECT_EQ(queue.header().sender_waiting.load() != 0, announces(GetParam()));
  ASSERT_EQ(queue.ring().pop(), Error::ok);
  EXPECT_EQ(sender.join(), Error::ok);
}

TEST_P(RingWaiting, IsToldThatThePeerHasGone) {
  for (const Role role : {Role::receiver, Role::sender}) {
    Queue queue({.queue_size = 2, .message_size = 8});
    ASSERT_EQ(role == Role::sender ? queue.ring().send("x", 1) : Error::ok, Error::ok);
    Waiter waiter([&] {
      return role == Role::receiver ? queue.ring().wait_for_message(kNoDeadline, GetParam())
                                    : queue.ring().wait_for_space(kNoDeadline, GetParam());
    });
    auto& word = role == Role::receiver ? queue.header().waiters : queue.header().sender_waiting;
    announces(GetParam()) ? waiter.await_announcement(word) : waiter.await_looks();
    queue.ring().tell_of_departure(role, kNoticePeerGone | kNoticeDied);
    EXPECT_EQ(waiter.join(), Error::peer_gone);
  }
}

TEST_P(RingWaiting, IsToldThatTheChannelMoves) {
  Queue queue({.queue_size = 2, .message_size = 8});
  Waiter receiver([&] { return queue.ring().wait_for_message(kNoDeadline, GetParam()); });
  announces(GetParam()) ? receiver.await_announcement(queue.header().waiters) : receiver.await_looks();
  queue.header().notice_to_receiver.store(kNoticeMoving);
  wake_one(queue.header().notice_to_receiver);
  EXPECT_EQ(receiver.join(), kMoved);
}

TEST(RingNotices, TellAReceiverOnceAndAfterEverythingThatWasPublished) {
  Queue queue({.queue_size = 4, .message_size = 8});
  ASSERT_EQ(queue.ring().send("a", 1), Error::ok);
  queue.ring().tell_of_departure(Role::receiver, kNoticePeerGone | kNoticeDied);
  EXPECT_EQ(text_of(queue.ring().receive()), "a");
  EXPECT_EQ(queue.ring().receive().error, Error::peer_gone);
  EXPECT_EQ(queue.ring().receive().error, Error::empty);
  EXPECT_NE(queue.ring().peer_of(Role::receiver).notice & kNoticeDied, 0u) << "how it went is still known";
}

TEST(RingNotices, TellASenderOnceWhenItMeetsAFullQueue) {
  Queue queue({.queue_size = 2, .message_size = 8});
  queue.ring().tell_of_departure(Role::sender, kNoticePeerGone);
  ASSERT_EQ(queue.ring().send("a", 1), Error::ok) << "while there is room, nobody is needed";
  EXPECT_EQ(queue.ring().send("b", 1), Error::peer_gone);
  EXPECT_EQ(queue.ring().send("b", 1), Error::full);
}

TEST(RingNotices, AreForgottenWhenASuccessorAnnouncesItself) {
  Queue queue({.queue_size = 4, .message_size = 8});
  queue.ring().tell_of_departure(Role::receiver, kNoticePeerGone | kNoticeDied);
  queue.ring().announce(Role::sender);
  EXPECT_EQ(queue.ring().receive().error, Error::empty);
  EXPECT_EQ(queue.ring().peer_of(Role::receiver).notice, 0u);
}

TEST(RingNotices, WakeASleeper) {
  Queue queue({.queue_size = 4, .message_size = 8});
  std::thread receiver([&] { EXPECT_EQ(queue.ring().wait_for_message(kNoDeadline), Error::peer_gone); });
  while (queue.header().waiters.load() == 0) std::this_thread::yield();  // it has announced its sleep
  queue.ring().tell_of_departure(Role::receiver, kNoticePeerGone);
  receiver.join();
}

TEST(RingNotices, StopBothSidesWhenTheChannelMoves) {
  Queue queue({.queue_size = 4, .message_size = 8});
  Ring ring = queue.ring();
  ASSERT_EQ(ring.send("a", 1), Error::ok);
  queue.header().notice_to_sender.store(kNoticeMoving);
  queue.header().notice_to_receiver.store(kNoticeMoving);
  EXPECT_EQ(ring.send("b", 1), kMoved);
  EXPECT_EQ(ring.loan().error, kMoved);
  EXPECT_EQ(ring.peek().error, kMoved);
  EXPECT_EQ(ring.pop(), kMoved);
  EXPECT_EQ(ring.wait_for_space(kNoDeadline), kMoved);
  const std::uint32_t sizes[] = {1, 1, 1, 1};
  EXPECT_EQ(ring.publish_run(sizes, 3), kMoved);
  EXPECT_EQ(ring.publish_run(sizes, 4), Error::full) << "what was never loaned is not copied out of the queue either";
  EXPECT_EQ(ring.stats().sent, 1u);
  EXPECT_EQ(ring.stats().received, 0u);
}

TEST(RingCounters, AreMendedForTheSuccessorOfWhoWasKilledBetweenCountingAndPublishing) {
  for (const std::uint32_t slots : {2u, 3u, 8u}) {
    Queue queue({.queue_size = slots, .message_size = 8});
    for (int i = 0; i < 5; ++i) {
      ASSERT_EQ(queue.ring().send("a", 1), Error::ok);
      ASSERT_EQ(text_of(queue.ring().receive()), "a");
    }
    for (const Role role : {Role::sender, Role::receiver}) {
      auto& counter = role == Role::sender ? queue.header().sent : queue.header().received;
      queue.ring().repair_counters(role);
      EXPECT_EQ(counter.load(), 5u) << "what is right stays";
      counter.store(6);
      EXPECT_EQ(role == Role::sender ? queue.ring().stats().sent : queue.ring().stats().received, 5u) << "who looks first";
      queue.ring().repair_counters(role);
      EXPECT_EQ(counter.load(), 5u);
      for (std::uint64_t batch = 2; batch < slots; ++batch) {
        counter.store(5 + batch);
        queue.ring().repair_counters(role);
        EXPECT_EQ(counter.load(), 5u) << "of " << batch;
      }
    }
  }
}

}  // namespace
}  // namespace zipc
