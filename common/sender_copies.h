/// Where senders keep their copies of the header (zipc/sender_copies.hpp).
///
/// *Thread safety.* The caller holds a lock that all share and a fork waits for: that of Attachments.
#pragma once

#include <memory>
#include <zipc/sender_copies.hpp>

namespace zipc {

struct ReturnSenderCopies {
  void operator()(SenderCopies* copies) const noexcept;
  unsigned forks_before = 0;  ///< a child that was forked since may go on with them
};
using UniqueSenderCopies = std::unique_ptr<SenderCopies, ReturnSenderCopies>;

/// Room for one sender's, or null if there is no memory. Cost: what was given back is given out again, without a system call.
[[nodiscard]] UniqueSenderCopies make_sender_copies() noexcept;

/// To be called after a fork, in the parent and in the child.
void note_fork() noexcept;

}  // namespace zipc
