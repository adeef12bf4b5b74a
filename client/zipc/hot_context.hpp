/// What a ZipcContext says to the hot path (hot_path.hpp): which memory, which sizes, what may be relied on.
#pragma once

#include <zipc.h>

#include <cstddef>
#include <cstring>
#include <zipc/hot_path.hpp>
#include <zipc/sender_copies.hpp>

namespace zipc {

/// ZipcContext::padding[0], behind `mode`, so that both are asked in one comparison: which way calls take.
enum class HotContext : std::uint8_t {
  closed = 0,     ///< as in one of zeros, which programs may make
  open,           ///< every call takes the long way: the process has not joined the heavy fences (waiting.h)
  hot,            ///< if it is a sender's, it has copies of the header
  hot_by_header,  ///< a sender's without copies: there is no tripwire (layout.hpp), or was no memory for them
};
[[nodiscard, gnu::always_inline]] inline bool is(const ZipcContext& context, HotContext state) noexcept {
  return context.padding[0] == static_cast<std::uint8_t>(state);
}
/// The same, and whether there is a context and it has this role.
[[nodiscard, gnu::always_inline]] inline bool is(const ZipcContext* context, Role role, HotContext state) noexcept {
  static_assert(offsetof(ZipcContext, padding) == offsetof(ZipcContext, mode) + 1);
  if (context == nullptr) return false;
  std::uint8_t both[2];
  std::memcpy(both, reinterpret_cast<const std::byte*>(context) + offsetof(ZipcContext, mode), sizeof both);
  const std::uint8_t wanted[2] = {static_cast<std::uint8_t>(role), static_cast<std::uint8_t>(state)};
  return std::memcmp(both, wanted, sizeof both) == 0;
}

/// Bits of ZipcContext::padding[6].
inline constexpr std::uint8_t kContextWatchesPeer = 1;    ///< no broker does it
inline constexpr std::uint8_t kContextHasDescriptor = 2;  ///< its calls keep its role's descriptor in order
inline constexpr std::uint8_t kContextHasCopies = 4;      ///< a sender's: its init_flag is that of its SenderCopies
inline constexpr std::uint8_t kContextWritesBack = 8;     ///< gains_by_writing_back() (write_back.h)
[[nodiscard]] inline bool has(const ZipcContext& context, std::uint8_t bit) noexcept { return (context.padding[6] & bit) != 0; }

/// The Pace of a context: its guesses, at padding[1].
static_assert(sizeof(Pace) == 4 && alignof(Pace) == 1 && sizeof ZipcContext::padding >= 1 + sizeof(Pace));
[[nodiscard]] inline Pace& pace_of(ZipcContext& context) noexcept {
  return *reinterpret_cast<Pace*>(&context.padding[1]);
}

[[nodiscard]] inline Params params_of(const ZipcContext& context) noexcept {
  return {.queue_size = context.params.queue_size, .message_size = context.params.message_size};
}

/// The sender's copies of a context that kContextHasCopies.
[[nodiscard, gnu::always_inline]] inline SenderCopies& copies_of(const ZipcContext& context) noexcept {
  auto* flag = reinterpret_cast<std::byte*>(context.init_flag);
  return *reinterpret_cast<SenderCopies*>(flag - offsetof(SenderCopies, init_flag));
}

/// The tripwire of any other: what its init_flag points to. Where none may be read (a caller's buffer, and 3 of 100 sizes), that
/// is the init flag itself, which is whole while the memory is the channel's.
[[nodiscard, gnu::always_inline]] inline std::atomic<std::uint8_t>* tripwire_of(const ZipcContext& context) noexcept {
  return reinterpret_cast<std::atomic<std::uint8_t>*>(context.init_flag);
}

/// The hot path of a receiver that is hot, and of a sender that is hot_by_header.
[[nodiscard, gnu::always_inline]] inline HotPath path_by_header_of(ZipcContext& context) noexcept {
  auto* header = reinterpret_cast<SegmentHeader*>(context.queue);
  return {header, header, static_cast<std::byte*>(context.buffers), params_of(context), tripwire_of(context), false, &pace_of(context),
          has(context, kContextWritesBack)};
}
/// Of a sender that is hot.
[[nodiscard, gnu::always_inline]] inline HotPath path_by_copies_of(ZipcContext& context) noexcept {
  SenderCopies& copies = copies_of(context);
  return {reinterpret_cast<SegmentHeader*>(context.queue), &copies.copies, static_cast<std::byte*>(context.buffers),
          params_of(context), copies.tripwire, true, &pace_of(context), has(context, kContextWritesBack)};
}
/// What `attempt` answers, a lambda that is always inlined, when it is given the hot path of a sender; `otherwise`, if that may not take it.
/// It is compiled for each kind, and so knows which it has: messages that one thread sends and receives in place take 0.95 times as long.
template <class Answer, class Attempt>
[[nodiscard, gnu::always_inline]] inline Answer attempt_or(Answer otherwise, ZipcContext& sender, Attempt attempt) noexcept {
  if (is(sender, HotContext::hot)) [[likely]] return attempt(path_by_copies_of(sender));
  if (is(sender, HotContext::hot_by_header)) return attempt(path_by_header_of(sender));
  return otherwise;
}

}  // namespace zipc
