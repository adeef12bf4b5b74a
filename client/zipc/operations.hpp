/// What can be done with a context: the ring's operations, as both APIs offer them. A part of zipc.hpp; not to be included
/// by programs.
///
/// The ring knows one segment. Here it is seen to that a role outlives it: when the broker gives the channel other
/// memory (a revoked peer, other sizes), the call that meets the notice goes there and is done there. And while a call
/// sleeps in a channel that no broker looks after, it looks whether the peer is still alive.
///
/// The errors are those of zipc.h. `timeout`: how long to wait, and then Error::timeout; kAtOnce: not at all, and then
/// Error::full or empty, after a pause of less than a microsecond where that lets messages go faster.
///
/// What nearly every call does is inlined into the program (hot_path.hpp); what it does otherwise (learning from a look at the
/// peer's index, waiting, following the channel) is in the library, out of the way. What gives a slot is put together in
/// zipc.hpp and c_api.cpp, so that it gets from the hot path to the caller without being a struct on the way.
#pragma once

#include <algorithm>
#include <chrono>
#include <limits>
#include <zipc/hot_context.hpp>

namespace zipc::operations {

using Timeout = std::chrono::nanoseconds;  // one register: see hot_path.hpp
inline constexpr Timeout kAtOnce = Timeout::min();
/// A program's own timeout: a negative one is 0, and never kAtOnce.
[[nodiscard]] constexpr Timeout duration(std::chrono::nanoseconds timeout) noexcept { return std::max(timeout, Timeout::zero()); }

/// Where an operation goes on that the ring's try_ function has not done. `met`: what it has answered.
namespace otherwise {
[[nodiscard, gnu::cold]] ZIPC_API Error send(ZipcContext& sender, const void* message, std::size_t size, Timeout timeout,
                                             Error met) noexcept;
[[nodiscard, gnu::cold]] ZIPC_API Slot loan(ZipcContext& sender, Timeout timeout) noexcept;
[[nodiscard, gnu::cold]] ZIPC_API Error publish(ZipcContext& sender, std::size_t size, Error met) noexcept;
[[nodiscard, gnu::cold]] ZIPC_API Slot receive(ZipcContext& receiver, Timeout timeout, Error met) noexcept;
[[nodiscard, gnu::cold]] ZIPC_API Slot peek(ZipcContext& receiver, Timeout timeout, Error met) noexcept;
[[nodiscard, gnu::cold]] ZIPC_API Error pop(ZipcContext& receiver, Error met) noexcept;
/// What comes next when try_receive() or try_peek() has answered `met`: the look at the sender's index that it has not done, and
/// spinning, if that is how the call waits. Error::ok: the program's own copy of it is to be called again, from which the slot
/// gets to the program in registers, and all its lines are fetched at once: a slot that is returned from here costs a round trip
/// of 64 bytes 1.3 times the time. Otherwise what receive() or peek() has met.
[[nodiscard, gnu::cold]] ZIPC_API Error look_again(ZipcContext& receiver, Timeout timeout, Error met) noexcept;
}  // namespace otherwise

/// Slots in a row: as loan(), publish(), peek() and pop(). When the channel moves just as they are published, they are
/// sent one by one; `published` tells how many were.
[[nodiscard]] ZIPC_API SlotRun loan_run(ZipcContext& sender, std::uint32_t most) noexcept;
[[nodiscard]] ZIPC_API Error publish_run(ZipcContext& sender, const std::uint32_t* sizes, std::uint32_t count,
                                         std::uint32_t& published) noexcept;
[[nodiscard]] ZIPC_API SlotRun peek_run(ZipcContext& receiver, std::uint32_t* sizes, std::uint32_t most) noexcept;
[[nodiscard]] ZIPC_API Error pop_run(ZipcContext& receiver, std::uint32_t count) noexcept;
/// A number of messages, no more than 32 bits hold.
[[nodiscard]] constexpr std::uint32_t to_count(std::size_t most) noexcept {
  return static_cast<std::uint32_t>(std::min<std::size_t>(most, std::numeric_limits<std::uint32_t>::max()));
}

/// Whether a call that has found nothing may say so, and that is all: nobody is to wait, now or by a descriptor.
[[nodiscard]] inline bool is_all_said(const ZipcContext& context, Timeout timeout) noexcept {
  return timeout == kAtOnce && !has(context, kContextHasDescriptor);
}

/// Sends a copy.
[[nodiscard, gnu::always_inline]] inline Error send(ZipcContext& sender, const void* message, std::size_t size,
                                                    Timeout timeout = kAtOnce) noexcept {
  const auto try_send = [=](HotPath path) __attribute__((always_inline)) { return path.try_send(message, size); };
  const Error sent = attempt_or(kUndone, sender, try_send);
  if (sent == Error::ok) [[likely]] return sent;
  return otherwise::send(sender, message, size, timeout, sent);
}

[[nodiscard, gnu::always_inline]] inline Error publish(ZipcContext& sender, std::size_t size) noexcept {
  const auto try_publish = [=](HotPath path) __attribute__((always_inline)) { return path.try_publish(size); };
  const Error published = attempt_or(kUndone, sender, try_publish);
  if (published == Error::ok) [[likely]] return published;
  return otherwise::publish(sender, size, published);
}

[[nodiscard, gnu::always_inline]] inline Error pop(ZipcContext& receiver) noexcept {
  const Error popped = is(receiver, HotContext::hot) ? path_by_header_of(receiver).try_pop() : kUndone;
  if (popped == Error::ok) [[likely]] return popped;
  return otherwise::pop(receiver, popped);
}

}  // namespace zipc::operations
