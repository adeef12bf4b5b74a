/// zipc's C++ API as the benchmark calls it: messages in place, one by one and in batches.
#pragma once

#include <zipc/zipc.hpp>

#include <algorithm>

#include "workloads.h"

namespace zipc::bench {

/// Messages are written and read where they are. They stay until they are popped, also if the receiver dies (peek() and pop()), or
/// until the next receive().
template <bool keeps>
struct InPlace {
  template <std::size_t Size, Wait wait>
  static void send(zipc::Sender& sender, std::uint64_t number) {
    for (;;) {
      const auto slot = wait == Wait::spin ? sender.loan() : sender.loan_blocking();
      if (slot) {
        fill<Size>(slot->data.data(), number);
        break;
      }
      if (slot.error() != Error::full) give_up("loan", zipc_last_error()->message);
      if (shares_core) sched_yield();
    }
    if (sender.publish(Size) != Error::ok) give_up("publish", zipc_last_error()->message);
  }
  template <std::size_t Size, Wait wait>
  static void receive(zipc::Receiver& receiver, std::uint64_t number) {
    for (;;) {
      const auto message = keeps ? wait == Wait::spin ? receiver.peek() : receiver.peek_blocking()
                                 : wait == Wait::spin ? receiver.receive() : receiver.receive_blocking();
      if (message) {
        if (message->data.size() != Size || !check<Size>(message->data.data(), number)) give_up("wrong message");
        break;
      }
      if (message.error() != Error::empty) give_up("receive", zipc_last_error()->message);
      if (shares_core) sched_yield();
    }
    if (keeps && receiver.pop() != Error::ok) give_up("pop", zipc_last_error()->message);
  }
};

/// Up to kBatch messages are written in place and published at once, and read in place and taken out at once.
struct InBatches {
  /// Until message `last` - 1 is sent. All `sizes` are Size.
  template <std::size_t Size>
  static void send_all(zipc::Sender& sender, const std::uint32_t (&sizes)[kBatch], std::uint64_t first, std::uint64_t last) {
    while (first != last) {
      const Batch batch = sender.loan_batch(std::min<std::uint64_t>(kBatch, last - first));
      if (batch.error() == Error::full) continue;
      if (!batch) give_up("loan_batch", zipc_last_error()->message);
      for (std::size_t i = 0; i < batch.size(); ++i) fill<Size>(batch[i].data(), first++);
      if (sender.publish_batch({sizes, batch.size()}) != Error::ok) give_up("publish_batch", zipc_last_error()->message);
    }
  }

  /// Until message `last` - 1 is received.
  template <std::size_t Size>
  static void receive_all(zipc::Receiver& receiver, std::uint32_t (&sizes)[kBatch], std::uint64_t first, std::uint64_t last) {
    while (first != last) {
      const Batch batch = receiver.peek_batch({sizes, std::min<std::uint64_t>(kBatch, last - first)});
      if (batch.error() == Error::empty) continue;
      if (!batch) give_up("peek_batch", zipc_last_error()->message);
      for (std::size_t i = 0; i < batch.size(); ++i) {
        if (sizes[i] != Size || !check<Size>(batch[i].data(), first++)) give_up("wrong message");
      }
      if (receiver.pop_batch(batch.size()) != Error::ok) give_up("pop_batch", zipc_last_error()->message);
    }
  }
};

}  // namespace zipc::bench
