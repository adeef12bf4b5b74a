// Messages that are written and read where they are, in the channel's memory: nothing is copied.
//
// Both ends stand in this one program, and take turns, to be seen on one page. The two loops would look the same in
// two.
//
//   zipc_example_cpp_in_place /frames 100
//
// Exit code: 0, or the number of the error (zipc.h).
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <zipc/zipc.hpp>

using namespace std::chrono_literals;

namespace {

int complain(zipc::Error error, const std::string& sentence) {
  std::fprintf(stderr, "in_place: %s\nhint: %s\n", sentence.c_str(), zipc::error_info(error).advice);
  return static_cast<int>(error);
}

/// Writes a frame into the next free slot. Nobody sees it before publish(), and never if that is not called.
zipc::Error send_frame(zipc::Sender& sender, long number) {
  const auto slot = sender.loan_blocking(5s);
  if (!slot) return slot.error();
  std::ranges::fill(slot->data, static_cast<std::byte>(number));
  return sender.publish(slot->data.size());
}

/// Reads the oldest frame. It leaves the channel with pop(): should we die before, our successor gets it again.
zipc::Error print_frame(zipc::Receiver& receiver) {
  const auto frame = receiver.peek_blocking(5s);
  if (!frame) return frame.error();
  std::printf("%zu bytes in slot %u, the first is %d\n", frame->data.size(), frame->index,
              std::to_integer<int>(frame->data.front()));
  return receiver.pop();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return complain(zipc::Error::invalid_argument, "the name of the channel is missing");
  const long count = argc > 2 ? std::atol(argv[2]) : 100;

  auto sender = zipc::Sender::create(argv[1], {.queue_size = 8, .message_size = 640 * 480});
  if (!sender) return complain(sender.error(), sender.failure().message);
  auto receiver = zipc::Receiver::open(argv[1]);
  if (!receiver) return complain(receiver.error(), receiver.failure().message);

  for (long number = 1; number <= count; ++number) {
    zipc::Error error = send_frame(*sender, number);
    if (error == zipc::Error::ok) error = print_frame(*receiver);
    if (error != zipc::Error::ok) return complain(error, zipc::error_info(error).summary);
  }
}
