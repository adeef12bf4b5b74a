// The C API: checks what comes from the caller, and calls the ring or the table of attachments. No exception leaves it.
#include <zipc.h>

#include <cstring>
#include <new>

#include "client/attachments.h"
#include "client/context.h"
#include "client/hex_dump.h"
#include "client/last_error.h"
#include "client/operations.h"
#include "common/name.h"
#include "zipc_version.h"

using zipc::Attachments;
using zipc::Error;
using zipc::Failure;
using zipc::Params;
using zipc::params_of;
using zipc::Result;
using zipc::ring_of;
using zipc::Role;
using zipc::RoleRequest;
using zipc::Slot;

static_assert(static_cast<int>(ZIPC_ERROR_INVALID_CONFIG) == zipc::kErrorCount - 1 &&
              static_cast<int>(ZIPC_ERROR_FULL) == static_cast<int>(Error::full) &&
              static_cast<int>(ZIPC_ERROR_ROLE_TAKEN) == static_cast<int>(Error::role_taken) &&
              static_cast<int>(ZIPC_ERROR_OUT_OF_MEMORY) == static_cast<int>(Error::out_of_memory) &&
              static_cast<int>(ZIPC_ERROR_BUSY) == static_cast<int>(Error::busy));

namespace {

Failure no_memory() { return Failure{Error::out_of_memory, "out of memory"}; }
Failure null_pointer(const char* what) { return Failure{Error::invalid_argument, std::string(what) + " is NULL"}; }

ZipcContext attach(const char* name, Role role, const std::optional<Params>& params) {
  try {
    auto context = name != nullptr ? Attachments::of_process().attach({.name = name, .role = role, .params = params})
                                   : Result<ZipcContext>(null_pointer("name"));
    if (context) return *context;
    set_last_error(context.failure());
  } catch (const std::bad_alloc&) {
    set_last_error(no_memory());
  }
  return dead_context(role, name != nullptr ? name : "", params.value_or(Params{}));
}

Result<void> check_memory(void* memory, const Params& params) {
  if (memory == nullptr) return null_pointer("memory");
  if (reinterpret_cast<std::uintptr_t>(memory) % alignof(zipc::SegmentHeader) != 0) {
    return Failure{Error::invalid_argument, "the memory is not aligned to 8 bytes"};
  }
  return zipc::set_up_memory(memory, params);
}

ZipcContext init(const char* name, Role role, void* memory, const Params& params, std::uint64_t id) {
  const char* text = name != nullptr ? name : "";
  if (const auto ready = check_memory(memory, params); !ready) {
    set_last_error(ready.failure());
    return dead_context(role, text, params);
  }
  const ZipcContext context = make_context(role, text, params, memory, 0, id);
  ring_of(context).announce(role);
  return context;
}

zipc::Deadline after_millis(std::uint16_t millis) { return zipc::deadline_after(std::chrono::milliseconds(millis)); }

/// Notes a failure of the message path. Returns whether there was none.
bool succeeded(Error error, const ZipcContext& context, std::size_t size = 0) {
  if (error != Error::ok) set_last_error(error, context, size);
  return error == Error::ok;
}

bool require_role(const ZipcContext* context, Role role) {
  if (zipc::is_open(context, role)) return true;
  set_last_error(Error::closed, context != nullptr ? *context : ZipcContext{});
  return false;
}

bool require_message(const std::uint8_t* message, std::size_t size) {
  if (message != nullptr || size == 0) return true;
  set_last_error(null_pointer("message"));
  return false;
}

/// What zipc_receive returns for a slot: a message of length 0 has a non-NULL pointer.
std::uint32_t deliver(const Slot& slot, const ZipcContext& context, std::uint8_t** message) {
  if (!succeeded(slot.error, context)) return 0;
  *message = reinterpret_cast<std::uint8_t*>(slot.data);
  return slot.size;
}

/// The common start of the receiving calls.
bool may_receive(const ZipcContext* receiver, std::uint8_t** message) {
  if (message == nullptr) {
    set_last_error(null_pointer("message"));
    return false;
  }
  *message = nullptr;
  return require_role(receiver, Role::receiver);
}

std::size_t dump(const ZipcContext* context, char* text, std::size_t size, bool header_only) {
  if (context == nullptr || (text == nullptr && size != 0)) {
    set_last_error(null_pointer(context == nullptr ? "context" : "text"));
    return 0;
  }
  if (context->queue == nullptr) {
    set_last_error(Error::closed, *context);
    return 0;
  }
  const auto all = static_cast<std::size_t>(zipc::smallest_segment_size(params_of(*context)));
  return zipc::hex_dump(context->queue, header_only ? sizeof(zipc::SegmentHeader) : all, text, size);
}

}  // namespace

ZipcContext zipc_create_sender(const char* name, uint32_t queue_size, uint32_t message_size) {
  return attach(name, Role::sender, Params{.queue_size = queue_size, .message_size = message_size});
}

ZipcContext zipc_create_receiver(const char* name, uint32_t queue_size, uint32_t message_size) {
  return attach(name, Role::receiver, Params{.queue_size = queue_size, .message_size = message_size});
}

ZipcContext zipc_open_sender(const char* name) { return attach(name, Role::sender, std::nullopt); }

ZipcContext zipc_open_receiver(const char* name) { return attach(name, Role::receiver, std::nullopt); }

ZipcContext zipc_init_sender(const char* name, void* memory, uint32_t queue_size, uint32_t message_size, uint64_t id) {
  return init(name, Role::sender, memory, {.queue_size = queue_size, .message_size = message_size}, id);
}

ZipcContext zipc_init_receiver(const char* name, void* memory, uint32_t queue_size, uint32_t message_size, uint64_t id) {
  return init(name, Role::receiver, memory, {.queue_size = queue_size, .message_size = message_size}, id);
}

void zipc_destroy(ZipcContext* context) {
  if (context == nullptr || context->queue == nullptr) return;
  try {
    Attachments::of_process().detach(*context);
  } catch (const std::bad_alloc&) {
    set_last_error(no_memory());
  }
  context->queue = nullptr;
  context->buffers = nullptr;
  context->init_flag = nullptr;
}

void zipc_unlink(const char* name) {
  try {
    const auto removed =
        name != nullptr ? Attachments::of_process().remove(name) : Result<void>(null_pointer("name"));
    if (!removed) set_last_error(removed.failure());
  } catch (const std::bad_alloc&) {
    set_last_error(no_memory());
  }
}

bool zipc_send(ZipcContext* sender, const uint8_t* message, size_t message_size) {
  if (!require_role(sender, Role::sender) || !require_message(message, message_size)) return false;
  return succeeded(zipc::send(*sender, message, message_size), *sender, message_size);
}

bool zipc_send_blocking(ZipcContext* sender, const uint8_t* message, size_t message_size, uint16_t timeout_millis) {
  if (!require_role(sender, Role::sender) || !require_message(message, message_size)) return false;
  const Error sent = zipc::send(*sender, message, message_size, after_millis(timeout_millis));
  return succeeded(sent, *sender, message_size);
}

uint8_t* zipc_loan(ZipcContext* sender) {
  if (!require_role(sender, Role::sender)) return nullptr;
  const Slot slot = zipc::loan(*sender);
  return succeeded(slot.error, *sender) ? reinterpret_cast<uint8_t*>(slot.data) : nullptr;
}

uint8_t* zipc_loan_blocking(ZipcContext* sender, uint16_t timeout_millis) {
  if (!require_role(sender, Role::sender)) return nullptr;
  const Slot slot = zipc::loan(*sender, after_millis(timeout_millis));
  return succeeded(slot.error, *sender) ? reinterpret_cast<uint8_t*>(slot.data) : nullptr;
}

bool zipc_publish(ZipcContext* sender, size_t message_size) {
  if (!require_role(sender, Role::sender)) return false;
  return succeeded(zipc::publish(*sender, message_size), *sender, message_size);
}

uint32_t zipc_receive(ZipcContext* receiver, uint8_t** message) {
  if (!may_receive(receiver, message)) return 0;
  return deliver(zipc::receive(*receiver), *receiver, message);
}

uint32_t zipc_receive_blocking(ZipcContext* receiver, uint8_t** message, uint16_t timeout_millis) {
  if (!may_receive(receiver, message)) return 0;
  return deliver(zipc::receive(*receiver, after_millis(timeout_millis)), *receiver, message);
}

uint32_t zipc_peek(ZipcContext* receiver, uint8_t** message) {
  if (!may_receive(receiver, message)) return 0;
  return deliver(zipc::peek(*receiver), *receiver, message);
}

uint32_t zipc_peek_blocking(ZipcContext* receiver, uint8_t** message, uint16_t timeout_millis) {
  if (!may_receive(receiver, message)) return 0;
  return deliver(zipc::peek(*receiver, after_millis(timeout_millis)), *receiver, message);
}

bool zipc_pop(ZipcContext* receiver) {
  return require_role(receiver, Role::receiver) && succeeded(zipc::pop(*receiver), *receiver);
}

bool zipc_stats(const ZipcContext* context, ZipcStats* stats) {
  if (stats == nullptr) {
    set_last_error(null_pointer("stats"));
    return false;
  }
  if (context == nullptr || context->queue == nullptr) {
    set_last_error(Error::closed, context != nullptr ? *context : ZipcContext{});
    return false;
  }
  const zipc::Stats s = ring_of(*context).stats();
  *stats = {s.sent, s.bytes_sent, s.received, s.full, s.depth, s.deepest, s.largest, 0};
  return true;
}

bool zipc_peer(const ZipcContext* context, ZipcPeer* peer) {
  if (peer == nullptr) {
    set_last_error(null_pointer("peer"));
    return false;
  }
  if (context == nullptr || context->queue == nullptr) {
    set_last_error(Error::closed, context != nullptr ? *context : ZipcContext{});
    return false;
  }
  const zipc::PeerSeen seen = ring_of(*context).peer_of(static_cast<Role>(context->mode));
  *peer = {.state = ZIPC_PEER_NONE, .pid = seen.pid, .signal = 0, .exit_code = -1};
  if (seen.is_present) {
    peer->state = ZIPC_PEER_PRESENT;
  } else if ((seen.notice & zipc::kNoticeDied) != 0) {
    peer->state = ZIPC_PEER_DIED;
  } else if (seen.pid != 0) {
    peer->state = ZIPC_PEER_LEFT;
  }
  if (peer->state != ZIPC_PEER_DIED || (seen.notice & zipc::kNoticeCause) == 0) return true;
  const auto number = static_cast<int32_t>(seen.notice >> zipc::kNoticeNumberShift & zipc::kNoticeNumberMask);
  ((seen.notice & zipc::kNoticeSignal) != 0 ? peer->signal : peer->exit_code) = number;
  return true;
}

bool zipc_renew(ZipcContext* context) {
  if (context == nullptr || context->queue == nullptr) {
    set_last_error(Error::closed, context != nullptr ? *context : ZipcContext{});
    return false;
  }
  try {
    const auto renewed = Attachments::of_process().renew(*context);
    if (!renewed) set_last_error(renewed.failure());
    return renewed.has_value();
  } catch (const std::bad_alloc&) {
    set_last_error(no_memory());
    return false;
  }
}

size_t zipc_shared_memory_size(uint32_t queue_size, uint32_t message_size) {
  const Params params{.queue_size = queue_size, .message_size = message_size};
  return check_params(params) ? static_cast<size_t>(zipc::older_peer_size(params)) : 0;
}

char* zipc_shm_path(const char* name) {
  const auto valid = name != nullptr ? zipc::check_name(name) : Result<void>(null_pointer("name"));
  if (!valid) {
    set_last_error(valid.failure());
    return nullptr;
  }
#ifdef __APPLE__
  set_last_error(Failure{Error::unsupported, "shared memory has no path on macOS"});
  return nullptr;
#else
  thread_local char path[sizeof "/dev/shm" + zipc::kNameSizeMax];
  std::strcpy(path, "/dev/shm");
  std::strcat(path, name);
  return path;
#endif
}

size_t zipc_dump_hex(const ZipcContext* context, char* text, size_t size) { return dump(context, text, size, false); }

size_t zipc_dump_queue_hex(const ZipcContext* context, char* text, size_t size) {
  return dump(context, text, size, true);
}

const char* zipc_version(void) { return ZIPC_VERSION; }
