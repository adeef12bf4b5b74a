/// Where senders keep their copies of the header (zipc/sender_copies.hpp).
#pragma once

#include <memory>
#include <zipc/sender_copies.hpp>

namespace zipc {

struct ReturnSenderCopies {
  void operator()(SenderCopies* copies) const noexcept;
};
using UniqueSenderCopies = std::unique_ptr<SenderCopies, ReturnSenderCopies>;

/// Room for one sender's, or null if there is no memory. From a page that is kept for others when it is given back; taking one costs
/// no system call but for every 21st. *Thread safety.* From any thread; but a fork must wait for the call to return.
[[nodiscard]] UniqueSenderCopies make_sender_copies() noexcept;

}  // namespace zipc
