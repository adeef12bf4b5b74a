// zipc/asio.hpp with every kind of completion token, against a real zipcd (ZIPCD in the environment).
#include <gtest/gtest.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <zipc/asio.hpp>

extern char** environ;

namespace {

namespace net = boost::asio;
using boost::system::error_code;
using zipc::Error;
using zipc::Message;
using zipc::asio::AsyncReceiver;
using zipc::asio::AsyncSender;

constexpr zipc::Params kParams{.queue_size = 3, .message_size = 16};

class Asio : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const char* program = std::getenv("ZIPCD");
    ASSERT_NE(program, nullptr) << "run this through ctest";
    std::string folder = std::filesystem::temp_directory_path() / "zipc-asio-XXXXXX";
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    std::ofstream(folder + "/zipcd.yaml") << "defaults: {linger: 0}\n";
    const std::string socket = folder + "/zipcd.sock";
    setenv("ZIPC_SOCKET", socket.c_str(), 1);
    setenv("ZIPC_BROKER", "require", 1);
    const std::string config = folder + "/zipcd.yaml";
    const char* arguments[] = {program, "--config", config.c_str(), "--socket", socket.c_str(), "--log-level", "error", nullptr};
    ASSERT_EQ(posix_spawn(&zipcd_, program, nullptr, nullptr, const_cast<char**>(arguments), environ), 0);
    ASSERT_TRUE(zipc::Client::connect(socket, std::chrono::minutes(1)));
  }
  static void TearDownTestSuite() {
    if (zipcd_ > 0) kill(zipcd_, SIGTERM);
    if (zipcd_ > 0) waitpid(zipcd_, nullptr, 0);
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  void SetUp() override {
    static int number = 0;
    name_ = "/zipc-asio." + std::to_string(getpid()) + "." + std::to_string(number++);
    auto sender = zipc::Sender::create(name_, kParams);
    auto receiver = zipc::Receiver::open(name_);
    ASSERT_TRUE(sender && receiver);
    auto sending = AsyncSender::create(io_.get_executor(), std::move(*sender));
    auto receiving = AsyncReceiver::create(io_.get_executor(), std::move(*receiver));
    ASSERT_TRUE(sending) << sending.failure().message;
    ASSERT_TRUE(receiving) << receiving.failure().message;
    sender_.emplace(std::move(*sending));
    receiver_.emplace(std::move(*receiving));
  }

  static std::string text(const Message& message) {
    return {reinterpret_cast<const char*>(message.data.data()), message.data.size()};
  }
  /// Until nothing is left that can be done without waiting.
  void settle() {
    io_.restart();
    for (int i = 0; i < 20; ++i) io_.poll();
  }

  static inline pid_t zipcd_ = 0;
  static inline std::string folder_;
  std::string name_;
  net::io_context io_;
  std::optional<AsyncSender> sender_;
  std::optional<AsyncReceiver> receiver_;
};

TEST_F(Asio, ReceivesAMessageThatComesLater) {
  std::optional<std::string> got;
  receiver_->async_receive([&](error_code error, Message message) { got = error ? error.message() : text(message); });
  settle();
  EXPECT_FALSE(got);
  ASSERT_EQ(sender_->sender().send("late"), Error::ok);
  io_.run();
  EXPECT_EQ(got, "late");
}

TEST_F(Asio, NeverCompletesWithinTheCallThatStartsAnOperation) {
  ASSERT_EQ(sender_->sender().send("there"), Error::ok);
  bool done = false;
  receiver_->async_receive([&](error_code, Message) { done = true; });
  EXPECT_FALSE(done);
  io_.run();
  EXPECT_TRUE(done);
}

TEST_F(Asio, SendsWhenThereIsSpace) {
  int sent = 0;
  while (sender_->sender().send("full") == Error::ok) ++sent;
  std::optional<error_code> result;
  sender_->async_send(net::buffer("last", 4), [&](error_code error) { result = error; });
  settle();
  EXPECT_FALSE(result);
  ASSERT_TRUE(receiver_->receiver().receive());
  io_.run();
  EXPECT_EQ(result, error_code());
  for (; sent > 1; --sent) EXPECT_EQ(text(*receiver_->receiver().receive()), "full");
  EXPECT_EQ(text(*receiver_->receiver().receive()), "last");
}

TEST_F(Asio, PassesAStreamBetweenTwoCoroutines) {
  constexpr std::uint32_t kCount = 20000;
  std::uint32_t received = 0;
  const auto sending = [&]() -> net::awaitable<void> {
    for (std::uint32_t i = 0; i < kCount; ++i) co_await sender_->async_send(net::buffer(&i, sizeof i), net::use_awaitable);
  };
  const auto receiving = [&]() -> net::awaitable<void> {
    for (; received < kCount; ++received) {
      const Message message = co_await receiver_->async_receive(net::use_awaitable);
      std::uint32_t number = 0;
      std::memcpy(&number, message.data.data(), sizeof number);
      if (number != received) co_return;
    }
  };
  net::co_spawn(io_, sending(), net::detached);
  net::co_spawn(io_, receiving(), net::detached);
  io_.run();
  EXPECT_EQ(received, kCount);
}

TEST_F(Asio, LoansAndPeeksInPlace) {
  const auto both = [&]() -> net::awaitable<void> {
    const Message slot = co_await sender_->async_loan(net::use_awaitable);
    std::memcpy(slot.data.data(), "in place", 8);
    EXPECT_EQ(sender_->publish(8), Error::ok);
    EXPECT_EQ(text(co_await receiver_->async_peek(net::use_awaitable)), "in place");
    EXPECT_EQ(text(co_await receiver_->async_peek(net::use_awaitable)), "in place");
    EXPECT_EQ(receiver_->pop(), Error::ok);
    EXPECT_EQ(receiver_->receiver().peek().error(), Error::empty);
  };
  bool done = false;
  net::co_spawn(io_, both(), [&](std::exception_ptr error) { done = error == nullptr; });
  io_.run();
  EXPECT_TRUE(done);
}

TEST_F(Asio, WorksWithFuturesDeferredOperationsAndTuples) {
  ASSERT_EQ(sender_->sender().send("1"), Error::ok);
  auto future = receiver_->async_receive(net::use_future);
  io_.run();
  EXPECT_EQ(text(future.get()), "1");

  ASSERT_EQ(sender_->sender().send("2"), Error::ok);
  auto deferred = receiver_->async_receive(net::deferred);
  std::string got;
  std::move(deferred)([&](error_code, Message message) { got = text(message); });
  io_.restart();
  io_.run();
  EXPECT_EQ(got, "2");

  const auto as_tuple = [&]() -> net::awaitable<void> {
    const std::string longer(kParams.message_size + 1, 'x');
    const auto [error] = co_await sender_->async_send(net::buffer(longer), net::as_tuple(net::use_awaitable));
    EXPECT_EQ(error, Error::message_too_large);
    EXPECT_STREQ(error.category().name(), "zipc");
  };
  net::co_spawn(io_, as_tuple(), net::detached);
  io_.restart();
  io_.run();
}

TEST_F(Asio, IsCancelledAsAWholeOrThroughTheSlotAndLosesNoMessage) {
  std::optional<error_code> result;
  const auto note = [&](error_code error, Message) { result = error; };
  for (const bool waits : {false, true}) {
    result.reset();
    receiver_->async_receive(note);
    if (waits) settle();
    receiver_->cancel();
    settle();
    EXPECT_EQ(result, net::error::operation_aborted);

    result.reset();
    net::cancellation_signal signal;
    receiver_->async_receive(net::bind_cancellation_slot(signal.slot(), note));
    if (waits) settle();
    signal.emit(net::cancellation_type::total);
    settle();
    EXPECT_EQ(result, net::error::operation_aborted);
  }
  ASSERT_EQ(sender_->sender().send("kept"), Error::ok);
  receiver_->async_receive(note);
  receiver_->cancel();  // though it is there
  settle();
  EXPECT_EQ(result, net::error::operation_aborted);
  EXPECT_EQ(text(*receiver_->receiver().receive()), "kept");
}

TEST_F(Asio, TellsOnceThatThePeerHasGone) {
  std::optional<error_code> result;
  receiver_->async_receive([&](error_code error, Message) { result = error; });
  settle();
  sender_.reset();
  io_.restart();
  io_.run();
  EXPECT_EQ(result, Error::peer_gone);
  result.reset();
  receiver_->async_receive([&](error_code error, Message) { result = error; });
  settle();
  EXPECT_FALSE(result);  // it waits for a successor
  receiver_->cancel();
  settle();
}

TEST_F(Asio, EndsItsOperationWhenItIsDestroyedAndLeavesTheDescriptorToTheLibrary) {
  std::optional<error_code> result;
  auto again = zipc::Receiver::open(name_);  // another context of the role, which has the same descriptor
  ASSERT_TRUE(again);
  const int descriptor = *again->native_handle();
  EXPECT_EQ(descriptor, *receiver_->receiver().native_handle());
  receiver_->async_receive([&](error_code error, Message) { result = error; });
  settle();
  receiver_.reset();
  settle();
  EXPECT_EQ(result, net::error::operation_aborted);
  EXPECT_EQ(*again->native_handle(), descriptor);
  EXPECT_NE(fcntl(descriptor, F_GETFD), -1);
}

TEST_F(Asio, OutlivesAnIoContextThatIsDestroyedWithAnOperationUnderWay) {
  auto io = std::make_unique<net::io_context>();
  auto again = zipc::Receiver::open(name_);
  ASSERT_TRUE(again);
  {
    auto other = AsyncReceiver::create(io->get_executor(), std::move(*again));
    ASSERT_TRUE(other);
    other->async_receive([](error_code, Message) { FAIL() << "nothing runs it"; });
    io->poll();
  }
  io.reset();
  EXPECT_NE(fcntl(*receiver_->receiver().native_handle(), F_GETFD), -1);
}

TEST_F(Asio, SaysWhatToDoWithoutABroker) {
  setenv("ZIPC_BROKER", "off", 1);
  auto direct = zipc::Receiver::create(name_ + "d", kParams);
  setenv("ZIPC_BROKER", "require", 1);
  ASSERT_TRUE(direct);
  const auto async = AsyncReceiver::create(io_.get_executor(), std::move(*direct));
  EXPECT_EQ(async.error(), Error::unsupported);
  EXPECT_NE(async.failure().message.find("run zipcd"), std::string::npos);
  zipc_unlink((name_ + "d").c_str());
}

}  // namespace
