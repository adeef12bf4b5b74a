// Prints what arrives. Creates the channel if it does not exist. See sender.cpp.
//
//   zipc_example_cpp_receiver /greetings 10
//
// Exit code: 0 after COUNT messages, or the number of the error: 7 when nothing arrived for five seconds.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <zipc/zipc.hpp>

using namespace std::chrono_literals;

namespace {

int complain(zipc::Error error, const std::string& sentence) {
  std::fprintf(stderr, "receiver: %s\nhint: %s\n", sentence.c_str(), zipc::error_info(error).advice);
  return static_cast<int>(error);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return complain(zipc::Error::invalid_argument, "the name of the channel is missing");
  const long count = argc > 2 ? std::atol(argv[2]) : 10;

  auto receiver = zipc::Receiver::create(argv[1], {.queue_size = 64, .message_size = 1024});
  if (!receiver) return complain(receiver.error(), receiver.failure().message);

  for (long number = 1; number <= count; ++number) {
    const auto message = receiver->receive_blocking(5s);
    if (!message) return complain(message.error(), zipc::error_info(message.error()).summary);
    // It points into the channel and stays good until the next receive.
    std::fwrite(message->data.data(), 1, message->data.size(), stdout);
    std::puts("");
  }
}
