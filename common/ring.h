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
///   [noticed]          a notice word, written after what it tells of -> read by the side that it stands for
///   [moving]           the fence after an index is published -> the broker's fence between kNoticeMoving and its look at the
///                      indices (move.cpp): either the index was seen there, or the notice is seen here
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
#include "common/test_point.h"
#include "common/waiting.h"

namespace zipc {

/// A slot that the caller may write or read, or why there is none.
struct Slot {
  Error error = Error::ok;
  std::uint32_t index = 0;
  std::byte* data = nullptr;
  std::uint32_t size = 0;  ///< receiver: length of the message; sender: room for it
};

/// What the ring answers when the channel has, or may soon have, other memory. The client follows it there and tries again;
/// these two are no part of the numbering, and never leave the library.
inline constexpr Error kMoved{-1};            ///< nothing was done
inline constexpr Error kMovedMeanwhile{-2};   ///< it was done here; final_head and final_tail tell whether it counts there

/// What a side can see of the other.
struct PeerSeen {
  bool is_present = false;
  int pid = 0;               ///< of it, or of the last one; information, not authority
  std::uint32_t notice = 0;  ///< Notice bits
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

  /// Copies `size` bytes in and publishes them. Error::ok, full, peer_gone, message_too_large, corrupt, kMoved or
  /// kMovedMeanwhile; but for the last, only after ok was anything published. Wait-free. Cost: the copy; a system call if
  /// the receiver sleeps.
  [[nodiscard]] Error send(const void* message, std::size_t size) noexcept {
    if (size > params_.message_size) return Error::message_too_large;
    const Slot slot = loan();
    if (slot.error != Error::ok) return slot.error;
    if (size != 0) std::memcpy(slot.data, message, size);
    return publish_slot(slot.index, size);
  }

  /// The next free slot, to be written in place; publish() sends it. Loaning again gives the same slot. Error::full,
  /// peer_gone (full, and the receiver has gone: told once), corrupt, kMoved.
  [[nodiscard]] Slot loan() noexcept {
    const Slot slot = free_slot();
    if (slot.error == Error::full || slot.error == Error::peer_gone) bump(header_->full, 1);
    return slot;
  }

  /// Sends the first `size` bytes of the slot that loan() gives. Errors as for send().
  [[nodiscard]] Error publish(std::size_t size) noexcept {
    if (size > params_.message_size) return Error::message_too_large;
    const Slot slot = free_slot();
    return slot.error == Error::ok ? publish_slot(slot.index, size) : slot.error;
  }

  /// The oldest message, in place; it stays in the queue until pop(). Error::empty, peer_gone (empty, and the sender has
  /// gone: told once), corrupt, kMoved.
  [[nodiscard]] Slot peek() noexcept {
    if (is_elsewhere(header_->notice_to_receiver)) return {.error = kMoved};
    const std::uint32_t head = header_->head.load(std::memory_order_relaxed);  // our own index
    if (head >= params_.queue_size) return {.error = Error::corrupt};
    std::uint32_t tail = header_->cached_tail.load(std::memory_order_relaxed);  // our own copy
    if (tail == head || !is_zipc(header_->sender_features)) {
      tail = header_->tail.load(kOrderObserve);  // [message-ready]
      // What came too late to be carried over came after the notice: who sees it sees the notice, too [moving].
      if (is_elsewhere(header_->notice_to_receiver)) return {.error = kMoved};
      if (tail != head) refresh_cached_tail(head, tail);
    }
    if (tail == head && tells_of_departure(header_->notice_to_receiver)) {
      tail = header_->tail.load(kOrderObserve);  // [message-ready]: what it sent before it went comes first
      if (is_elsewhere(header_->notice_to_receiver)) return {.error = kMoved};
      if (tail == head) return {.error = take_departure(header_->notice_to_receiver, Error::empty)};
    }
    if (tail == head) return {.error = Error::empty};
    if (tail >= params_.queue_size) return {.error = Error::corrupt};
    const std::uint64_t size = items()[head].load(std::memory_order_relaxed);  // after [message-ready]
    if (size > params_.message_size) return {.error = Error::corrupt};
    return {.index = head, .data = slot_data(head), .size = static_cast<std::uint32_t>(size)};
  }

  /// Gives the slot of the oldest message back. Errors as for peek(), and kMovedMeanwhile. Cost: a system call if the sender
  /// sleeps.
  [[nodiscard]] Error pop() noexcept {
    const Slot slot = peek();
    return slot.error == Error::ok ? free_slot_of(slot.index) : slot.error;
  }

  /// peek() and pop() in one; the message stays intact until the next receive(). Errors as for pop(); with kMovedMeanwhile
  /// the slot is the message's.
  [[nodiscard]] Slot receive() noexcept {
    Slot slot = peek();
    if (slot.error == Error::ok) slot.error = free_slot_of(slot.index);
    return slot;
  }

  /// Waits until a message is there: Error::ok, timeout, peer_gone, corrupt or kMoved. Spins briefly, then sleeps.
  [[nodiscard]] Error wait_for_message(Deadline deadline) noexcept {
    return wait_until([this] { return peek().error; }, Error::empty, receiver_sleeps(), header_->sender_features, deadline,
                      kReceiverSleep);
  }

  /// Waits until the queue is not full: Error::ok, timeout, peer_gone, corrupt or kMoved. Spins briefly, then sleeps.
  [[nodiscard]] Error wait_for_space(Deadline deadline) noexcept {
    return wait_until([this] { return free_slot().error; }, Error::full, sender_sleeps(), header_->receiver_features,
                      deadline, kSenderSleep);
  }

  /// What the holder of `role` can see of its peer.
  [[nodiscard]] PeerSeen peer_of(Role role) const noexcept {
    const auto& pid = role == Role::sender ? header_->receiver_pid : header_->sender_pid;
    const std::uint32_t seen = features(other(role)).load(std::memory_order_relaxed);  // information only
    return {.is_present = (seen & kFeatureAnnouncesSleep) != 0,
            .pid = static_cast<int>(pid.load(std::memory_order_relaxed)),  // information only
            .notice = notice(role)};
  }

  /// What the holder of `role` is told: Notice bits.
  [[nodiscard]] std::uint32_t notice(Role role) const noexcept { return notice_to(role).load(kOrderObserve); }  // [noticed]

  /// Whether the channel has other memory; then it stays so, and final_head and final_tail are what they are.
  [[nodiscard]] bool has_moved() const noexcept { return (notice(Role::sender) & kNoticeMoved) != 0; }

  /// Whether what the holder of `role` did last before it was told to move counts in the channel's other memory.
  [[nodiscard]] bool was_last_act_carried_over(Role role) const noexcept {
    const auto index_is_final = [](const std::atomic<std::uint32_t>& index, const std::atomic<std::uint32_t>& final_index) {
      return index.load(std::memory_order_relaxed) == final_index.load(std::memory_order_relaxed);  // after [noticed]
    };
    return role == Role::sender ? index_is_final(header_->tail, header_->final_tail)
                                : index_is_final(header_->head, header_->final_head);
  }

  /// Whether the message in slot `index`, which was received last, was published too late for the channel's other memory.
  /// Its sender has seen the notice, and sends it again. One that is not there because it was received in time is no such.
  [[nodiscard]] bool was_published_too_late(std::uint32_t index) const noexcept {
    return index == carried().end && received_meanwhile(header_->head) != 0;
  }

  /// Whether the receiver's oldest message here is one that the channel's other memory does not have.
  [[nodiscard]] bool has_uncarried_message() const noexcept {
    const std::uint32_t head = header_->head.load(std::memory_order_relaxed);  // our own index
    const std::uint32_t tail = header_->tail.load(std::memory_order_relaxed);  // after [noticed]
    return head != tail && head < params_.queue_size && head == carried().end;
  }

  /// How many messages the receiver has taken out here that the channel's other memory still has.
  [[nodiscard]] std::uint32_t received_meanwhile() const noexcept {
    const auto [first, end] = carried();
    return std::min(received_meanwhile(header_->head), distance(first, end));
  }

  /// The sender's slot that was written when publishing gave `moved`, kMoved or kMovedMeanwhile.
  [[nodiscard]] const std::byte* unpublished(Error moved) const noexcept {
    const std::uint32_t tail = header_->tail.load(std::memory_order_relaxed);  // our own index
    if (tail >= params_.queue_size) return slot_data(0);
    return slot_data(moved == kMoved ? tail : (tail == 0 ? params_.queue_size : tail) - 1);
  }

  /// Takes up to `count` messages out, unread. The caller is the receiver, has not announced itself yet, and then forgets
  /// what is cached.
  void skip(std::uint32_t count) noexcept {
    // Whatever the notice says: if the channel moves on at this moment, received_meanwhile() will tell of it there.
    const std::uint32_t tail = header_->tail.load(kOrderObserve);  // [message-ready]
    std::uint32_t head = header_->head.load(std::memory_order_relaxed);  // our own index
    if (tail >= params_.queue_size || head >= params_.queue_size) return;
    for (; count != 0 && head != tail; --count, head = after(head)) {
      ZIPC_TEST_POINT("skip.before-one");
      static_cast<void>(free_slot_of(head));
      ZIPC_TEST_POINT("skip.after-one");
    }
  }

  /// Forgets what a predecessor in `role` knew of the peer's index: an existing peer, which keeps no copy, may have followed it.
  /// The caller holds the role.
  void forget_cached(Role role) noexcept {
    const std::uint32_t own = (role == Role::sender ? header_->tail : header_->head).load(std::memory_order_relaxed);  // ours
    // What looks full, or empty, is looked up before anything else is done.
    if (role == Role::sender) header_->cached_head.store(after(own), std::memory_order_relaxed);  // our own copy
    else header_->cached_tail.store(own, std::memory_order_relaxed);
  }

  /// Takes back what a predecessor in `role` has counted, but not lived to publish. The caller holds the role.
  void repair_counters(Role role) noexcept {
    auto& counter = role == Role::sender ? header_->sent : header_->received;
    const std::uint32_t index = (role == Role::sender ? header_->tail : header_->head).load(std::memory_order_relaxed);  // ours
    counter.store(published(counter.load(std::memory_order_relaxed), index), std::memory_order_relaxed);  // our own counter
  }

  /// Tells the holder of `role` that its peer has gone; wakes it. `notice`: kNoticePeerGone, and what is known about how.
  void tell_of_departure(Role role, std::uint32_t notice) noexcept {
    notice_to(role).fetch_or(notice, std::memory_order_release);  // [noticed]
    wake_one(notice_to(role));
  }

  /// The holder of `role` is not told any more that its peer has gone.
  void forget_departure(Role role) noexcept {
    notice_to(role).fetch_and(~std::uint32_t{kNoticePeerGone}, std::memory_order_relaxed);  // its holder reads it later
  }

  /// Tells the peer who we are and how we sleep. The caller holds the role. Forgets what a predecessor that was killed left,
  /// its departure last: a peer that has not been told of it yet is told of ours, should we be killed here.
  void announce(Role role) noexcept {
    waiting_word(role).store(0, std::memory_order_relaxed);  // the fence below: [sleep-announced]
    features(role).store(kFeatureAnnouncesSleep, std::memory_order_relaxed);  // the same
    ZIPC_TEST_POINT("announce.before-notice");
    notice_to(other(role)).fetch_and(kNoticeElsewhere | kNoticeFenced, std::memory_order_release);  // [noticed]: nobody is gone
    ZIPC_TEST_POINT("announce.after-notice");
    full_fence();
  }

  /// Takes announce() back and tells the peer, with `notice` as for tell_of_departure(). Whoever does it may be killed on the
  /// way: then the role counts as announced until the next has told the peer, maybe once more.
  void retract_and_tell(Role role, std::uint32_t notice) noexcept {
    features(role).store(kFeatureOnTheWay, std::memory_order_relaxed);  // before [noticed]
    waiting_word(role).store(0, std::memory_order_relaxed);             // late is harmless: a wake too many
    ZIPC_TEST_POINT("retract.before-notice");
    tell_of_departure(other(role), notice);
    ZIPC_TEST_POINT("retract.after-notice");
    features(role).store(0, std::memory_order_release);  // after the notice
    ZIPC_TEST_POINT("retract.after-features");
  }

  [[nodiscard]] bool is_announced(Role role) const noexcept {
    return features(role).load(std::memory_order_relaxed) != 0;  // its holder takes it back itself, or has died
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
    const std::uint32_t head = header_->head.load(std::memory_order_relaxed);  // each is exact, together they are a snapshot
    const std::uint32_t tail = header_->tail.load(std::memory_order_relaxed);  // of no single moment
    const bool may_repair = (header_->origin.load(std::memory_order_relaxed) & kOriginExistingPeer) == 0;
    const std::uint64_t sent = header_->sent.load(std::memory_order_relaxed);
    const std::uint64_t received = header_->received.load(std::memory_order_relaxed);
    s.sent = may_repair ? published(sent, tail) : sent;
    s.received = may_repair ? published(received, head) : received;
    s.bytes_sent = header_->bytes_sent.load(std::memory_order_relaxed);
    s.full = header_->full.load(std::memory_order_relaxed);  // as above
    s.deepest = header_->deepest.load(std::memory_order_relaxed);
    s.largest = header_->largest.load(std::memory_order_relaxed);
    if (head < params_.queue_size && tail < params_.queue_size) s.depth = distance(head, tail);
    return s;
  }

  [[nodiscard]] SegmentHeader& header() const noexcept { return *header_; }
  [[nodiscard]] const Params& params() const noexcept { return params_; }

 private:
  [[nodiscard]] Slot free_slot() noexcept {
    if (is_elsewhere(header_->notice_to_sender)) return {.error = kMoved};
    const std::uint32_t tail = header_->tail.load(std::memory_order_relaxed);  // our own index
    if (tail >= params_.queue_size) return {.error = Error::corrupt};
    const std::uint32_t next = after(tail);
    if (header_->cached_head.load(std::memory_order_relaxed) == next || !is_zipc(header_->receiver_features)) {
      const std::uint32_t head = header_->head.load(kOrderObserve);  // [slot-free]
      // A slot that was freed too late for the broker to see may not be used either: with it the queue would hold more than
      // it can, by the indices that the broker has seen. Who sees the room sees the notice, too [moving].
      if (is_elsewhere(header_->notice_to_sender)) return {.error = kMoved};
      if (head >= params_.queue_size) return {.error = Error::corrupt};
      header_->cached_head.store(head, std::memory_order_relaxed);  // our own copy
      if (head == next) return {.error = take_departure(header_->notice_to_sender, Error::full)};
    }
    return {.index = tail, .data = slot_data(tail), .size = params_.message_size};
  }

  [[nodiscard]] Error publish_slot(std::uint32_t index, std::size_t size) noexcept {
    ZIPC_TEST_POINT("publish.before-length");
    items()[index].store(size, std::memory_order_relaxed);  // before [message-ready]
    ZIPC_TEST_POINT("publish.after-length");
    bump(header_->sent, 1);
    ZIPC_TEST_POINT("publish.after-sent");
    bump(header_->bytes_sent, size);
    ZIPC_TEST_POINT("publish.after-bytes-sent");
    const auto bytes = static_cast<std::uint32_t>(size);
    if (bytes > header_->largest.load(std::memory_order_relaxed)) {  // our own counter
      header_->largest.store(bytes, std::memory_order_relaxed);
    }
    ZIPC_TEST_POINT("publish.before-tail");
    header_->tail.store(after(index), kOrderPublish);  // [message-ready]
    ZIPC_TEST_POINT("publish.after-tail");
    wake_if_asleep(receiver_sleeps());
    ZIPC_TEST_POINT("publish.before-notice");
    return is_elsewhere(header_->notice_to_sender) ? kMovedMeanwhile : Error::ok;  // [moving]: the fence is behind us
  }

  [[nodiscard]] Error free_slot_of(std::uint32_t index) noexcept {
    ZIPC_TEST_POINT("free.before-received");
    bump(header_->received, 1);
    ZIPC_TEST_POINT("free.before-head");
    header_->head.store(after(index), kOrderPublish);  // [slot-free]
    ZIPC_TEST_POINT("free.after-head");
    wake_if_asleep(sender_sleeps());
    ZIPC_TEST_POINT("free.before-notice");
    return is_elsewhere(header_->notice_to_receiver) ? kMovedMeanwhile : Error::ok;  // [moving]: the fence is behind us
  }

  struct Carried {
    std::uint32_t first;
    std::uint32_t end;
  };
  /// The slots whose messages the channel's other memory has: none if what the header says is impossible.
  [[nodiscard]] Carried carried() const noexcept {
    const std::uint32_t first = header_->final_head.load(std::memory_order_relaxed);  // after [noticed]
    const std::uint32_t end = header_->final_tail.load(std::memory_order_relaxed);    // the same
    if (first >= params_.queue_size || end >= params_.queue_size) return {0, 0};
    return {first, end};
  }

  /// How many messages were taken out after the channel's other memory was made.
  [[nodiscard]] std::uint32_t received_meanwhile(const std::atomic<std::uint32_t>& own_head) const noexcept {
    const std::uint32_t head = own_head.load(std::memory_order_relaxed);  // our own index
    return head < params_.queue_size ? distance(carried().first, head) : 0;
  }

  // A notice stands on the line of its reader, who looks at it for every message.
  [[nodiscard]] static bool is_elsewhere(const std::atomic<std::uint32_t>& notice) noexcept {
    return (notice.load(kOrderObserve) & kNoticeElsewhere) != 0;  // [noticed]
  }
  [[nodiscard]] static bool tells_of_departure(const std::atomic<std::uint32_t>& notice) noexcept {
    return (notice.load(kOrderObserve) & kNoticePeerGone) != 0;  // [noticed]
  }
  /// Error::peer_gone once for each departure, `otherwise` if there was none.
  [[nodiscard]] static Error take_departure(std::atomic<std::uint32_t>& notice, Error otherwise) noexcept {
    if (!tells_of_departure(notice)) return otherwise;
    ZIPC_TEST_POINT("departure.before-taking");
    notice.fetch_and(~std::uint32_t{kNoticePeerGone}, std::memory_order_relaxed);  // what happened is known by now
    ZIPC_TEST_POINT("departure.after-taking");
    return Error::peer_gone;
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
    const std::atomic<std::uint32_t>& notice;      ///< to the sleeper
    const std::atomic<std::uint32_t>& features;    ///< of the sleeper
    bool may_sleep_unannounced;                    ///< an existing receiver does; an existing sender never sleeps
  };

  [[nodiscard]] Handshake receiver_sleeps() const noexcept {
    return {header_->tail, header_->waiters, header_->notice_to_receiver, header_->receiver_features, true};
  }
  [[nodiscard]] Handshake sender_sleeps() const noexcept {
    return {header_->head, header_->sender_waiting, header_->notice_to_sender, header_->sender_features, false};
  }

  /// P2 and P3 of waiting.h.
  void wake_if_asleep(const Handshake& side) noexcept {
    full_fence();  // [sleep-announced]
    ZIPC_TEST_POINT("wake.after-fence");
    if (!is_zipc(side.features)) {
      if (side.may_sleep_unannounced) wake_one(side.index);
      return;
    }
    if (side.waiting.load(kOrderObserve) == 0) return;  // [sleep-announced]
    ZIPC_TEST_POINT("wake.before-waking");
    wake_one(side.index);
    ZIPC_TEST_POINT("wake.after-waking");
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
    std::uint32_t stamp = 0;
    while (found == nothing) {
      const auto now = Clock::now();
      if (now >= deadline) {
        found = Error::timeout;
        break;
      }
      // What S4 compares the index with must be read before S3: an index that changes later ends the sleep.
      const std::uint32_t seen = side.index.load(std::memory_order_relaxed);  // look() synchronises
      const std::uint32_t noticed = side.notice.load(std::memory_order_relaxed);  // the same
      if (stamp == 0) stamp = waiting_stamp();
      ZIPC_TEST_POINT("wait.before-announcing");
      side.waiting.store(stamp, kOrderAnnounce);  // [sleep-announced]
      ZIPC_TEST_POINT("wait.after-announcing");
      full_fence();
      found = look();
      if (found != nothing) break;
      const auto limit = is_zipc(publisher_features) ? limits.beside_zipc : limits.beside_others;
      ZIPC_TEST_POINT("wait.before-sleeping");
      wait_while_unchanged({side.index, seen}, {side.notice, noticed}, std::min(deadline, deadline_after(limit)));
      ZIPC_TEST_POINT("wait.after-sleeping");
      found = look();
    }
    ZIPC_TEST_POINT("wait.before-taking-back");
    if (stamp != 0) side.waiting.store(0, std::memory_order_relaxed);  // late is harmless: a wake too many
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

  /// The counter of the side with this index, without what it has counted and not published: it may be about to, or was killed.
  /// Counters and indices start together and advance together, so they are the same modulo queue_size.
  [[nodiscard]] std::uint64_t published(std::uint64_t count, std::uint32_t index) const noexcept {
    const bool is_ahead = count != 0 && index < params_.queue_size && count % params_.queue_size == after(index);
    return is_ahead ? count - 1 : count;
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
  [[nodiscard]] std::atomic<std::uint32_t>& notice_to(Role role) const noexcept {
    return role == Role::sender ? header_->notice_to_sender : header_->notice_to_receiver;
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
