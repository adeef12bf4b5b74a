#include "client/context.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "common/write_back.h"

namespace zipc {
namespace {

/// The pid above, and below a number that starts at the process's first call and never repeats in it.
std::uint64_t make_id() noexcept {
  static std::atomic<std::uint32_t> counter{static_cast<std::uint32_t>(Clock::now().time_since_epoch().count() >> 10)};
  const std::uint32_t number = counter.fetch_add(1, std::memory_order_relaxed);  // only its being different matters
  return static_cast<std::uint64_t>(getpid()) << 32 | number;
}

}  // namespace

ZipcContext dead_context(Role role, std::string_view name, const Params& params) noexcept {
  ZipcContext context{};
  context.mode = static_cast<std::uint8_t>(role);
  std::memcpy(context.name, name.data(), std::min(name.size(), sizeof context.name - 1));
  context.params = {.message_size = params.message_size, .queue_size = params.queue_size};
  return context;
}

ZipcContext make_context(Role role, std::string_view name, const Params& params, void* memory, std::uint64_t id) noexcept {
  auto* bytes = static_cast<std::byte*>(memory);
  ZipcContext context = dead_context(role, name, params);
  context.id = id != 0 ? id : make_id();
  const HotContext hot = role == Role::sender ? HotContext::hot_by_header : HotContext::hot;
  const bool may_be_hot = join_heavy_fences() || kOperationsAreFences;
  context.padding[0] = static_cast<std::uint8_t>(may_be_hot ? hot : HotContext::open);
  context.queue = reinterpret_cast<ZipcQueue*>(memory);
  context.buffers = bytes + buffers_offset(params);
  context.init_flag = reinterpret_cast<std::int32_t*>(init_flag_in(memory, params));
  if (gains_by_writing_back(params)) context.padding[6] = kContextWritesBack;
  return context;
}

ZipcContext make_context(Role role, std::string_view name, const Params& params, const Mapping& mapping, std::uint8_t flags,
                         std::uint64_t id) noexcept {
  ZipcContext context = make_context(role, name, params, mapping.address(), id);
  context.padding[6] |= flags;
  if (role == Role::sender && mapping.copies() != nullptr) {
    context.padding[6] |= kContextHasCopies;
    if (is(context, HotContext::hot_by_header)) context.padding[0] = static_cast<std::uint8_t>(HotContext::hot);
    context.init_flag = reinterpret_cast<std::int32_t*>(&mapping.copies()->init_flag);
  } else if (auto* tripwire = tripwire_of(mapping.address(), params); tripwire != nullptr) {
    context.init_flag = reinterpret_cast<std::int32_t*>(tripwire);
  }
  return context;
}

}  // namespace zipc
