// A channel of one type of struct, on top of the bytes that zipc carries.
//
//   zipc_example_cpp_typed /t send 10      and in another terminal: zipc_example_cpp_typed /t receive 10
// Exit code: 0, or the number of the error (zipc.h).
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <type_traits>
#include <zipc/zipc.hpp>

using namespace std::chrono_literals;

/// What travels. Both programs must be compiled with the same definition: fixed sizes, no pointers.
struct Measurement {
  std::int64_t time_ns;
  double celsius;
  std::uint32_t sensor;
};
static_assert(sizeof(Measurement) == 24, "the other side relies on this layout");

template <class T>  // checked where it is sent and where it is received
concept Sendable = std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>;

zipc::Error send(zipc::Sender& sender, const Sendable auto& value) {
  return sender.send_blocking(std::as_bytes(std::span(&value, 1)), 5s);
}

/// Copies it out: a slot need not be aligned for its type.
zipc::Error receive(zipc::Receiver& receiver, Sendable auto& value) {
  const auto message = receiver.receive_blocking(5s);
  if (!message) return message.error();
  if (message->data.size() != sizeof value) return zipc::Error::params_mismatch;  // the sender has another definition
  std::memcpy(&value, message->data.data(), sizeof value);
  return zipc::Error::ok;
}

int main(int argc, char** argv) {
  if (argc < 3) return static_cast<int>(zipc::Error::invalid_argument);
  const std::uint32_t count = argc > 3 ? static_cast<std::uint32_t>(std::atoi(argv[3])) : 10;
  const zipc::Params params{.queue_size = 64, .message_size = sizeof(Measurement)};
  auto error = zipc::Error::ok;
  if (argv[2] == std::string_view("send")) {
    auto sender = zipc::Sender::create(argv[1], params);
    error = sender.error();
    for (std::uint32_t i = 0; i < count && error == zipc::Error::ok; ++i) {
      error = send(*sender, Measurement{.time_ns = i * 1000, .celsius = 20 + i / 8.0, .sensor = i});
    }
  } else {
    auto receiver = zipc::Receiver::create(argv[1], params);
    error = receiver.error();
    for (std::uint32_t i = 0; i < count && error == zipc::Error::ok; ++i) {
      Measurement m{};
      error = receive(*receiver, m);
      if (error == zipc::Error::ok) std::printf("sensor %u: %.3f degrees\n", m.sensor, m.celsius);
    }
  }
  if (error != zipc::Error::ok) std::fprintf(stderr, "typed: %s\n", zipc::error_info(error).summary);
  return static_cast<int>(error);
}
