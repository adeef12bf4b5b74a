// The C++ API in direct mode.
#include <gtest/gtest.h>

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>
#include <zipc/zipc.hpp>

#include "tests/support/processes.h"
#include "tests/support/self_checking.h"

namespace zipc {
namespace {

class CppApi : public testing::Test {
 protected:
  ~CppApi() override { zipc_unlink(name_.c_str()); }
  const std::string name_ = test::unique_name("cpp");
  const Params params_{.queue_size = 4, .message_size = 16};
};

std::string text_of(const Message& message) {
  return {reinterpret_cast<const char*>(message.data.data()), message.data.size()};
}

TEST_F(CppApi, GivesASlotIndexAndASpanForEachMessage) {
  auto sender = Sender::create(name_, params_);
  auto receiver = Receiver::open(name_);
  ASSERT_TRUE(sender);
  ASSERT_TRUE(receiver);
  EXPECT_EQ(receiver->params(), params_);
  EXPECT_EQ(receiver->name(), name_);
  EXPECT_NE(receiver->id(), sender->id());
  for (std::uint32_t i = 0; i < 6; ++i) {
    ASSERT_EQ(sender->send("message"), Error::ok);
    const auto received = receiver->receive();
    ASSERT_TRUE(received);
    EXPECT_EQ(received->index, i % params_.queue_size);
    EXPECT_EQ(text_of(*received), "message");
  }
  EXPECT_EQ(receiver->receive().error(), Error::empty);
}

TEST_F(CppApi, ExplainsWhyThereIsNoEndpoint) {
  const auto missing = Receiver::open(name_);
  EXPECT_EQ(missing.error(), Error::channel_not_found);
  EXPECT_NE(missing.failure().message.find(name_), std::string::npos);
  auto sender = Sender::create(name_, params_);
  const auto other = Receiver::create(name_, {.queue_size = 5, .message_size = 16});
  EXPECT_EQ(other.error(), Error::params_mismatch);
  EXPECT_EQ(other.failure().expected, params_);
}

TEST_F(CppApi, GivesTheRoleBackWithTheLastEndpointOfIt) {
  const auto try_elsewhere = [&] {
    return test::Child([&] { return Sender::open(name_) ? 0 : 1; }).wait() == 0;
  };
  auto first = Sender::create(name_, params_);
  ASSERT_TRUE(first);
  {
    auto again = Sender::create(name_, params_);
    ASSERT_TRUE(again);
  }
  EXPECT_FALSE(try_elsewhere());
  {
    Sender moved = std::move(*first);
    EXPECT_FALSE(try_elsewhere());
    EXPECT_EQ(first->send("x"), Error::closed) << "moved from";
  }
  EXPECT_TRUE(try_elsewhere());
}

TEST_F(CppApi, WaitsForAnyDurationOrForEver) {
  auto sender = Sender::create(name_, params_);
  auto receiver = Receiver::create(name_, params_);
  EXPECT_EQ(receiver->receive_blocking(std::chrono::microseconds(10)).error(), Error::timeout);
  EXPECT_EQ(receiver->peek_blocking(std::chrono::seconds(0)).error(), Error::timeout);
  EXPECT_EQ(receiver->peek_blocking(std::chrono::seconds(-1)).error(), Error::timeout);
  EXPECT_EQ(receiver->peek_blocking(std::chrono::nanoseconds::min()).error(), Error::timeout) << "not: empty";
  EXPECT_EQ(receiver->receive_blocking(std::chrono::nanoseconds::min()).error(), Error::timeout);
  std::thread other([&] { EXPECT_EQ(sender->send("late"), Error::ok); });
  EXPECT_EQ(text_of(*receiver->peek_blocking()), "late");
  EXPECT_EQ(text_of(*receiver->receive_blocking()), "late");
  other.join();
  while (sender->send("fill") == Error::ok) {
  }
  EXPECT_EQ(sender->send_blocking(std::as_bytes(std::span("x", 1)), std::chrono::milliseconds(1)), Error::timeout);
  EXPECT_EQ(sender->loan_blocking(std::chrono::milliseconds(1)).error(), Error::timeout);
  EXPECT_EQ(sender->loan_blocking(std::chrono::nanoseconds::min()).error(), Error::timeout);
  EXPECT_EQ(sender->send_blocking(std::as_bytes(std::span("x", 1)), std::chrono::nanoseconds::min()), Error::timeout);
}

TEST_F(CppApi, WaitsInEachWay) {
  auto sender = Sender::create(name_, params_);
  auto receiver = Receiver::create(name_, params_);
  EXPECT_EQ(receiver->waiting(), Waiting::adaptive);
  for (const Waiting way : kWaitings) {
    ASSERT_EQ(receiver->set_waiting(way), Error::ok);
    EXPECT_EQ(receiver->waiting(), way);
    EXPECT_EQ(receiver->receive_blocking(std::chrono::microseconds(200)).error(), Error::timeout);
    std::thread other([&] { EXPECT_EQ(sender->send(to_string(way)), Error::ok); });
    EXPECT_EQ(text_of(*receiver->receive_blocking()), to_string(way));
    other.join();
  }
  EXPECT_EQ(sender->waiting(), Waiting::adaptive) << "each end has its own way";
  const Receiver moved = std::move(*receiver);
  EXPECT_EQ(moved.waiting(), Waiting::poll);
  EXPECT_EQ(receiver->set_waiting(Waiting::spin), Error::closed);
}

TEST_F(CppApi, WritesAndReadsInPlace) {
  auto sender = Sender::create(name_, params_);
  auto receiver = Receiver::create(name_, params_);
  const auto slot = sender->loan();
  ASSERT_TRUE(slot);
  EXPECT_EQ(slot->data.size(), params_.message_size);
  std::memcpy(slot->data.data(), "abc", 3);
  ASSERT_EQ(sender->publish(3), Error::ok);
  EXPECT_EQ(text_of(*receiver->peek()), "abc");
  EXPECT_EQ(receiver->pop(), Error::ok);
  EXPECT_EQ(receiver->pop(), Error::empty);
  EXPECT_EQ(sender->publish(17), Error::message_too_large);
}

TEST_F(CppApi, WorksOverACallersBuffer) {
  std::vector<std::uint64_t> memory(shared_memory_size(params_) / 8 + 1);
  const std::span<std::byte> bytes = std::as_writable_bytes(std::span(memory));
  auto sender = Sender::over(bytes, params_, "mine", 5);
  auto receiver = Receiver::over(bytes, params_);
  ASSERT_TRUE(sender && receiver);
  EXPECT_EQ(sender->name(), "mine");
  EXPECT_EQ(sender->id(), 5u);
  EXPECT_EQ(sender->shared_memory_pointer(), bytes.data());
  EXPECT_EQ(sender->shared_memory_size(), shared_memory_size(params_));
  ASSERT_EQ(sender->send("x"), Error::ok);
  EXPECT_EQ(text_of(*receiver->receive()), "x");
  const auto small = Sender::over(bytes.first(100), params_);
  EXPECT_EQ(small.error(), Error::invalid_argument);
  EXPECT_EQ(Sender::over(bytes, {.queue_size = 1, .message_size = 1}).error(), Error::invalid_params);
}

constexpr std::size_t kPage = 65536;  // of any system

TEST_F(CppApi, FetchesSlotsAheadThatAreNotThere) {
  // Memory that ends where its page ends, and nothing behind it. The last slots have no slot eight or sixteen further on.
  void* const pages = mmap(nullptr, 2 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(pages, MAP_FAILED);
  ASSERT_EQ(mprotect(pages, kPage, PROT_READ | PROT_WRITE), 0);
  for (const Params params : {Params{.queue_size = 32, .message_size = 64}, Params{.queue_size = 33, .message_size = 64},
                              Params{.queue_size = 33, .message_size = 1}, Params{.queue_size = 100, .message_size = 512}}) {
    const std::size_t size = (shared_memory_size(params) + 7) / 8 * 8;
    const std::span memory(static_cast<std::byte*>(pages) + kPage - size, size);
    auto sender = Sender::over(memory, params);
    auto receiver = Receiver::over(memory, params);
    ASSERT_TRUE(sender);
    ASSERT_TRUE(receiver);
    // What a hostile peer may say about the longest message.
    reinterpret_cast<SegmentHeader*>(memory.data())->largest.store(0xFFFFFFFF);
    const std::vector<std::byte> message(params.message_size, std::byte{7});
    std::uint32_t sizes[] = {1, 1, 1};
    for (std::uint32_t i = 0; i < 3 * params.queue_size; ++i) {
      ASSERT_EQ(sender->send(message), Error::ok);
      const auto loaned = sender->loan();
      ASSERT_TRUE(loaned);
      loaned->data[0] = std::byte{8};
      ASSERT_EQ(sender->publish(1), Error::ok);
      const Batch batch = sender->loan_batch(std::size(sizes));
      ASSERT_TRUE(batch);
      for (std::size_t k = 0; k < batch.size(); ++k) batch[k][0] = std::byte{9};
      ASSERT_EQ(sender->publish_batch({sizes, batch.size()}), Error::ok);
      const auto received = receiver->receive();
      ASSERT_TRUE(received);
      EXPECT_TRUE(std::equal(message.begin(), message.end(), received->data.begin(), received->data.end()));
      ASSERT_EQ(receiver->receive()->data[0], std::byte{8});
      for (std::size_t k = 0; k < batch.size(); ++k) ASSERT_EQ(receiver->receive()->data[0], std::byte{9});
    }
    // Those that wait are fetched, too, one by one and in batches; each lap begins at another slot.
    for (int lap = 0; lap < 10; ++lap) {
      std::uint32_t waiting = 0;
      while (sender->send(message) == Error::ok) ++waiting;
      ASSERT_EQ(waiting, params.queue_size - 1);
      for (std::uint32_t i = 0; i < waiting / 2; ++i) ASSERT_EQ(receiver->receive()->data.size(), message.size());
      for (waiting -= waiting / 2; waiting != 0;) {
        EXPECT_EQ(receiver->peek_batch({}).size(), 0u);
        const Batch batch = receiver->peek_batch(sizes);
        ASSERT_TRUE(batch);
        for (std::size_t k = 0; k < batch.size(); ++k) {
          ASSERT_EQ(sizes[k], message.size());
          EXPECT_TRUE(std::equal(message.begin(), message.end(), batch[k].begin()));
        }
        ASSERT_EQ(receiver->pop_batch(batch.size()), Error::ok);
        waiting -= static_cast<std::uint32_t>(batch.size());
      }
    }
  }
  munmap(pages, 2 * kPage);
}

TEST_F(CppApi, WritesALengthOnlyWhereItIsNotTheOneOfALapAgo) {
  // A whole page of lengths, and nothing else on it.
  const Params params{.queue_size = 3 * kPage / sizeof(ItemLength), .message_size = 8};
  const std::size_t size = (shared_memory_size(params) + kPage - 1) / kPage * kPage;
  void* const pages = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(pages, MAP_FAILED);
  {
    const std::span memory(static_cast<std::byte*>(pages), size);
    auto sender = Sender::over(memory, params);
    auto receiver = Receiver::over(memory, params);
    ASSERT_TRUE(sender);
    ASSERT_TRUE(receiver);
    const auto pass_a_lap = [&](std::uint32_t length) {
      const std::vector<std::byte> message(length);
      const std::uint32_t sizes[] = {length, length};
      for (std::uint32_t left = params.queue_size; left != 0;) {
        std::uint32_t sent = 1;
        switch (left % 4) {  // 0, 3, 1: each in turn
          case 0: ASSERT_EQ(sender->send(message), Error::ok); break;
          case 1:
            ASSERT_TRUE(sender->loan());
            ASSERT_EQ(sender->publish(length), Error::ok);
            break;
          default:
            sent = static_cast<std::uint32_t>(sender->loan_batch(std::size(sizes)).size());
            ASSERT_NE(sent, 0u);
            ASSERT_EQ(sender->publish_batch({sizes, sent}), Error::ok);
        }
        for (left -= sent; sent != 0; --sent) ASSERT_EQ(receiver->receive()->data.size(), length);
      }
    };
    pass_a_lap(7);
    pass_a_lap(5);
    ASSERT_EQ(mprotect(memory.data() + kPage, kPage, PROT_READ), 0);
    pass_a_lap(5);
    ASSERT_EQ(mprotect(memory.data() + kPage, kPage, PROT_READ | PROT_WRITE), 0);
    // A length that somebody else has written there is not one of a lap ago.
    reinterpret_cast<ItemLength*>(memory.data() + kPage)->store(1);
    pass_a_lap(5);
    pass_a_lap(8);
  }
  munmap(pages, size);
}

TEST_F(CppApi, TakesABatchOutThatStandsAtBothEndsOfTheMemory) {
  for (const auto& [queue_size, message_size] : {std::pair{64u, 64u}, {67u, 64u}, {64u, 256u}, {67u, 257u}, {64u, 1024u}}) {
    const Params params{.queue_size = queue_size, .message_size = message_size};
    const std::size_t size = (shared_memory_size(params) + 7) / 8 * 8, whole = (size + kPage - 1) / kPage * kPage;
    void* const pages = mmap(nullptr, whole + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(pages, MAP_FAILED);
    ASSERT_EQ(mprotect(static_cast<std::byte*>(pages) + whole, kPage, PROT_NONE), 0);
    const std::span memory(static_cast<std::byte*>(pages) + whole - size, size);
    {
      auto sender = Sender::over(memory, params);
      auto receiver = Receiver::over(memory, params);
      ASSERT_TRUE(sender);
      ASSERT_TRUE(receiver);
      std::vector<std::byte> message(message_size, std::byte{0xFF});  // which no length may be taken for
      const auto send = [&](std::uint32_t count) {
        for (std::uint32_t i = 0; i < count; ++i) ASSERT_EQ(sender->send(message), Error::ok);
      };
      send(60);
      ASSERT_EQ(receiver->pop_batch(60), Error::ok);
      send(54);
      message[0] = std::byte{1};
      send(1);
      ASSERT_EQ(receiver->pop_batch(54), Error::ok);
      EXPECT_EQ(receiver->receive()->data[0], std::byte{1});
      EXPECT_EQ(receiver->receive().error(), Error::empty);
    }
    munmap(pages, whole + kPage);
  }
}

TEST_F(CppApi, DeliversEveryByteOfAStreamHoweverItIsReceived) {
  constexpr std::uint64_t kMessages = 20'000, kSeed = 7;
  constexpr std::chrono::milliseconds kMoment{100};  // after which each looks whether the other has failed
  for (const Params params : {Params{.queue_size = 33, .message_size = 32}, Params{.queue_size = 64, .message_size = 64},
                              Params{.queue_size = 100, .message_size = 100}, Params{.queue_size = 1000, .message_size = 1000}}) {
    auto sender = Sender::create(name_, params);
    auto receiver = Receiver::open(name_);
    ASSERT_TRUE(sender);
    ASSERT_TRUE(receiver);
    std::atomic<bool> is_right = true;
    std::thread sending([&] {
      std::vector<std::byte> room(params.message_size);
      for (std::uint64_t i = 0; is_right && i < kMessages;) {
        const Error sent = sender->send_blocking(test::make_message(i, kSeed, room), kMoment);
        if (sent == Error::ok) ++i;
        else if (sent != Error::timeout) is_right = false;
      }
    });
    std::uint64_t next = 0;
    const auto is_next = [&](std::span<const std::byte> message) { return test::is_message(message, next++, kSeed, params.message_size); };
    const auto is_all_of_a_batch = [&] {
      std::uint32_t sizes[5];
      const Batch batch = receiver->peek_batch(sizes);
      for (std::size_t k = 0; k < batch.size(); ++k) {
        if (!is_next(batch[k].first(sizes[k]))) return false;
      }
      return batch ? receiver->pop_batch(batch.size()) == Error::ok : batch.error() == Error::empty;
    };
    while (is_right && next < kMessages) {
      if (next % 3 == 0) {
        const auto message = receiver->receive_blocking(kMoment);
        if (message ? !is_next(message->data) : message.error() != Error::timeout) is_right = false;
      } else if (next % 3 == 1) {
        const auto message = receiver->peek_blocking(kMoment);
        if (message ? !is_next(message->data) || receiver->pop() != Error::ok : message.error() != Error::timeout) is_right = false;
      } else if (!is_all_of_a_batch()) {
        is_right = false;
      }
    }
    EXPECT_TRUE(is_right) << "message " << next << " of " << params.message_size << " bytes at most";
    sending.join();
    zipc_unlink(name_.c_str());
  }
}

TEST_F(CppApi, ShowsItsCountersAndItsMemory) {
  auto sender = Sender::create(name_, params_);
  ASSERT_EQ(sender->send("0123456789abcdef"), Error::ok);
  EXPECT_EQ(sender->stats().bytes_sent, 16u);
  EXPECT_NE(sender->dump_hex().find("|0123456789abcdef|"), std::string::npos);
  EXPECT_EQ(sender->dump_queue_hex(), sender->dump_hex().substr(0, sender->dump_queue_hex().size()));
  EXPECT_EQ(version(), zipc_version());
}

TEST(CppApiClient, SaysWhereNoBrokerListens) {
  const auto client = Client::connect("/nonexistent/zipcd.sock");
  EXPECT_EQ(client.error(), Error::no_broker);
  EXPECT_EQ(client.failure().message, "no broker listens at /nonexistent/zipcd.sock");
  EXPECT_EQ(Client::connect(std::string(200, 'x')).error(), Error::invalid_argument);
}

}  // namespace
}  // namespace zipc
