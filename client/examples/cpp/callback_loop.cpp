// A channel in a loop of callbacks, as libuv and GLib have it: with libuv, watch() is uv_poll_init() and uv_poll_start(...,
// UV_READABLE, ...), and run() is uv_run(). Sends numbered greetings; what does not fit waits for space. Needs zipcd.
//
//   zipc_example_cpp_callback_loop /greetings 10
//
// Exit code: 0 after COUNT messages, or the number of the error.
#include <poll.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>
#include <zipc/zipc.hpp>

namespace {

/// The smallest loop of the kind.
class Loop {
 public:
  /// Calls `callback` whenever `descriptor` is readable.
  void watch(int descriptor, std::function<void()> callback) {
    polled_.push_back({.fd = descriptor, .events = POLLIN, .revents = 0});
    callbacks_.push_back(std::move(callback));
  }
  void stop() { stopped_ = true; }
  void run() {
    while (!stopped_) {
      poll(polled_.data(), polled_.size(), -1);
      for (std::size_t i = 0; i < polled_.size() && !stopped_; ++i) {
        if (polled_[i].revents != 0) callbacks_[i]();
      }
    }
  }

 private:
  std::vector<pollfd> polled_;
  std::vector<std::function<void()>> callbacks_;
  bool stopped_ = false;
};

int complain(zipc::Error error, const std::string& sentence) {
  std::fprintf(stderr, "callback_loop: %s\nhint: %s\n", sentence.c_str(), zipc::error_info(error).advice);
  return static_cast<int>(error);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return complain(zipc::Error::invalid_argument, "the name of the channel is missing");
  const long count = argc > 2 ? std::atol(argv[2]) : 10;

  auto sender = zipc::Sender::create(argv[1], {.queue_size = 64, .message_size = 1024});
  if (!sender) return complain(sender.error(), sender.failure().message);
  const auto descriptor = sender->native_handle();
  if (!descriptor) return complain(descriptor.error(), descriptor.failure().message);

  Loop loop;
  long number = 1;
  auto result = zipc::Error::ok;
  loop.watch(*descriptor, [&] {  // readable, also a sender's: there may be space
    for (; number <= count; ++number) {
      result = sender->send("greeting " + std::to_string(number));
      if (result == zipc::Error::full || result == zipc::Error::peer_gone) return;  // called again when there is space
      if (result != zipc::Error::ok) break;
    }
    loop.stop();
  });
  loop.run();
  return result == zipc::Error::ok ? 0 : complain(result, zipc::error_info(result).summary);
}
