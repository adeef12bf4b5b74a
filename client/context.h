/// Between a ZipcContext, which belongs to the caller and has a fixed ABI, and the Ring that it stands for.
#pragma once

#include <cstddef>
#include <string_view>
#include <zipc/hot_context.hpp>

#include "common/segment.h"

namespace zipc {

static_assert(sizeof(ZipcContext) == 88);
static_assert(offsetof(ZipcContext, id) == 0 && offsetof(ZipcContext, mode) == 8 &&
              offsetof(ZipcContext, padding) == 9);
static_assert(offsetof(ZipcContext, name) == 16 && offsetof(ZipcContext, params) == 56);
static_assert(offsetof(ZipcParams, message_size) == 0 && offsetof(ZipcParams, queue_size) == 4);
static_assert(offsetof(ZipcContext, queue) == 64 && offsetof(ZipcContext, buffers) == 72);
static_assert(offsetof(ZipcContext, init_flag) == 80);

/// How a context waits, at padding[5].
static_assert(sizeof ZipcContext::padding > 5 && sizeof(Waiting) == 1);
[[nodiscard]] inline Waiting waiting_of(const ZipcContext& context) noexcept {
  return static_cast<Waiting>(context.padding[5]);
}
inline void set_waiting(ZipcContext& context, Waiting waiting) noexcept {
  context.padding[5] = static_cast<std::uint8_t>(waiting);
}

/// Whether the context is alive and has this role.
[[nodiscard]] inline bool is_open(const ZipcContext* context, Role role) noexcept {
  return context != nullptr && context->queue != nullptr && context->mode == static_cast<std::uint8_t>(role);
}

/// A context over a caller's memory. `id` 0: one is made, unique on this machine. Names longer than 39 bytes are cut.
[[nodiscard]] ZipcContext make_context(Role role, std::string_view name, const Params& params, void* memory,
                                       std::uint64_t id = 0) noexcept;
/// The same over a mapping whose role is held. `flags`: bits of padding[6].
[[nodiscard]] ZipcContext make_context(Role role, std::string_view name, const Params& params, const Mapping& mapping,
                                       std::uint8_t flags, std::uint64_t id = 0) noexcept;

/// A context on which every call fails with Error::closed.
[[nodiscard]] ZipcContext dead_context(Role role, std::string_view name, const Params& params) noexcept;

/// The ring of a context that is_open().
[[nodiscard]] inline Ring ring_of(const ZipcContext& context, Pace* pace = nullptr) noexcept {
  auto* header = reinterpret_cast<SegmentHeader*>(context.queue);
  const bool writes_back = has(context, kContextWritesBack);
  if (!has(context, kContextHasCopies)) return {header, header, params_of(context), tripwire_of(context), pace, writes_back};
  return {header, &copies_of(context).copies, params_of(context), copies_of(context).tripwire, pace, writes_back};
}

[[nodiscard]] inline Ring ring_of(ZipcContext& context) noexcept { return ring_of(context, &pace_of(context)); }

}  // namespace zipc
