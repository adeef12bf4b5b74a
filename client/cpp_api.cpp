// What of the C++ API's endpoints is not inlined, over the same ring and table as the C API.
#include <zipc/zipc.hpp>

#include "client/attachments.h"
#include "client/client.h"
#include "client/context.h"

namespace zipc {
namespace {

Failure too_small(std::size_t size, const Params& params) {
  return Failure{Error::invalid_argument, "the memory has " + std::to_string(size) + " bytes; " + to_string(params) +
                                              " take " + std::to_string(shared_memory_size(params))};
}

Result<ZipcContext> over_memory(std::span<std::byte> memory, const Params& params, std::string_view name, Role role,
                                std::uint64_t id) {
  if (auto valid = check_params(params); !valid) return valid.failure();
  if (memory.size() < shared_memory_size(params)) return too_small(memory.size(), params);
  const auto init = role == Role::sender ? &zipc_init_sender : &zipc_init_receiver;
  const ZipcContext context =
      init(std::string(name).c_str(), memory.data(), params.queue_size, params.message_size, id);
  if (context.queue != nullptr) return context;
  return Failure{static_cast<Error>(zipc_last_error()->code), zipc_last_error()->message};
}

Result<ZipcContext> attach(std::string_view name, Role role, const std::optional<Params>& params) {
  return Attachments::of_process().attach({.name = std::string(name), .role = role, .params = params});
}

}  // namespace

Result<Sender> Access::sender(const Result<ZipcContext>& context) {
  if (!context) return context.failure();
  return Sender(*context);
}

Result<Receiver> Access::receiver(const Result<ZipcContext>& context) {
  if (!context) return context.failure();
  return Receiver(*context);
}

Result<Sender> Sender::create(std::string_view name, const Params& params) {
  return Access::sender(attach(name, Role::sender, params));
}

Result<Sender> Sender::open(std::string_view name) { return Access::sender(attach(name, Role::sender, std::nullopt)); }

Result<Sender> Sender::over(std::span<std::byte> memory, const Params& params, std::string_view name,
                            std::uint64_t id) {
  return Access::sender(over_memory(memory, params, name, Role::sender, id));
}

Result<Receiver> Receiver::create(std::string_view name, const Params& params) {
  return Access::receiver(attach(name, Role::receiver, params));
}

Result<Receiver> Receiver::open(std::string_view name) {
  return Access::receiver(attach(name, Role::receiver, std::nullopt));
}

Result<Receiver> Receiver::over(std::span<std::byte> memory, const Params& params, std::string_view name,
                                std::uint64_t id) {
  return Access::receiver(over_memory(memory, params, name, Role::receiver, id));
}

}  // namespace zipc
