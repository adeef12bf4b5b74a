/// What can be done with a context: the ring's operations, as both APIs offer them.
///
/// The ring knows one segment. Here it is seen to that a role outlives it: when the broker gives the channel other
/// memory (a revoked peer, other sizes), the call that meets the notice goes there and is done there. And while a call
/// sleeps in a channel that no broker looks after, it looks whether the peer is still alive.
///
/// The errors are those of zipc.h. `timeout`: how long to wait, and then Error::timeout; nullopt: not at all, and then
/// Error::full or empty, after a pause of less than a microsecond where that lets a stream go faster.
///
/// What nearly every call of a stream does stands here, to be inlined; what it does otherwise (looking at the peer's
/// index, waiting, following the channel) in operations.cpp, out of the way.
#pragma once

#include <optional>

#include "client/context.h"

namespace zipc {

using Timeout = std::optional<std::chrono::nanoseconds>;

/// Where an operation goes on that the ring's try_ function has not done. `met`: what it has answered.
namespace otherwise {
[[nodiscard, gnu::cold]] Error send(ZipcContext& sender, const void* message, std::size_t size, Timeout timeout,
                                    Error met) noexcept;
[[nodiscard, gnu::cold]] Slot loan(ZipcContext& sender, Timeout timeout) noexcept;
[[nodiscard, gnu::cold]] Error publish(ZipcContext& sender, std::size_t size, Error met) noexcept;
/// The message of `size` bytes in slot `index` is out, if `met` says so. (A Slot would have to be put into memory.)
[[nodiscard, gnu::cold]] Slot receive(ZipcContext& receiver, Timeout timeout, Error met, std::uint32_t index,
                                      std::uint32_t size) noexcept;
[[nodiscard, gnu::cold]] Slot peek(ZipcContext& receiver, Timeout timeout) noexcept;
[[nodiscard, gnu::cold]] Error pop(ZipcContext& receiver, Error met) noexcept;
}  // namespace otherwise

/// Sends a copy.
[[nodiscard, gnu::always_inline]] inline Error send(ZipcContext& sender, const void* message, std::size_t size,
                                                    Timeout timeout = {}) noexcept {
  const Error sent = ring_of(sender).try_send(message, size);
  return sent == Error::ok ? sent : otherwise::send(sender, message, size, timeout, sent);
}

[[nodiscard, gnu::always_inline]] inline Slot loan(ZipcContext& sender, Timeout timeout = {}) noexcept {
  const Slot slot = ring_of(sender).try_loan();
  return slot.error == Error::ok ? slot : otherwise::loan(sender, timeout);
}

[[nodiscard, gnu::always_inline]] inline Error publish(ZipcContext& sender, std::size_t size) noexcept {
  const Error published = ring_of(sender).try_publish(size);
  return published == Error::ok ? published : otherwise::publish(sender, size, published);
}

/// Takes the oldest message out.
[[nodiscard, gnu::always_inline]] inline Slot receive(ZipcContext& receiver, Timeout timeout = {}) noexcept {
  const Slot slot = ring_of(receiver).try_receive();
  return slot.error == Error::ok ? slot : otherwise::receive(receiver, timeout, slot.error, slot.index, slot.size);
}

[[nodiscard, gnu::always_inline]] inline Slot peek(ZipcContext& receiver, Timeout timeout = {}) noexcept {
  const Slot slot = ring_of(receiver).try_peek();
  return slot.error == Error::ok ? slot : otherwise::peek(receiver, timeout);
}

[[nodiscard, gnu::always_inline]] inline Error pop(ZipcContext& receiver) noexcept {
  const Error popped = ring_of(receiver).try_pop();
  return popped == Error::ok ? popped : otherwise::pop(receiver, popped);
}

/// Slots in a row: as loan(), publish(), peek() and pop(). When the channel moves just as they are published, they are
/// sent one by one; `published` tells how many were.
[[nodiscard]] SlotRun loan_run(ZipcContext& sender, std::uint32_t most) noexcept;
[[nodiscard]] Error publish_run(ZipcContext& sender, const std::uint32_t* sizes, std::uint32_t count,
                                std::uint32_t& published) noexcept;
[[nodiscard]] SlotRun peek_run(ZipcContext& receiver, std::uint32_t* sizes, std::uint32_t most) noexcept;
[[nodiscard]] Error pop_run(ZipcContext& receiver, std::uint32_t count) noexcept;

}  // namespace zipc
