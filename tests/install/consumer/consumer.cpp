// A program of somebody else's, in C++.
#include <unistd.h>

#include <iostream>
#include <zipc/zipc.hpp>

int main() {
  const std::string name = "/consumer.cpp." + std::to_string(getpid());
  auto sender = zipc::Sender::create(name, {.queue_size = 8, .message_size = 64});
  auto receiver = zipc::Receiver::open(name);
  if (!sender || !receiver) return 1;
  if (sender->send("hello") != zipc::Error::ok) return 1;
  const auto message = receiver->receive_blocking(std::chrono::seconds(10));
  zipc_unlink(name.c_str());
  if (!message || message->data.size() != 5) {
    std::cerr << zipc::error_info(message.error()).summary << '\n';
    return 1;
  }
  return zipc::Client::connect("/nonexistent").error() == zipc::Error::no_broker ? 0 : 1;
}
