// Copies one channel into another with Boost.Asio and a C++20 coroutine. Needs zipcd.
//
//   zipc_example_cpp_asio /from /to 10
//
// Exit code: 0 after COUNT messages, or 1.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <zipc/asio.hpp>

using boost::asio::use_awaitable;

namespace {

boost::asio::awaitable<void> copy(zipc::asio::AsyncReceiver& from, zipc::asio::AsyncSender& to, long count) {
  for (; count > 0; --count) {
    // The message stays in `from` until it has been sent, also if this process is killed in between.
    const zipc::Message message = co_await from.async_peek(use_awaitable);
    co_await to.async_send(boost::asio::buffer(message.data.data(), message.data.size()), use_awaitable);
    if (const auto error = from.pop(); error != zipc::Error::ok) throw boost::system::system_error(error);
  }
}

int complain(const char* sentence) {
  std::fprintf(stderr, "asio: %s\n", sentence);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return complain("two names of channels are needed");
  constexpr zipc::Params kParams{.queue_size = 64, .message_size = 1024};
  auto receiver = zipc::Receiver::create(argv[1], kParams);
  auto sender = zipc::Sender::create(argv[2], kParams);
  if (!receiver || !sender) return complain((receiver ? sender.failure() : receiver.failure()).message.c_str());

  boost::asio::io_context io;
  auto from = zipc::asio::AsyncReceiver::create(io.get_executor(), std::move(*receiver));
  auto to = zipc::asio::AsyncSender::create(io.get_executor(), std::move(*sender));
  if (!from || !to) return complain((from ? to.failure() : from.failure()).message.c_str());

  int code = 0;
  boost::asio::co_spawn(io, copy(*from, *to, argc > 3 ? std::atol(argv[3]) : 10), [&](std::exception_ptr failed) {
    try {
      if (failed) std::rethrow_exception(failed);
    } catch (const std::exception& error) {
      code = complain(error.what());
    }
  });
  io.run();
  return code;
}
