/// Contestants that copy a message out of the sender's memory and into the receiver's. What is left to write is a Link:
///   Channel(Case, index), Sender(Channel&), Receiver(Channel&)
///   Sender::send(bytes, size), Receiver::receive(bytes, size): false when it would have to wait and Case::wait is spin
#pragma once

#include "workloads.h"

namespace zipc::bench {

template <typename Link>
struct Copying {
  static constexpr const char* kName = Link::kName;
  static constexpr bool kBlocks = true;
  static std::string library() {
    if constexpr (requires { Link::library(); }) return Link::library();
    return {};
  }
  static std::string absent(const Case& c) { return Link::absent(c); }

  template <std::size_t>
  struct Channel : Link::Channel {
    using Link::Channel::Channel;
  };

  template <std::size_t Size>
  struct Sender {
    explicit Sender(Channel<Size>& channel) : link(channel) {}
    template <Wait>
    void send(std::uint64_t number) {
      Message<Size> message;
      fill<Size>(&message, number);
      spin_until([&] { return link.send(&message, Size); });
    }
    typename Link::Sender link;
  };

  template <std::size_t Size>
  struct Receiver {
    explicit Receiver(Channel<Size>& channel) : link(channel) {}
    template <Wait>
    void receive(std::uint64_t number) {
      Message<Size> message;
      spin_until([&] { return link.receive(&message, Size); });
      if (!check<Size>(&message, number)) give_up("wrong message");
    }
    typename Link::Receiver link;
  };
};

}  // namespace zipc::bench
