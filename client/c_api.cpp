// The C API: checks what comes from the caller, and calls the ring or the table of attachments. No exception leaves it.
#include <zipc.h>
#include <zipc/operations.hpp>

#include <cstring>
#include <new>

#include "client/attachments.h"
#include "client/context.h"
#include "client/hex_dump.h"
#include "client/last_error.h"

#include "common/name.h"
#include "zipc_version.h"

using zipc::Attachments;
using zipc::Error;
using zipc::Failure;
using zipc::HotContext;
using zipc::HotPath;
using zipc::Params;
using zipc::params_of;
using zipc::Result;
using zipc::kUndone;
using zipc::path_by_copies_of;
using zipc::path_by_header_of;
using zipc::ring_of;
using zipc::Role;
using zipc::RoleRequest;
using zipc::Slot;
using zipc::operations::is_all_said;
using zipc::operations::kAtOnce;
using zipc::operations::Timeout;
namespace otherwise = zipc::operations::otherwise;

static_assert(static_cast<int>(ZIPC_ERROR_INVALID_CONFIG) == zipc::kErrorCount - 1 &&
              static_cast<int>(ZIPC_ERROR_FULL) == static_cast<int>(Error::full) &&
              static_cast<int>(ZIPC_ERROR_ROLE_TAKEN) == static_cast<int>(Error::role_taken) &&
              static_cast<int>(ZIPC_ERROR_OUT_OF_MEMORY) == static_cast<int>(Error::out_of_memory) &&
              static_cast<int>(ZIPC_ERROR_BUSY) == static_cast<int>(Error::busy));

static_assert(static_cast<int>(ZIPC_WAITING_ADAPTIVE) == static_cast<int>(zipc::Waiting::adaptive) &&
              static_cast<int>(ZIPC_WAITING_SPIN) == static_cast<int>(zipc::Waiting::spin) &&
              static_cast<int>(ZIPC_WAITING_SLEEP) == static_cast<int>(zipc::Waiting::sleep) &&
              static_cast<int>(ZIPC_WAITING_POLL) == static_cast<int>(zipc::Waiting::poll));

namespace {

Failure no_memory() { return Failure{Error::out_of_memory, "out of memory"}; }
Failure null_pointer(const char* what) { return Failure{Error::invalid_argument, std::string(what) + " is NULL"}; }

/// What `f` returns, or `otherwise` when it lacks memory, which is then the last error.
template <typename Answer, typename F>
Answer guarded(Answer otherwise, F f) noexcept {
  try {
    return f();
  } catch (const std::bad_alloc&) {
    set_last_error(no_memory());
    return otherwise;
  }
}

/// Notes why there is no result. Returns whether there is one.
template <typename T>
bool noted(const Result<T>& result) {
  if (!result) set_last_error(result.failure());
  return result.has_value();
}

bool require_open(const ZipcContext* context) noexcept {
  if (context != nullptr && context->queue != nullptr) return true;
  set_last_error(Error::closed, context != nullptr ? *context : ZipcContext{});
  return false;
}

bool require_role(const ZipcContext* context, Role role) noexcept {
  if (is_open(context, role)) return true;
  if (require_open(context)) zipc::set_wrong_role(*context);
  return false;
}

bool require(const void* pointer, const char* what) {
  if (pointer != nullptr) return true;
  set_last_error(null_pointer(what));
  return false;
}

ZipcContext attach(const char* name, Role role, const std::optional<Params>& params) {
  const ZipcContext dead = dead_context(role, name != nullptr ? name : "", params.value_or(Params{}));
  return guarded(dead, [&] {
    if (!require(name, "name")) return dead;
    const auto context = Attachments::of_process().attach({.name = name, .role = role, .params = params});
    return noted(context) ? *context : dead;
  });
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
  if (!guarded(false, [&] { return noted(check_memory(memory, params)); })) return dead_context(role, text, params);
  const ZipcContext context = make_context(role, text, params, memory, id);
  zipc::Ring ring = ring_of(context);
  role == Role::sender ? ring.catch_up() : ring.forget_cached_tail();  // existing peers, who keep no copies, may have been there
  ring.announce(role);
  return context;
}

bool is_waiting(zipc_waiting waiting) { return static_cast<unsigned>(waiting) <= ZIPC_WAITING_POLL; }

std::chrono::milliseconds to_timeout(std::uint16_t millis) { return std::chrono::milliseconds(millis); }

/// Notes a failure of the message path. Returns whether there was none.
bool succeeded(Error error, const ZipcContext& context, std::size_t size = 0) {
  if (error != Error::ok) set_last_error(error, context, size);
  return error == Error::ok;
}

bool require_message(const std::uint8_t* message, std::size_t size) { return size == 0 || require(message, "message"); }

/// `what` is a null pointer; null: the batch is of no messages.
std::uint32_t refuse_batch(const char* what) {
  set_last_error(what != nullptr ? null_pointer(what) : Failure{Error::invalid_argument, "a batch of 0 messages"});
  return 0;
}

/// A C program indexes a batch itself, so no message can be asked for with each one, as Batch does. So the first ones are asked for at once,
/// if they are no longer than a cache line: batches of 64-byte messages take 0.7 times as long. Of 256 bytes and 1 KiB that gains nothing.
void fetch_small(const zipc::SlotRun& run, const std::uint32_t* sizes, std::size_t stride) {
  constexpr std::uint32_t kMost = 64;
  for (std::uint32_t i = 0; i < std::min(run.count, kMost); ++i) {
    if (sizes[i] <= zipc::kCacheLine) zipc::fetch_for_reading(reinterpret_cast<std::uintptr_t>(run.data) + i * stride);
  }
}

/// What zipc_receive returns for a slot: a message of length 0 has a non-NULL pointer.
std::uint32_t deliver(const Slot& slot, const ZipcContext& context, std::uint8_t** message) {
  if (!succeeded(slot.error, context)) return 0;
  *message = reinterpret_cast<std::uint8_t*>(slot.data);
  return slot.size;
}

/// The common start of the receiving calls.
bool may_receive(const ZipcContext* receiver, std::uint8_t** message) {
  if (!require(message, "message")) return false;
  *message = nullptr;
  return require_role(receiver, Role::receiver);
}

// What the calls of the message path do when it is not all done at once. Out of their way, and called last: they would
// have to save registers for it.

[[gnu::cold, gnu::noinline]] bool send_otherwise(ZipcContext* sender, const std::uint8_t* message, std::size_t size,
                                                 Timeout timeout, Error met) {
  if (!require_role(sender, Role::sender) || !require_message(message, size)) return false;
  return succeeded(otherwise::send(*sender, message, size, timeout, met), *sender, size);
}
[[gnu::cold, gnu::noinline]] std::uint8_t* loan_otherwise(ZipcContext* sender, Timeout timeout) {
  if (!require_role(sender, Role::sender)) return nullptr;
  const Slot slot = otherwise::loan(*sender, timeout);
  return succeeded(slot.error, *sender) ? reinterpret_cast<std::uint8_t*>(slot.data) : nullptr;
}
[[gnu::cold, gnu::noinline]] bool publish_otherwise(ZipcContext* sender, std::size_t size, Error met) {
  if (!require_role(sender, Role::sender)) return false;
  return succeeded(otherwise::publish(*sender, size, met), *sender, size);
}
/// What is told again and again while nothing comes: less than the others ask.
[[gnu::noinline]] std::uint32_t find_nothing(const ZipcContext& receiver, std::uint8_t** message) {
  *message = nullptr;
  set_last_error(Error::empty, receiver);
  return 0;
}
[[gnu::cold, gnu::noinline]] std::uint32_t receive_otherwise(ZipcContext* receiver, std::uint8_t** message,
                                                             Timeout timeout, Error met) {
  if (!may_receive(receiver, message)) return 0;
  return deliver(otherwise::receive(*receiver, timeout, met), *receiver, message);
}
[[gnu::cold, gnu::noinline]] std::uint32_t peek_otherwise(ZipcContext* receiver, std::uint8_t** message,
                                                          Timeout timeout, Error met) {
  if (!may_receive(receiver, message)) return 0;
  return deliver(otherwise::peek(*receiver, timeout, met), *receiver, message);
}
[[gnu::cold, gnu::noinline]] bool pop_otherwise(ZipcContext* receiver, Error met) {
  if (!require_role(receiver, Role::receiver)) return false;
  return succeeded(otherwise::pop(*receiver, met), *receiver);
}

// The calls of a sender that has no copies of the header, or is none. Apart, so that the others save no registers for them.

bool may_go_by_header(const ZipcContext* sender) noexcept { return is(sender, Role::sender, HotContext::hot_by_header); }

[[gnu::noinline]] bool send_by_header(ZipcContext* sender, const std::uint8_t* message, std::size_t size, Timeout timeout) {
  const Error sent = may_go_by_header(sender) ? path_by_header_of(*sender).try_send(message, size) : kUndone;
  return sent == Error::ok || send_otherwise(sender, message, size, timeout, sent);
}
[[gnu::noinline]] std::uint8_t* loan_by_header(ZipcContext* sender, Timeout timeout) {
  const Slot slot = may_go_by_header(sender) ? path_by_header_of(*sender).try_loan() : Slot{.error = kUndone};
  return slot.error == Error::ok ? reinterpret_cast<std::uint8_t*>(slot.data) : loan_otherwise(sender, timeout);
}
[[gnu::noinline]] bool publish_by_header(ZipcContext* sender, std::size_t size) {
  const Error published = may_go_by_header(sender) ? path_by_header_of(*sender).try_publish(size) : kUndone;
  return published == Error::ok || publish_otherwise(sender, size, published);
}

// The calls of the message path. Without a timeout they do not wait. What makes them take the long way is asked one by one: of
// conditions joined by || the compiler makes a value before it branches.

[[gnu::always_inline]] inline bool send(ZipcContext* sender, const std::uint8_t* message, std::size_t size, Timeout timeout) {
  if (message == nullptr) [[unlikely]] return send_otherwise(sender, message, size, timeout, kUndone);
  if (!is(sender, Role::sender, HotContext::hot)) [[unlikely]] return send_by_header(sender, message, size, timeout);
  const Error sent = path_by_copies_of(*sender).try_send(message, size);
  if (sent == Error::ok) [[likely]] return true;
  return send_otherwise(sender, message, size, timeout, sent);
}
[[gnu::always_inline]] inline std::uint8_t* loan(ZipcContext* sender, Timeout timeout) {
  if (!is(sender, Role::sender, HotContext::hot)) [[unlikely]] return loan_by_header(sender, timeout);
  const Slot slot = path_by_copies_of(*sender).try_loan();
  if (slot.error == Error::ok) [[likely]] return reinterpret_cast<std::uint8_t*>(slot.data);
  return loan_otherwise(sender, timeout);
}
/// `attempt`: the hot path's try_receive() or try_peek(), a lambda that is always inlined. `otherwise`: what does it without the hot path.
template <class Attempt>
[[gnu::always_inline]] inline std::uint32_t find(ZipcContext* receiver, std::uint8_t** message, Timeout timeout, Attempt attempt,
                                                 std::uint32_t (*otherwise)(ZipcContext*, std::uint8_t**, Timeout, Error)) {
  if (message == nullptr) [[unlikely]] return otherwise(receiver, message, timeout, kUndone);
  if (!is(receiver, Role::receiver, HotContext::hot)) [[unlikely]] return otherwise(receiver, message, timeout, kUndone);
  Slot slot = attempt(path_by_header_of(*receiver), false);
  if (slot.error != Error::ok) [[unlikely]] {
    if (slot.error == Error::empty && is_all_said(*receiver, timeout)) return find_nothing(*receiver, message);
    slot.error = otherwise::look_again(*receiver, timeout, slot.error);
    if (slot.error == Error::ok) slot = attempt(path_by_header_of(*receiver), true);
    if (slot.error == Error::empty && is_all_said(*receiver, timeout)) return find_nothing(*receiver, message);
    if (slot.error != Error::ok) return otherwise(receiver, message, timeout, slot.error);
  }
  *message = reinterpret_cast<std::uint8_t*>(slot.data);
  return slot.size;
}
[[gnu::always_inline]] inline std::uint32_t receive(ZipcContext* receiver, std::uint8_t** message, Timeout timeout) {
  const auto attempt = [](HotPath path, bool has_spun) __attribute__((always_inline)) { return path.try_receive(has_spun); };
  return find(receiver, message, timeout, attempt, &receive_otherwise);
}
[[gnu::always_inline]] inline std::uint32_t peek(ZipcContext* receiver, std::uint8_t** message, Timeout timeout) {
  const auto attempt = [](HotPath path, bool has_spun) __attribute__((always_inline)) { return path.try_peek(has_spun); };
  return find(receiver, message, timeout, attempt, &peek_otherwise);
}

std::size_t dump(const ZipcContext* context, char* text, std::size_t size, bool header_only) {
  if (!require(context, "context") || (size != 0 && !require(text, "text")) || !require_open(context)) return 0;
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

ZipcContext zipc_init_receiver(const char* name, void* memory, uint32_t queue_size, uint32_t message_size,
                               uint64_t id) {
  return init(name, Role::receiver, memory, {.queue_size = queue_size, .message_size = message_size}, id);
}

void zipc_destroy(ZipcContext* context) {
  if (context == nullptr || context->queue == nullptr) return;
  guarded(false, [&] {
    Attachments::of_process().detach(*context);
    return true;
  });
  context->padding[0] = static_cast<std::uint8_t>(zipc::HotContext::closed);
  context->queue = nullptr;
  context->buffers = nullptr;
  context->init_flag = nullptr;
}

void zipc_unlink(const char* name) {
  guarded(false, [&] { return require(name, "name") && noted(Attachments::of_process().remove(name)); });
}

bool zipc_send(ZipcContext* sender, const uint8_t* message, size_t message_size) {
  return send(sender, message, message_size, kAtOnce);
}

bool zipc_send_blocking(ZipcContext* sender, const uint8_t* message, size_t message_size, uint16_t timeout_millis) {
  return send(sender, message, message_size, to_timeout(timeout_millis));
}

uint8_t* zipc_loan(ZipcContext* sender) { return loan(sender, kAtOnce); }

uint8_t* zipc_loan_blocking(ZipcContext* sender, uint16_t timeout_millis) {
  return loan(sender, to_timeout(timeout_millis));
}

bool zipc_publish(ZipcContext* sender, size_t message_size) {
  if (!is(sender, Role::sender, HotContext::hot)) [[unlikely]] return publish_by_header(sender, message_size);
  const Error published = path_by_copies_of(*sender).try_publish(message_size);
  if (published == Error::ok) [[likely]] return true;
  return publish_otherwise(sender, message_size, published);
}

uint32_t zipc_loan_batch(ZipcContext* sender, uint8_t** slots, uint32_t most) {
  if (slots == nullptr || most == 0) return refuse_batch(slots == nullptr ? "slots" : nullptr);
  *slots = nullptr;
  if (!require_role(sender, Role::sender)) return 0;
  const zipc::SlotRun run = zipc::operations::loan_run(*sender, most);
  if (!succeeded(run.error, *sender)) return 0;
  *slots = reinterpret_cast<uint8_t*>(run.data);
  return run.count;
}

uint32_t zipc_publish_batch(ZipcContext* sender, const uint32_t* sizes, uint32_t count) {
  if (sizes == nullptr || count == 0) return refuse_batch(sizes == nullptr ? "sizes" : nullptr);
  if (!require_role(sender, Role::sender)) return 0;
  uint32_t published = 0;
  const Error done = zipc::operations::publish_run(*sender, sizes, count, published);
  if (done != Error::ok) set_last_error(done, *sender, *std::max_element(sizes, sizes + count));
  return published;
}

uint32_t zipc_peek_batch(ZipcContext* receiver, uint8_t** messages, uint32_t* sizes, uint32_t most) {
  if (sizes == nullptr || most == 0) return refuse_batch(sizes == nullptr ? "sizes" : nullptr);
  if (!may_receive(receiver, messages)) return 0;
  const zipc::SlotRun run = zipc::operations::peek_run(*receiver, sizes, most);
  if (!succeeded(run.error, *receiver)) return 0;
  *messages = reinterpret_cast<uint8_t*>(run.data);
  if (!zipc::has(*receiver, zipc::kContextWritesBack)) fetch_small(run, sizes, receiver->params.message_size);
  return run.count;
}

bool zipc_pop_batch(ZipcContext* receiver, uint32_t count) {
  if (!require_role(receiver, Role::receiver)) return false;
  return succeeded(zipc::operations::pop_run(*receiver, count), *receiver);
}

uint32_t zipc_receive(ZipcContext* receiver, uint8_t** message) { return receive(receiver, message, kAtOnce); }

uint32_t zipc_receive_blocking(ZipcContext* receiver, uint8_t** message, uint16_t timeout_millis) {
  return receive(receiver, message, to_timeout(timeout_millis));
}

uint32_t zipc_peek(ZipcContext* receiver, uint8_t** message) { return peek(receiver, message, kAtOnce); }

uint32_t zipc_peek_blocking(ZipcContext* receiver, uint8_t** message, uint16_t timeout_millis) {
  return peek(receiver, message, to_timeout(timeout_millis));
}

bool zipc_pop(ZipcContext* receiver) {
  if (!is(receiver, Role::receiver, HotContext::hot)) [[unlikely]] return pop_otherwise(receiver, kUndone);
  const Error popped = path_by_header_of(*receiver).try_pop();
  if (popped == Error::ok) [[likely]] return true;
  return pop_otherwise(receiver, popped);
}

bool zipc_set_waiting(ZipcContext* context, zipc_waiting waiting) {
  if (!require_open(context)) return false;
  if (!is_waiting(waiting)) {
    const auto number = static_cast<unsigned>(waiting);  // not captured: it is none of its enumerators
    return guarded(false, [number] {
      set_last_error(Failure{Error::invalid_argument, "there is no way to wait of number " + std::to_string(number)});
      return false;
    });
  }
  zipc::set_waiting(*context, static_cast<zipc::Waiting>(waiting));
  return true;
}

zipc_waiting zipc_get_waiting(const ZipcContext* context) {
  return context != nullptr ? static_cast<zipc_waiting>(zipc::waiting_of(*context)) : ZIPC_WAITING_ADAPTIVE;
}

const char* zipc_waiting_name(zipc_waiting waiting) {
  return is_waiting(waiting) ? zipc::to_string(static_cast<zipc::Waiting>(waiting)) : "unknown";
}

bool zipc_stats(const ZipcContext* context, ZipcStats* stats) {
  if (!require(stats, "stats") || !require_open(context)) return false;
  const zipc::Stats s = ring_of(*context).stats();
  *stats = {s.sent, s.bytes_sent, s.received, s.full, s.depth, s.deepest, s.largest, 0};
  return true;
}

bool zipc_peer(const ZipcContext* context, ZipcPeer* peer) {
  if (!require(peer, "peer") || !require_open(context)) return false;
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
  return require_open(context) && guarded(false, [&] { return noted(Attachments::of_process().renew(*context)); });
}

int zipc_fd(ZipcContext* context) {
  if (!require_open(context)) return -1;
  return guarded(-1, [&] {
    const auto descriptor = Attachments::of_process().descriptor(*context);
    return noted(descriptor) ? *descriptor : -1;
  });
}

size_t zipc_shared_memory_size(uint32_t queue_size, uint32_t message_size) {
  const Params params{.queue_size = queue_size, .message_size = message_size};
  return guarded(size_t{0}, [&] { return check_params(params) ? static_cast<size_t>(zipc::older_peer_size(params)) : 0; });
}

char* zipc_shm_path(const char* name) {
  if (!guarded(false, [&] { return require(name, "name") && noted(zipc::check_name(name)); })) return nullptr;
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
