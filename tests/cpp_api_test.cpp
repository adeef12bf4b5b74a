// The C++ API in direct mode.
#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>
#include <zipc/zipc.hpp>

#include "tests/support/processes.h"

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
