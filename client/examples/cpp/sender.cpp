// Sends numbered greetings. Creates the channel if it does not exist; the receiver may come first or later.
//
//   zipc_example_cpp_sender /greetings 10      and in another terminal: zipc_example_cpp_receiver /greetings 10
//
// Exit code: 0, or the number of the error (zipc.h).
#include <cstdio>
#include <cstdlib>
#include <string>
#include <zipc/zipc.hpp>

using namespace std::chrono_literals;

namespace {

int complain(zipc::Error error, const std::string& sentence) {
  std::fprintf(stderr, "sender: %s\nhint: %s\n", sentence.c_str(), zipc::error_info(error).advice);
  return static_cast<int>(error);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return complain(zipc::Error::invalid_argument, "the name of the channel is missing");
  const long count = argc > 2 ? std::atol(argv[2]) : 10;

  auto sender = zipc::Sender::create(argv[1], {.queue_size = 64, .message_size = 1024});
  if (!sender) return complain(sender.error(), sender.failure().message);

  for (long number = 1; number <= count; ++number) {
    const std::string text = "hello " + std::to_string(number);
    // Waits for space when the queue is full; send() would return Error::full at once.
    const zipc::Error error = sender->send_blocking(std::as_bytes(std::span(text)), 5s);
    if (error != zipc::Error::ok) return complain(error, zipc::error_info(error).summary);
  }
}  // the sender's role is given back here; what was sent stays in the channel
