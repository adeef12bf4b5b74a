/// The C++ API of zipc: one sender and one receiver of a channel, and the connection to the broker. This header is its manual;
/// names, sizes, roles, threads and the environment are explained in zipc.h.
///
///     auto sender = zipc::Sender::create("/camera", {.queue_size = 64, .message_size = 1024});
///     if (!sender) return complain(sender.failure().message);
///     if (auto error = sender->send(bytes); error != zipc::Error::ok) return complain(zipc::error_info(error).summary);
///
///     auto receiver = zipc::Receiver::open("/camera");
///     if (!receiver) return complain(receiver.failure().message);
///     while (auto message = receiver->receive_blocking()) use(message->data);
///
/// *Errors are values.* (While a call follows a channel to other memory, no_broker, busy and out_of_memory are possible, too: MOVING in
/// zipc.h.) What happens once (creating, asking the broker) returns Result, with a sentence. What happens for every
/// message returns Error, a number; error_info() puts it into words. Nothing throws, except std::bad_alloc.
///
/// *Ownership.* Sender and Receiver own their role: destroying the last one of a process gives it back. They are move-only;
/// a moved-from one answers Error::closed.
///
/// *Inlining.* The calls of the message path are always inlined: what they return would else go through memory, which costs
/// small messages over a quarter of their rate. They do what nearly every message takes, and call the library for the rest.
///
/// *ABI.* A Sender or Receiver holds the C API's ZipcContext and nothing else, so both APIs may be mixed: see context().
#pragma once

#include <zipc.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <zipc/channel.hpp>
#include <zipc/error.hpp>
#include <zipc/operations.hpp>
#include <zipc/params.hpp>

namespace zipc {

struct Access;  // the library's own

/// Wait without limit.
inline constexpr std::chrono::nanoseconds kForEver = std::chrono::nanoseconds::max();

/// Bytes that the memory for Sender::over must have for these sizes; a channel's file takes four more. 0: out of range.
[[nodiscard]] inline std::size_t shared_memory_size(const Params& params) noexcept {
  return zipc_shared_memory_size(params.queue_size, params.message_size);
}

/// The version of the library that runs, e.g. "1.0.0".
[[nodiscard]] inline std::string_view version() noexcept { return zipc_version(); }

/// A slot of the channel: a received message, or room for one. `data` points into shared memory.
struct Message {
  std::uint32_t index = 0;  ///< which slot, 0 .. queue_size-1
  std::span<std::byte> data;
};

/// A slot, or why there is none. Like std::optional, with a reason.
class [[nodiscard]] MessageOrError {
 public:
  MessageOrError(const Message& message) noexcept : message_(message) {}  // NOLINT: implicit on purpose
  MessageOrError(Error error) noexcept : error_(error) {}                 // NOLINT: implicit on purpose
  explicit MessageOrError(const Slot& slot) noexcept : message_{slot.index, {slot.data, slot.size}}, error_(slot.error) {}
  MessageOrError(std::uint32_t index, std::byte* data, std::size_t size) noexcept : message_{index, {data, size}} {}

  explicit operator bool() const noexcept { return error_ == Error::ok; }
  [[nodiscard]] bool has_value() const noexcept { return error_ == Error::ok; }
  const Message& operator*() const noexcept { return message_; }
  const Message* operator->() const noexcept { return &message_; }
  [[nodiscard]] Error error() const noexcept { return error_; }

 private:
  Message message_;
  Error error_ = Error::ok;
};
using Received = MessageOrError;
using Loaned = MessageOrError;

/// Slots of a channel in a row, or why there are none: see zipc_loan_batch and zipc_peek_batch. Good until publish_batch() or pop_batch(), or
/// the end of the Sender or Receiver.
class Batch {
 public:
  Batch(const SlotRun& run, std::size_t stride) noexcept : data_(run.data), stride_(stride), count_(run.count), error_(run.error) {}

  explicit operator bool() const noexcept { return error_ == Error::ok; }
  [[nodiscard]] Error error() const noexcept { return error_; }
  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  /// All of slot `i`, message_size bytes. It also has the cache fetch a later one: ask for each once, in order.
  [[nodiscard]] std::span<std::byte> operator[](std::size_t i) const noexcept {
    std::byte* slot = data_ + i * stride_;
    // As HotPath does with slots; kSlotsAheadInBatch (hot_path.hpp) says what it gains.
    if (i + kSlotsAheadInBatch < fetchable_) {
      const std::uintptr_t later = reinterpret_cast<std::uintptr_t>(slot) + kSlotsAheadInBatch * stride_;
      is_loaned_ ? fetch_all_for_writing(later, fetched_) : fetch_all_for_reading(later, fetched_);
    }
    return {slot, stride_};
  }

 private:
  friend class Sender;
  friend class Receiver;

  std::byte* data_ = nullptr;
  std::size_t stride_ = 0;
  std::uint32_t count_ = 0;
  std::uint32_t fetchable_ = 0;  // slots from the first, which may be more than there are in the batch
  Error error_ = Error::ok;
  std::uint16_t fetched_ = 0;  // bytes of each later slot
  bool is_loaned_ = false;     // and so to be written
};
static_assert(sizeof(Batch) == 3 * sizeof(std::size_t) + 8);

/// What both ends of a channel have. Not used by itself.
class Endpoint {
 public:
  Endpoint(Endpoint&& other) noexcept : context_(std::exchange(other.context_, ZipcContext{})) {}
  Endpoint& operator=(Endpoint&& other) noexcept {
    if (this != &other) {
      zipc_destroy(&context_);
      context_ = std::exchange(other.context_, ZipcContext{});
    }
    return *this;
  }

  [[nodiscard]] std::string_view name() const noexcept { return context_.name; }
  [[nodiscard]] std::uint64_t id() const noexcept { return context_.id; }
  [[nodiscard]] Params params() const noexcept { return {context_.params.queue_size, context_.params.message_size}; }

  [[nodiscard]] Stats stats() const noexcept {
    ZipcStats s{};
    zipc_stats(&context_, &s);
    return {s.sent, s.bytes_sent, s.received, s.full, s.depth, s.deepest, s.largest};
  }

  /// Who is at the other end, or was last, and how it ended: see zipc_peer. Not known after a move.
  [[nodiscard]] ZipcPeer peer() const noexcept {
    ZipcPeer p{.state = ZIPC_PEER_NONE, .pid = 0, .signal = 0, .exit_code = -1};
    zipc_peer(&context_, &p);
    return p;
  }

  /// Extends the lease: see zipc_renew. Error::ok, fenced, closed, no_broker and what the broker may refuse with.
  [[nodiscard]] Error renew() noexcept {
    return zipc_renew(&context_) ? Error::ok : static_cast<Error>(zipc_last_error()->code);
  }

  /// How this end's blocking calls wait, from now on; at first as the broker's configuration says, else adaptive:
  ///   Waiting::adaptive  spins for up to 25 us, then sleeps until it is woken
  ///   Waiting::spin      looks without end: reacts fastest, costs a processor, and the peer no system call
  ///   Waiting::sleep     sleeps at once: the least processor time, a wake-up for each wait
  ///   Waiting::poll      looks every 50 us, then ever less often, up to 1 ms: reacts that late, and costs the peer no system call
  /// WAITING in zipc.h says more. Error::ok, closed.
  [[nodiscard]] Error set_waiting(Waiting waiting) noexcept {
    const bool is_set = zipc_set_waiting(&context_, static_cast<zipc_waiting>(waiting));
    return is_set ? Error::ok : static_cast<Error>(zipc_last_error()->code);
  }
  [[nodiscard]] Waiting waiting() const noexcept { return static_cast<Waiting>(zipc_get_waiting(&context_)); }

  /// A descriptor that polls readable while there may be something to do, for event loops: see zipc_fd. It stays the library's.
  [[nodiscard]] Result<int> native_handle() {
    const int descriptor = zipc_fd(&context_);
    if (descriptor >= 0) return descriptor;
    return Failure{static_cast<Error>(zipc_last_error()->code), zipc_last_error()->message};
  }

  /// The channel's memory, `shared_memory_size()` bytes; null after a move. Writing to it breaks the channel.
  [[nodiscard]] std::byte* shared_memory_pointer() const noexcept { return reinterpret_cast<std::byte*>(context_.queue); }
  [[nodiscard]] std::size_t shared_memory_size() const noexcept { return zipc::shared_memory_size(params()); }

  /// Hexadecimal text of all of the memory, and of the queue's header: for looking at, not for parsing.
  [[nodiscard]] std::string dump_hex() const { return dump(&zipc_dump_hex); }
  [[nodiscard]] std::string dump_queue_hex() const { return dump(&zipc_dump_queue_hex); }

  /// The C context, for calls of the C API. It stays owned by this object.
  [[nodiscard]] ZipcContext* context() noexcept { return &context_; }

 protected:
  explicit Endpoint(const ZipcContext& context) noexcept : context_(context) {}
  ~Endpoint() { zipc_destroy(&context_); }

  ZipcContext context_;

 private:
  [[nodiscard]] std::string dump(std::size_t (*into)(const ZipcContext*, char*, std::size_t)) const {
    std::string text(into(&context_, nullptr, 0), '\0');
    into(&context_, text.data(), text.size() + 1);
    return text;
  }
};

/// The sending end.
class Sender : public Endpoint {
 public:
  /// As zipc_create_sender: creates the channel if it does not exist.
  [[nodiscard]] ZIPC_API static Result<Sender> create(std::string_view name, const Params& params);
  /// As zipc_open_sender: the channel exists and has its sizes.
  [[nodiscard]] ZIPC_API static Result<Sender> open(std::string_view name);
  /// Over a caller's buffer of shared_memory_size(params) bytes, aligned to 8. See zipc_init_sender.
  [[nodiscard]] ZIPC_API static Result<Sender> over(std::span<std::byte> memory, const Params& params,
                                                    std::string_view name = {}, std::uint64_t id = 0);

  /// Sends a copy. Error::ok, full, peer_gone, fenced, message_too_large, closed, corrupt. Wait-free; a system call only if the
  /// receiver sleeps.
  [[nodiscard, gnu::always_inline]] Error send(std::span<const std::byte> message) noexcept {
    return operations::send(context_, message.data(), message.size());
  }
  [[nodiscard]] Error send(std::string_view message) noexcept { return send(std::as_bytes(std::span(message))); }

  /// Sends a copy, waiting for space if the queue is full: then Error::timeout instead of full.
  [[nodiscard, gnu::always_inline]] Error send_blocking(std::span<const std::byte> message,
                                                        std::chrono::nanoseconds timeout = kForEver) noexcept {
    return operations::send(context_, message.data(), message.size(), operations::duration(timeout));
  }

  /// The next free slot, message_size bytes, to write in place. Error::full, peer_gone, fenced, closed, corrupt. publish() sends it; until
  /// then loaning again, or sending, uses the same slot.
  [[nodiscard, gnu::always_inline]] Loaned loan() noexcept { return loan_within(operations::kAtOnce); }
  /// The same, but waits for a free slot: then Error::timeout instead of full.
  [[nodiscard, gnu::always_inline]] Loaned loan_blocking(std::chrono::nanoseconds timeout = kForEver) noexcept {
    return loan_within(operations::duration(timeout));
  }
  /// Sends the first `size` bytes of the loaned slot. Errors as for send().
  [[nodiscard, gnu::always_inline]] Error publish(std::size_t size) noexcept {
    return operations::publish(context_, size);
  }

  /// Up to `most` free slots in a row. Errors as for loan().
  [[nodiscard, gnu::always_inline]] Batch loan_batch(std::size_t most) noexcept {
    const SlotRun run = operations::loan_run(context_, operations::to_count(most));
    Batch batch(run, context_.params.message_size);  // which may be others than before
    if (batch.size() == 0) return batch;
    const auto fetched_ahead = [](HotPath path) __attribute__((always_inline)) { return path.fetched_ahead(); };
    batch.fetched_ = attempt_or(std::uint16_t{0}, context_, fetched_ahead);
    batch.is_loaned_ = true;
    if (batch.fetched_ != 0) batch.fetchable_ = std::numeric_limits<std::uint32_t>::max();
    return batch;
  }
  /// Sends the first sizes[i] bytes of loaned slot i, for all i, at once. Errors as for send(); then none was sent, or, if the
  /// channel moves just now, maybe some: stats() tells.
  [[nodiscard, gnu::always_inline]] Error publish_batch(std::span<const std::uint32_t> sizes) noexcept {
    std::uint32_t published = 0;
    return operations::publish_run(context_, sizes.data(), operations::to_count(sizes.size()), published);
  }

 private:
  friend struct Access;

  [[nodiscard, gnu::always_inline]] Loaned loan_within(operations::Timeout timeout) noexcept {
    const auto try_loan = [](HotPath path) __attribute__((always_inline)) { return path.try_loan(); };
    const Slot slot = attempt_or(Slot{.error = kUndone}, context_, try_loan);
    if (slot.error == Error::ok) [[likely]] return {slot.index, slot.data, slot.size};
    return Loaned(operations::otherwise::loan(context_, timeout));
  }

  explicit Sender(const ZipcContext& context) noexcept : Endpoint(context) {}
};

/// The receiving end.
class Receiver : public Endpoint {
 public:
  /// As zipc_create_receiver: creates the channel if it does not exist.
  [[nodiscard]] ZIPC_API static Result<Receiver> create(std::string_view name, const Params& params);
  /// As zipc_open_receiver: the channel exists and has its sizes.
  [[nodiscard]] ZIPC_API static Result<Receiver> open(std::string_view name);
  /// Over a caller's buffer of shared_memory_size(params) bytes, aligned to 8. See zipc_init_receiver.
  [[nodiscard]] ZIPC_API static Result<Receiver> over(std::span<std::byte> memory, const Params& params,
                                                      std::string_view name = {}, std::uint64_t id = 0);

  /// Takes the oldest message out; it stays good until the next receive or pop. Error::empty, peer_gone, fenced, closed,
  /// corrupt. Wait-free.
  [[nodiscard, gnu::always_inline]] Received receive() noexcept { return receive_within(operations::kAtOnce); }

  /// The same, but waits for a message: then Error::timeout instead of empty. set_waiting() says how.
  [[nodiscard, gnu::always_inline]] Received receive_blocking(std::chrono::nanoseconds timeout = kForEver) noexcept {
    return receive_within(operations::duration(timeout));
  }

  /// The oldest message, which stays in the queue until pop(), also if this process dies. Error::empty, peer_gone, fenced,
  /// closed, corrupt.
  [[nodiscard, gnu::always_inline]] Received peek() noexcept { return peek_within(operations::kAtOnce); }
  /// The same, but waits for a message: then Error::timeout instead of empty.
  [[nodiscard, gnu::always_inline]] Received peek_blocking(std::chrono::nanoseconds timeout = kForEver) noexcept {
    return peek_within(operations::duration(timeout));
  }

  /// Takes the oldest message out. Error::ok, empty, peer_gone, fenced, closed, corrupt.
  [[nodiscard, gnu::always_inline]] Error pop() noexcept { return operations::pop(context_); }

  /// Up to sizes.size() of the oldest messages; sizes[i] becomes the length of message i. They stay in the queue until
  /// pop_batch(). Errors as for peek().
  [[nodiscard, gnu::always_inline]] Batch peek_batch(std::span<std::uint32_t> sizes) noexcept {
    const SlotRun run = operations::peek_run(context_, sizes.data(), operations::to_count(sizes.size()));
    Batch batch(run, context_.params.message_size);  // as above
    if (batch.size() == 0 || !is(context_, HotContext::hot)) return batch;
    batch.fetched_ = fetched_of(sizes[0]);
    batch.fetchable_ = path_by_header_of(context_).fetchable();
    return batch;
  }
  /// Takes the `count` oldest messages out, all at once. Errors as for pop(); empty: fewer wait.
  [[nodiscard, gnu::always_inline]] Error pop_batch(std::size_t count) noexcept {
    return operations::pop_run(context_, operations::to_count(count));
  }

 private:
  friend struct Access;

  // The same twice: as one template, which takes the attempt as a lambda, the message's address went through memory.
  [[nodiscard, gnu::always_inline]] Received receive_within(operations::Timeout timeout) noexcept {
    Slot slot = is(context_, HotContext::hot) ? path_by_header_of(context_).try_receive() : Slot{.error = kUndone};
    if (slot.error == Error::ok) [[likely]] return {slot.index, slot.data, slot.size};
    if (slot.error == Error::empty && operations::is_all_said(context_, timeout)) return Error::empty;
    slot.error = operations::otherwise::look_again(context_, timeout, slot.error);
    if (slot.error == Error::ok) {
      slot = path_by_header_of(context_).try_receive(true);
      if (slot.error == Error::ok) [[likely]] return {slot.index, slot.data, slot.size};
    } else if (slot.error == Error::empty && operations::is_all_said(context_, timeout)) {
      return Error::empty;
    }
    return Received(operations::otherwise::receive(context_, timeout, slot.error));
  }
  [[nodiscard, gnu::always_inline]] Received peek_within(operations::Timeout timeout) noexcept {
    Slot slot = is(context_, HotContext::hot) ? path_by_header_of(context_).try_peek() : Slot{.error = kUndone};
    if (slot.error == Error::ok) [[likely]] return {slot.index, slot.data, slot.size};
    if (slot.error == Error::empty && operations::is_all_said(context_, timeout)) return Error::empty;
    slot.error = operations::otherwise::look_again(context_, timeout, slot.error);
    if (slot.error == Error::ok) {
      slot = path_by_header_of(context_).try_peek(true);
      if (slot.error == Error::ok) [[likely]] return {slot.index, slot.data, slot.size};
    } else if (slot.error == Error::empty && operations::is_all_said(context_, timeout)) {
      return Error::empty;
    }
    return Received(operations::otherwise::peek(context_, timeout, slot.error));
  }

  explicit Receiver(const ZipcContext& context) noexcept : Endpoint(context) {}
};

/// What the broker says about itself.
struct BrokerInfo {
  std::string version;
  int pid = 0;
  std::uint32_t uid = 0;
  std::int64_t channels = 0;
  std::int64_t leases = 0;
  std::int64_t connections = 0;
  std::int64_t uptime_ms = 0;
};

/// What happens at the broker, as it happens: see Client::watch. Move-only.
class ZIPC_API Watch {
 public:
  Watch(Watch&&) noexcept;
  Watch& operator=(Watch&&) noexcept;
  ~Watch();

  /// Waits for the next event, at most for `timeout`: then nothing. Error::no_broker when the broker has gone; protocol.
  [[nodiscard]] Result<std::optional<Event>> next(std::chrono::milliseconds timeout);

 private:
  friend class Client;
  class ZIPC_HIDDEN Stream;
  explicit Watch(std::unique_ptr<Stream> stream) noexcept;
  std::unique_ptr<Stream> stream_;
};

/// A connection to the broker. Reconnects by itself when the broker was restarted. Safe to use from several threads; calls
/// wait for each other. Every call blocks until the broker answers, and fails with Error::no_broker when nobody listens,
/// protocol when the answer makes no sense, or with the broker's own refusal.
class ZIPC_API Client {
 public:
  /// Connects to `socket_path`, or, if that is empty, to the first of $ZIPC_SOCKET, $XDG_RUNTIME_DIR/zipcd.sock and
  /// /run/zipcd.sock where somebody listens; looks again for `patience` while nobody does.
  [[nodiscard]] static Result<Client> connect(std::string_view socket_path = {},
                                              std::chrono::milliseconds patience = std::chrono::milliseconds(0));

  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  /// Where it is connected to.
  [[nodiscard]] std::string socket_path() const;

  /// Take a role through this broker. As Sender::create and so on, but never without it.
  [[nodiscard]] Result<Sender> create_sender(std::string_view name, const Params& params);
  [[nodiscard]] Result<Receiver> create_receiver(std::string_view name, const Params& params);
  [[nodiscard]] Result<Sender> open_sender(std::string_view name);
  [[nodiscard]] Result<Receiver> open_receiver(std::string_view name);

  /// Creates a channel and takes no role. Without params it gets the default sizes of the configuration.
  [[nodiscard]] Result<ChannelInfo> create(std::string_view name, const std::optional<Params>& params = {},
                                           std::optional<std::chrono::milliseconds> linger = {});
  /// Removes a dynamic channel; `force`: even if roles of it are held.
  [[nodiscard]] Result<void> remove(std::string_view name, bool force = false);
  /// Every channel that this user may use, by name.
  [[nodiscard]] Result<std::vector<ChannelInfo>> list();
  [[nodiscard]] Result<ChannelInfo> get(std::string_view name);
  [[nodiscard]] Result<BrokerInfo> ping();

  /// Takes a role away from its holder, and moves the channel to other memory: the other side and the messages that wait
  /// follow. Error::lease_not_found: nobody holds it. channel_in_use: a program that takes no lease has the channel open.
  [[nodiscard]] Result<ChannelInfo> revoke(std::string_view name, Role role);
  /// Gives a channel other sizes, also while it is in use. Error::invalid_params: messages that wait would not fit.
  [[nodiscard]] Result<ChannelInfo> resize(std::string_view name, const Params& params);
  /// Reports what happens from now on, to this channel or, if `name` is empty, to any that this user may use. It has a
  /// connection of its own.
  [[nodiscard]] Result<Watch> watch(std::string_view name = {});
  /// What the configuration `text` would change, and doing that, or nothing. `file` is its name, for messages.
  /// Error::invalid_config: every mistake is a line of the message.
  [[nodiscard]] Result<std::vector<PlanStep>> plan(std::string_view text, std::string_view file);
  [[nodiscard]] Result<std::vector<PlanStep>> apply(std::string_view text, std::string_view file);
  /// What is not as the broker's registry says; with `repair`, mended as far as it can be.
  [[nodiscard]] Result<std::vector<Finding>> check(bool repair);

 private:
  class ZIPC_HIDDEN Connection;
  explicit Client(std::unique_ptr<Connection> connection) noexcept;
  std::unique_ptr<Connection> connection_;
};

}  // namespace zipc
