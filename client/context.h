/// Between a ZipcContext, which belongs to the caller and has a fixed ABI, and the Ring that it stands for.
#pragma once

#include <zipc.h>

#include <cstddef>
#include <string_view>

#include "common/ring.h"

namespace zipc {

static_assert(sizeof(ZipcContext) == 88);
static_assert(offsetof(ZipcContext, id) == 0 && offsetof(ZipcContext, mode) == 8 &&
              offsetof(ZipcContext, padding) == 9);
static_assert(offsetof(ZipcContext, name) == 16 && offsetof(ZipcContext, params) == 56);
static_assert(offsetof(ZipcParams, message_size) == 0 && offsetof(ZipcParams, queue_size) == 4);
static_assert(offsetof(ZipcContext, queue) == 64 && offsetof(ZipcContext, buffers) == 72);
static_assert(offsetof(ZipcContext, init_flag) == 80);

/// The Pace of a context: its guesses, at padding[1].
static_assert(sizeof(Pace) == 2 && alignof(Pace) == 1 && sizeof ZipcContext::padding >= 1 + sizeof(Pace));
[[nodiscard]] inline Pace& pace_of(ZipcContext& context) noexcept {
  return *reinterpret_cast<Pace*>(&context.padding[1]);
}

/// Bits of padding[0].
inline constexpr std::uint8_t kContextHasTripwire = 1;  ///< it may be read; a caller's buffer has none
inline constexpr std::uint8_t kContextWatchesPeer = 2;  ///< no broker does it
inline constexpr std::uint8_t kContextHasDescriptor = 4;  ///< its calls keep its role's descriptor as it should be

/// A context over mapped memory. `id` 0: one is made, unique on this machine. Names longer than 39 bytes are cut.
[[nodiscard]] ZipcContext make_context(Role role, std::string_view name, const Params& params, void* memory,
                                       std::uint8_t flags, std::uint64_t id = 0) noexcept;

/// A context on which every call fails with Error::closed.
[[nodiscard]] ZipcContext dead_context(Role role, std::string_view name, const Params& params) noexcept;

/// Whether the context is alive and has this role.
[[nodiscard]] inline bool is_open(const ZipcContext* context, Role role) noexcept {
  return context != nullptr && context->queue != nullptr && context->mode == static_cast<std::uint8_t>(role);
}

[[nodiscard]] inline Params params_of(const ZipcContext& context) noexcept {
  return {.queue_size = context.params.queue_size, .message_size = context.params.message_size};
}

/// The ring of a context that is_open().
[[nodiscard]] inline Ring ring_of(const ZipcContext& context, Pace* pace = nullptr) noexcept {
  constexpr std::size_t kTripwireFromFlag = tripwire_offset({2, 1}) - init_flag_offset({2, 1});
  const auto* flag = reinterpret_cast<const std::byte*>(context.init_flag);
  const auto* tripwire = (context.padding[0] & kContextHasTripwire) != 0
                             ? reinterpret_cast<const std::atomic<std::uint8_t>*>(flag + kTripwireFromFlag)
                             : nullptr;
  return {reinterpret_cast<SegmentHeader*>(context.queue), static_cast<std::byte*>(context.buffers), params_of(context),
          tripwire, pace};
}

[[nodiscard]] inline Ring ring_of(ZipcContext& context) noexcept { return ring_of(context, &pace_of(context)); }

}  // namespace zipc
