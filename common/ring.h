/// The lock-free queue of one sender and one receiver: the whole data path. No system call unless the peer sleeps, or
/// is of a kind that does not say whether it sleeps.
///
/// *Thread safety.* At most one thread at a time calls the sender's functions of a segment and at most one the receiver's;
/// they may be different processes. A Ring holds no state of its own: copies of it, in this process or in a forked child,
/// see and continue the same queue.
///
/// *Synchronises-with pairs*; each name is written at both ends:
///   [message-ready]    tail.store(release) by the sender    -> tail.load(acquire) by the receiver: the slot's bytes are visible
///   [slot-free]        head.store(release) by the receiver  -> head.load(acquire) by the sender: the slot may be overwritten
///   [sleep-announced]  the fences around the waiting words: waiting.h has the proof
///
/// *Invariants.*
///   1. head == tail is empty, head == tail + 1 (modulo queue_size) is full: at most queue_size - 1 messages wait.
///   2. Only the sender writes slot tail, and only while the queue is not full. So the slot that was received last, head - 1,
///      stays intact until the receiver's next receive.
///   3. A cached index is used only while the peer is known to be zipc: an existing peer may reset the queue when it attaches.
///   4. Every index and length read from shared memory is checked before it is used: Error::corrupt.
///
/// The cached copies of the peer's index, which save a cache miss a message, are the idea of Rigtorp's SPSCQueue. They stand
/// in the segment, on their owner's line, because two contexts of one process (or a parent and its forked child) may take
/// turns in one role, and a private copy would be out of date in the other.
#pragma once

#include <algorithm>
#include <cstring>
#include <zipc/channel.hpp>

#include "common/layout.h"
#include "common/waiting.h"

namespace zipc {

/// A slot that the caller may write or read, or why there is none.
struct Slot {
  Error error = Error::ok;
  std::uint32_t index = 0;
  std::byte* data = nullptr;
  std::uint32_t size = 0;  ///< receiver: length of the message; sender: room for it
};

/// Longest sleep before looking again, beside a peer that is zipc and beside one that is not known to be.
struct SleepLimits {
  std::chrono::milliseconds beside_zipc;
  std::chrono::milliseconds beside_others;
};
/// A receiver is woken by every kind of sender; only those that announce nothing may do it by rules that are not ours.
inline constexpr SleepLimits kReceiverSleep{std::chrono::milliseconds::max(), std::chrono::milliseconds(100)};
/// An existing receiver never wakes a sender, and may take the place of a zipc receiver that was killed, unseen.
inline constexpr SleepLimits kSenderSleep{std::chrono::milliseconds(100), std::chrono::milliseconds(1)};

class Ring {
 public:
  /// A view of the segment at `memory`, which must be mapped for as long as the view is used, 8-byte aligned, and
  /// smallest_segment_size(params) long. `tripwire`: layout.h, or null if it cannot be used.
  Ring(void* memory, const Params& params, const std::atomic<std::uint8_t>* tripwire) noexcept
      : Ring(static_cast<SegmentHeader*>(memory), static_cast<std::byte*>(memory) + buffers_offset(params), params,
             tripwire) {}
  Ring(SegmentHeader* header, std::byte* buffers, const Params& params,
       const std::atomic<std::uint8_t>* tripwire) noexcept
      : header_(header), buffers_(buffers), params_(params), tripwire_(tripwire) {}

  /// Copies `size` bytes in and publishes them. Error::ok, full, message_too_large or corrupt; only after ok was anything
  /// written. Wait-free. Cost: the copy; a system call if the receiver sleeps.
  [[nodiscard]] Error send(const void* message, std::size_t size) noexcept {
    if (size > params_.message_size) return Error::message_too_large;
    const Slot slot = loan();
    if (slot.error != Error::ok) return slot.error;
    if (size != 0) std::memcpy(slot.data, message, size);
    publish_slot(slot.index, size);
    return Error::ok;
  }

  /// The next free slot, to be written in place; publish() sends it. Loaning again gives the same slot. Error::full, corrupt.
  [[nodiscard]] Slot loan() noexcept {
    const Slot slot = free_slot();
    if (slot.error == Error::full) bump(header_->full, 1);
    return slot;
  }

  /// Sends the first `size` bytes of the slot that loan() gives. Error::ok, full, message_too_large or corrupt.
  [[nodiscard]] Error publish(std::size_t size) noexcept {
    if (size > params_.message_size) return Error::message_too_large;
    const Slot slot = free_slot();
    if (slot.error == Error::ok) publish_slot(slot.index, size);
    return slot.error;
  }

  /// The oldest message, in place; it stays in the queue until pop(). Error::empty, corrupt.
  [[nodiscard]] Slot peek() noexcept {
    const std::uint32_t head = header_->head.load(std::memory_order_relaxed);  // our own index
    if (head >= params_.queue_size) return {.error = Error::corrupt};
    std::uint32_t tail = header_->cached_tail.load(std::memory_order_relaxed);  // our own copy
    if (tail == head || !is_zipc(header_->sender_features)) {
      tail = header_->tail.load(kOrderObserve);  // [message-ready]
      if (tail != head) refresh_cached_tail(head, tail);
    }
    if (tail == head) return {.error = Error::empty};
    if (tail >= params_.queue_size) return {.error = Error::corrupt};
    const std::uint64_t size = items()[head].load(std::memory_order_relaxed);  // after [message-ready]
    if (size > params_.message_size) return {.error = Error::corrupt};
    return {.index = head, .data = slot_data(head), .size = static_cast<std::uint32_t>(size)};
  }

  /// Gives the slot of the oldest message back. Error::ok, empty or corrupt. Cost: a system call if the sender sleeps.
  [[nodiscard]] Error pop() noexcept {
    const Slot slot = peek();
    if (slot.error == Error::ok) free_slot_of(slot.index);
    return slot.error;
  }

  /// peek() and pop() in one; the message stays intact until the next receive(). Error::empty, corrupt.
  [[nodiscard]] Slot receive() noexcept {
    const Slot slot = peek();
    if (slot.error == Error::ok) free_slot_of(slot.index);
    return slot;
  }

  /// As send(), waiting for space: Error::timeout instead of full. Spins briefly, then sleeps.
  [[nodiscard]] Error send_blocking(const void* message, std::size_t size, Deadline deadline) noexcept {
    if (size > params_.message_size) return Error::message_too_large;
    const Slot slot = loan_blocking(deadline);
    if (slot.error != Error::ok) return slot.error;
    if (size != 0) std::memcpy(slot.data, message, size);
    publish_slot(slot.index, size);
    return Error::ok;
  }

  /// As loan(), waiting for space: Error::timeout instead of full.
  [[nodiscard]] Slot loan_blocking(Deadline deadline) noexcept {
    const Slot slot = loan();  // counts the full queue once
    if (slot.error != Error::full) return slot;
    const Error waited = wait_for_space(deadline);
    return waited == Error::ok ? free_slot() : Slot{.error = waited};
  }

  /// As receive(), waiting for a message: Error::timeout instead of empty.
  [[nodiscard]] Slot receive_blocking(Deadline deadline) noexcept {
    const Slot slot = receive();
    if (slot.error != Error::empty) return slot;
    const Error waited = wait_for_message(deadline);
    return waited == Error::ok ? receive() : Slot{.error = waited};
  }

  /// Waits until a message is there: Error::ok, timeout or corrupt. Spins briefly, then sleeps.
  [[nodiscard]] Error wait_for_message(Deadline deadline) noexcept {
    return wait_until([this] { return peek().error; }, Error::empty, receiver_sleeps(), header_->sender_features, deadline,
                      kReceiverSleep);
  }

  /// Waits until the queue is not full: Error::ok, timeout or corrupt. Spins briefly, then sleeps.
  [[nodiscard]] Error wait_for_space(Deadline deadline) noexcept {
    return wait_until([this] { return free_slot().error; }, Error::full, sender_sleeps(), header_->receiver_features,
                      deadline, kSenderSleep);
  }

  /// Tells the peer who we are and how we sleep. The caller holds the role. Forgets what a predecessor that was killed left.
  void announce(Role role) noexcept {
    waiting_word(role).store(0, std::memory_order_relaxed);  // the fence below: [sleep-announced]
    features(role).store(kFeatureAnnouncesSleep, std::memory_order_relaxed);  // the same
    full_fence();
  }

  /// Takes announce() back, so that the peer assumes nothing about who comes next; if it sleeps, it thinks again.
  void retract(Role role) noexcept {
    features(role).store(0, std::memory_order_relaxed);      // late is harmless: the peer's sleep is limited
    waiting_word(role).store(0, std::memory_order_relaxed);  // late is harmless: a wake too many
    wake_one(role == Role::sender ? header_->tail : header_->head);
  }

  /// Makes the queue empty, with nothing cached and nothing counted. Only while no zipc peer is attached.
  void reset() noexcept {
    for (auto* word : {&header_->head, &header_->tail, &header_->cached_head, &header_->cached_tail,
                       &header_->sender_waiting, &header_->waiters}) {
      word->store(0, std::memory_order_relaxed);  // published by the init flag or the mark
    }
  }

  [[nodiscard]] Stats stats() const noexcept {
    Stats s;
    s.sent = header_->sent.load(std::memory_order_relaxed);  // counters: each is exact, together they are a snapshot
    s.bytes_sent = header_->bytes_sent.load(std::memory_order_relaxed);  // of no single moment
    s.received = header_->received.load(std::memory_order_relaxed);
    s.full = header_->full.load(std::memory_order_relaxed);
    s.deepest = header_->deepest.load(std::memory_order_relaxed);
    s.largest = header_->largest.load(std::memory_order_relaxed);
    const std::uint32_t head = header_->head.load(std::memory_order_relaxed);
    const std::uint32_t tail = header_->tail.load(std::memory_order_relaxed);
    if (head < params_.queue_size && tail < params_.queue_size) s.depth = distance(head, tail);
    return s;
  }

  [[nodiscard]] SegmentHeader& header() const noexcept { return *header_; }
  [[nodiscard]] const Params& params() const noexcept { return params_; }

 private:
  [[nodiscard]] Slot free_slot() noexcept {
    const std::uint32_t tail = header_->tail.load(std::memory_order_relaxed);  // our own index
    if (tail >= params_.queue_size) return {.error = Error::corrupt};
    const std::uint32_t next = after(tail);
    if (header_->cached_head.load(std::memory_order_relaxed) == next || !is_zipc(header_->receiver_features)) {
      const std::uint32_t head = header_->head.load(kOrderObserve);  // [slot-free]
      if (head >= params_.queue_size) return {.error = Error::corrupt};
      header_->cached_head.store(head, std::memory_order_relaxed);  // our own copy
      if (head == next) return {.error = Error::full};
    }
    return {.index = tail, .data = slot_data(tail), .size = params_.message_size};
  }

  void publish_slot(std::uint32_t index, std::size_t size) noexcept {
    items()[index].store(size, std::memory_order_relaxed);  // before [message-ready]
    bump(header_->sent, 1);
    bump(header_->bytes_sent, size);
    const auto bytes = static_cast<std::uint32_t>(size);
    if (bytes > header_->largest.load(std::memory_order_relaxed)) {  // our own counter
      header_->largest.store(bytes, std::memory_order_relaxed);
    }
    header_->tail.store(after(index), kOrderPublish);  // [message-ready]
    wake_if_asleep(receiver_sleeps());
  }

  void free_slot_of(std::uint32_t index) noexcept {
    bump(header_->received, 1);
    header_->head.store(after(index), kOrderPublish);  // [slot-free]
    wake_if_asleep(sender_sleeps());
  }

  void refresh_cached_tail(std::uint32_t head, std::uint32_t tail) noexcept {
    if (tail >= params_.queue_size) return;  // peek() reports it
    header_->cached_tail.store(tail, std::memory_order_relaxed);  // our own copy
    const std::uint32_t depth = distance(head, tail);
    if (depth > header_->deepest.load(std::memory_order_relaxed)) {  // our own counter
      header_->deepest.store(depth, std::memory_order_relaxed);
    }
  }

  /// Where one side publishes and the other sleeps.
  struct Handshake {
    std::atomic<std::uint32_t>& index;             ///< of the publisher; the sleeper's futex word
    std::atomic<std::uint32_t>& waiting;           ///< of the sleeper
    const std::atomic<std::uint32_t>& features;    ///< of the sleeper
    bool may_sleep_unannounced;                    ///< an existing receiver does; an existing sender never sleeps
  };

  [[nodiscard]] Handshake receiver_sleeps() const noexcept {
    return {header_->tail, header_->waiters, header_->receiver_features, true};
  }
  [[nodiscard]] Handshake sender_sleeps() const noexcept {
    return {header_->head, header_->sender_waiting, header_->sender_features, false};
  }

  /// P2 and P3 of waiting.h.
  void wake_if_asleep(const Handshake& side) noexcept {
    full_fence();  // [sleep-announced]
    if (!is_zipc(side.features)) {
      if (side.may_sleep_unannounced) wake_one(side.index);
      return;
    }
    if (side.waiting.load(kOrderObserve) != 0) wake_one(side.index);  // [sleep-announced]
  }

  /// Calls `look` until it stops returning `nothing`, spinning first, then asleep on the peer's index: S1 to S4 of
  /// waiting.h.
  template <class Look>
  [[nodiscard]] Error wait_until(Look look, Error nothing, const Handshake& side,
                                 const std::atomic<std::uint32_t>& publisher_features, Deadline deadline,
                                 const SleepLimits& limits) noexcept {
    Error found = look();
    if (found != nothing) return found;
    if (deadline == kNoWait) return Error::timeout;
    for (int i = spin_limit(); found == nothing && i > 0; --i) {
      spin_pause();
      found = look();
    }
    bool announced = false;
    while (found == nothing) {
      const auto now = Clock::now();
      if (now >= deadline) {
        found = Error::timeout;
        break;
      }
      // What S4 compares the index with must be read before S3: an index that changes later ends the sleep.
      const std::uint32_t seen = side.index.load(std::memory_order_relaxed);  // look() synchronises
      side.waiting.store(1, kOrderAnnounce);  // [sleep-announced]
      announced = true;
      full_fence();
      found = look();
      if (found != nothing) break;
      const auto limit = is_zipc(publisher_features) ? limits.beside_zipc : limits.beside_others;
      wait_while_equal(side.index, seen, std::min(deadline, deadline_after(limit)));
      found = look();
    }
    if (announced) side.waiting.store(0, std::memory_order_relaxed);  // late is harmless: a wake too many
    return found;
  }

  /// Whether the peer that announced `peer_features` is still the one we share the segment with.
  [[nodiscard]] bool is_zipc(const std::atomic<std::uint32_t>& peer_features) const noexcept {
    return (peer_features.load(std::memory_order_relaxed) & kFeatureAnnouncesSleep) != 0 &&  // on our own line
           (tripwire_ == nullptr || tripwire_->load(std::memory_order_relaxed) != 0);  // zeroed by the kernel; set again at attach
  }

  static void bump(std::atomic<std::uint64_t>& counter, std::uint64_t by) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);  // one writer: no exchange
  }

  [[nodiscard]] std::uint32_t after(std::uint32_t index) const noexcept {
    return index + 1 == params_.queue_size ? 0 : index + 1;
  }
  [[nodiscard]] std::uint32_t distance(std::uint32_t from, std::uint32_t to) const noexcept {
    return to >= from ? to - from : to + params_.queue_size - from;
  }
  [[nodiscard]] std::byte* slot_data(std::uint32_t index) const noexcept {
    return buffers_ + std::size_t{index} * params_.message_size;
  }
  [[nodiscard]] ItemLength* items() const noexcept { return reinterpret_cast<ItemLength*>(header_ + 1); }
  [[nodiscard]] std::atomic<std::uint32_t>& features(Role role) const noexcept {
    return role == Role::sender ? header_->sender_features : header_->receiver_features;
  }
  [[nodiscard]] std::atomic<std::uint32_t>& waiting_word(Role role) const noexcept {
    return role == Role::sender ? header_->sender_waiting : header_->waiters;
  }

  SegmentHeader* header_;
  std::byte* buffers_;
  Params params_;
  const std::atomic<std::uint8_t>* tripwire_;
};

}  // namespace zipc
