/// What can be done with a context: the ring's operations, as both APIs offer them.
///
/// The ring knows one segment. Here it is seen to that a role outlives it: when the broker gives the channel other memory (a
/// revoked peer, other sizes), the call that meets the notice goes there and is done there. And while a call sleeps in a
/// channel that no broker looks after, it looks whether the peer is still alive.
///
/// The errors are those of zipc.h. `deadline`: until when to wait, and then Error::timeout; nullopt: not at all, and then
/// Error::full or empty. The cost is the ring's and a branch; following and waiting make system calls.
#pragma once

#include <optional>

#include "client/context.h"

namespace zipc {

/// Sends a copy.
[[nodiscard]] Error send(ZipcContext& sender, const void* message, std::size_t size,
                         std::optional<Deadline> deadline = {}) noexcept;
[[nodiscard]] Slot loan(ZipcContext& sender, std::optional<Deadline> deadline = {}) noexcept;
[[nodiscard]] Error publish(ZipcContext& sender, std::size_t size) noexcept;

/// Takes the oldest message out.
[[nodiscard]] Slot receive(ZipcContext& receiver, std::optional<Deadline> deadline = {}) noexcept;
[[nodiscard]] Slot peek(ZipcContext& receiver, std::optional<Deadline> deadline = {}) noexcept;
[[nodiscard]] Error pop(ZipcContext& receiver) noexcept;

}  // namespace zipc
