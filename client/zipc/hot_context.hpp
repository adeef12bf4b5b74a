/// What a ZipcContext says to the hot path (hot_path.hpp): which memory, which sizes, what may be relied on.
#pragma once

#include <zipc.h>

#include <cstddef>
#include <zipc/hot_path.hpp>

namespace zipc {

/// Bits of ZipcContext::padding[0]. The first two are what HotPath relies on: a feature of the peer, if that is of use here.
inline constexpr std::uint8_t kContextBelieves = kFeatureAnnouncesSleep;      ///< always
inline constexpr std::uint8_t kContextJoinedFences = kFeatureFencesForBoth;  ///< its process has joined them (waiting.h)
inline constexpr std::uint8_t kContextWatchesPeer = 2;                       ///< no broker does it
inline constexpr std::uint8_t kContextHasDescriptor = 8;                     ///< its calls keep its role's descriptor in order
static_assert((kContextBelieves ^ kContextJoinedFences ^ kContextWatchesPeer ^ kContextHasDescriptor) == 15);

/// The Pace of a context: its guesses, at padding[1].
static_assert(sizeof(Pace) == 4 && alignof(Pace) == 1 && sizeof ZipcContext::padding >= 1 + sizeof(Pace));
[[nodiscard]] inline Pace& pace_of(ZipcContext& context) noexcept {
  return *reinterpret_cast<Pace*>(&context.padding[1]);
}

/// Whether the context is alive and has this role.
[[nodiscard]] inline bool is_open(const ZipcContext* context, Role role) noexcept {
  return context != nullptr && context->queue != nullptr && context->mode == static_cast<std::uint8_t>(role);
}

[[nodiscard]] inline Params params_of(const ZipcContext& context) noexcept {
  return {.queue_size = context.params.queue_size, .message_size = context.params.message_size};
}

/// The tripwire of a context, at padding[6] bytes behind its init flag. Those are 0 where none may be read (a caller's buffer,
/// and 3 of 100 sizes): the flag is always whole.
inline constexpr std::uint8_t kTripwireFromFlag{tripwire_offset({2, 1}) - init_flag_offset({2, 1})};
static_assert((kInitFlag & kTripwire) != 0);
[[nodiscard]] inline bool has_tripwire(const ZipcContext& context) noexcept { return context.padding[6] != 0; }
[[nodiscard]] inline const std::atomic<std::uint8_t>& tripwire_of(const ZipcContext& context) noexcept {
  const auto* byte = reinterpret_cast<const std::byte*>(context.init_flag) + context.padding[6];
  return *reinterpret_cast<const std::atomic<std::uint8_t>*>(byte);
}

/// The hot path of a context that is_open().
[[nodiscard, gnu::always_inline]] inline HotPath hot_path_of(ZipcContext& context) noexcept {
  return {reinterpret_cast<SegmentHeader*>(context.queue),
          static_cast<std::byte*>(context.buffers),
          params_of(context),
          tripwire_of(context),
          &pace_of(context),
          context.padding[0]};
}

}  // namespace zipc
