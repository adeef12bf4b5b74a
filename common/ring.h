/// The lock-free queue of one sender and one receiver: the whole data path. No system call unless the peer sleeps, or
/// is of a kind that does not say whether it sleeps.
///
/// *Thread safety.* At most one thread at a time calls the sender's functions of a segment and at most one the
/// receiver's; they may be different processes. A Ring holds no state of its own: copies of it, in this process or in a
/// forked child, see and continue the same queue. What a sender has copied of the header for itself (`own`, sender_copies.hpp) stands
/// in memory that all of them share, and is written before the header; another process that takes the role over goes by the
/// header: catch_up().
///
/// *Synchronises-with pairs*; each name is written at both ends:
///   [message-ready]    tail.store(release) by the sender -> tail.load(acquire) by the receiver: the slot's bytes are
///                      visible
///   [slot-free]        head.store(release) by the receiver -> head.load(acquire) by the sender: the slot may be
///                      overwritten
///   [sleep-announced]  the fences around the waiting words, and the exchanges of the all-clear: waiting.h has the proof
///   [tripwire-armed]   tripwire.store(release) by who enters a role -> tripwire.load(acquire) by the sender: what was noted of
///                      existing peers by then is seen
///   [noticed]          a notice word, written after what it tells of -> read by the side that it stands for
///   [moving]           the fence after an index is published -> the broker's heavy fence between kNoticeMoving and its
///                      look at the indices (move.cpp): either the index was seen there, or the notice is seen here.
///                      That the other side, too, sees the notice if it sees the index needs a machine on which a store
///                      is seen by all others at once (multi-copy atomicity): x86_64 and aarch64
///
/// *Invariants.*
///   1. head == tail is empty, head == tail + 1 (modulo queue_size) is full: at most queue_size - 1 messages wait.
///   2. Only the sender writes slot tail, and only while the queue is not full. So the slot that was received last,
///      head - 1, stays intact until the receiver's next receive.
///   3. A cached tail is used only while the sender is known to be zipc, and no existing one has come since it was made: that may
///      reset the queue when it attaches.
///   4. Every index and length read from shared memory is checked before it is used: Error::corrupt.
///
/// The cached copies of the peer's index, which save a cache miss a message, are the idea of Rigtorp's SPSCQueue.
#pragma once

#include <algorithm>
#include <cstring>
#include <zipc/channel.hpp>

#include "common/doorbell.h"
#include "common/test_point.h"
#include "common/waiting.h"

#include <zipc/hot_path.hpp>

namespace zipc {

/// Who rings the doorbell of a side that waits by one.
enum class Bellman {
  peer,
  nobody_yet,  ///< nobody is there
  none,        ///< somebody may be there who does not
};

/// What a side can see of the other.
struct PeerSeen {
  bool is_present = false;
  int pid = 0;               ///< of it, or of the last one; information, not authority
  std::uint32_t notice = 0;  ///< Notice bits
};

/// The counter of a side whose index is `index`, without what it has counted and not published: it may be about to, or
/// was killed. Counters and indices start together and advance together, so they are the same modulo queue_size.
[[nodiscard]] constexpr std::uint64_t published_count(std::uint64_t counter, std::uint32_t index,
                                                      std::uint32_t queue_size) noexcept {
  if (index >= queue_size) return counter;
  const std::uint64_t ahead = (counter % queue_size + queue_size - index) % queue_size;
  return counter >= ahead ? counter - ahead : counter;
}

/// Longest sleep before looking again, beside a peer that is zipc and beside one that is not known to be.
struct SleepLimits {
  std::chrono::milliseconds beside_zipc;
  std::chrono::milliseconds beside_others;
};
/// A receiver is woken by every kind of sender; only those that announce nothing may do it by rules that are not ours.
inline constexpr SleepLimits kReceiverSleep{std::chrono::milliseconds::max(), std::chrono::milliseconds(100)};
/// An existing receiver never wakes a sender, and may take the place of a zipc receiver that was killed, unseen.
inline constexpr SleepLimits kSenderSleep{std::chrono::milliseconds(100), std::chrono::milliseconds(1)};

class Ring : public HotPath {
 public:
  /// A view of the segment at `memory`, which must be mapped for as long as the view is used, 8-byte aligned, and
  /// smallest_segment_size(params) long. `tripwire`: layout.hpp, or null if it cannot be used.
  /// `own`: the sender's copies, if it uses the view and has some; otherwise `memory`.
  /// `pace`: of the end that uses the view; null: it learns nothing. `writes_back`: HotPath.
  Ring(void* memory, const Params& params, std::atomic<std::uint8_t>* tripwire) noexcept
      : Ring(static_cast<SegmentHeader*>(memory), static_cast<SegmentHeader*>(memory), params, tripwire, nullptr) {}
  Ring(SegmentHeader* header, SegmentHeader* own, const Params& params, std::atomic<std::uint8_t>* tripwire, Pace* pace,
       bool writes_back = false) noexcept
      : HotPath(header, own, reinterpret_cast<std::byte*>(header) + buffers_offset(params), params,
                tripwire != nullptr ? tripwire : whole_tripwire_, own != header, pace, writes_back) {}

  /// Copies `size` bytes in and publishes them. Error::ok, full, peer_gone, message_too_large, corrupt, kMoved or
  /// kMovedMeanwhile; but for the last, only after ok was anything published. Wait-free. Cost: the copy; a system call
  /// if the receiver sleeps.
  [[nodiscard]] Error send(const void* message, std::size_t size) noexcept {
    if (size > params_.message_size) return Error::message_too_large;
    const Slot slot = loan();
    if (slot.error != Error::ok) return slot.error;
    if (size != 0) copy_in(slot.index, message, size);
    note_size(static_cast<std::uint32_t>(size));
    return conclude(Role::sender, publish_slot(slot.index, after(slot.index), size));
  }

  /// As try_send(), for what is longer than kShort and so is copied with a call. Error::ok, kUnconcluded, or kUndone: then send() does it.
  /// Before it writes, it reads nothing on the line that the receiver polls, as send() does; and no Slot goes through memory.
  [[nodiscard]] Error try_send_long(const void* message, std::size_t size) noexcept {
    const std::uint32_t tail = own_->tail.load(std::memory_order_relaxed);  // our own index
    std::uint64_t next;
    if (!is_in_step() || !is_known_free(tail, next) || is_unheard_of(size)) return kUndone;
    copy_in(tail, message, size);
    return publish_slot(tail, next, size);
  }

  /// What receive() answers when its message is out. It is intact: invariant 2.
  [[nodiscard]] Slot last_received(Error error) const noexcept {
    const std::uint32_t head = header_->head.load(std::memory_order_relaxed);  // our own index
    if (head >= params_.queue_size) return {.error = Error::corrupt};
    Slot slot = message_in(before(head));
    if (slot.error == Error::ok) slot.error = error;
    return slot;
  }

  /// Does what is left of an operation of the holder of `role`: wakes the peer, looks whether the channel has moved. `begun`: what
  /// publish_slots() or free_slots() has answered; anything but ok and kUnconcluded is returned as it is.
  [[nodiscard]] Error conclude(Role role, Error begun) noexcept {
    const bool is_all = begun != kUnconcluded && (begun != Error::ok || has_joined_heavy_fences());
    return is_all ? begun : wake_and_look(role);
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
    if (slot.error != Error::ok) return slot.error;
    note_size(static_cast<std::uint32_t>(size));
    return conclude(Role::sender, publish_slot(slot.index, after(slot.index), size));
  }

  /// The oldest message, in place; it stays in the queue until pop(). Error::empty, peer_gone (empty, and the sender
  /// has gone: told once), corrupt, kMoved.
  [[nodiscard]] Slot peek() noexcept {
    const Oldest oldest = find_oldest();
    return oldest.error == Error::ok ? message_in(oldest.index) : Slot{.error = oldest.error};
  }

  /// Gives the slot of the oldest message back. Errors as for peek(), and kMovedMeanwhile. Cost: a system call if the
  /// sender sleeps.
  [[nodiscard]] Error pop() noexcept {
    const Oldest oldest = find_oldest();
    return oldest.error == Error::ok ? conclude(Role::receiver, take_out(oldest.index, after(oldest.index))) : oldest.error;
  }

  /// peek() and pop() in one; the message stays intact until the next receive(). Errors as for pop(); with
  /// kMovedMeanwhile the slot is the message's.
  [[nodiscard]] Slot receive() noexcept {
    Slot slot = peek();
    if (slot.error == Error::ok) slot.error = conclude(Role::receiver, take_out(slot.index, after(slot.index)));
    return slot;
  }

  /// The next free slots, `most` of them at most: to be written in place, and sent by publish_run(). Errors as for
  /// loan().
  [[nodiscard]] SlotRun loan_run(std::uint32_t most) noexcept {
    const Slot first = loan();
    if (first.error != Error::ok) return {.error = first.error};
    std::uint32_t head = own_->cached_head.load(std::memory_order_relaxed);  // our own copy
    const std::uint32_t wanted = std::min(most, params_.queue_size - first.index);
    if (free_before(head, first.index) < wanted) {
      head = header_->head.load(kOrderObserve);                               // [slot-free]
      if (is_elsewhere(header_->notice_to_sender)) return {.error = kMoved};  // as in free_slot()
      if (head >= params_.queue_size) return {.error = Error::corrupt};
      own_->cached_head.store(head, std::memory_order_relaxed);  // our own copy
    }
    const std::uint32_t count = std::min(wanted, free_before(head, first.index));
    if (count == 0 && most != 0) return {.error = Error::full};  // by an index that the receiver has taken back since
    return {.data = first.data, .count = count};
  }

  /// Sends the first sizes[i] bytes of slot i of those that loan_run() gave, for i < count, all at once. Error::ok,
  /// full (there are not so many slots in a row), and as for publish().
  [[nodiscard]] Error publish_run(const std::uint32_t* sizes, std::uint32_t count) noexcept {
    if (count == 0) return Error::ok;
    keep_in_step();
    const std::uint32_t tail = own_->tail.load(std::memory_order_relaxed);  // our own index
    if (tail >= params_.queue_size) return Error::corrupt;
    if (count > params_.queue_size - tail) return Error::full;  // also where the channel has moved: unpublished()
    const SlotRun run = loan_run(count);
    if (run.error != Error::ok) return run.error;
    if (run.count < count) return Error::full;
    const auto [bytes, largest] = write_lengths(items() + tail, sizes, count);
    if (largest > params_.message_size) return Error::message_too_large;
    note_size(largest);
    return conclude(Role::sender, publish_slots(count, after(tail, count), bytes));
  }

  /// The oldest messages that are known to wait, `most` of them at most. `sizes`: room for as many lengths. Errors as
  /// for peek().
  [[nodiscard]] SlotRun peek_run(std::uint32_t* sizes, std::uint32_t most) noexcept {
    const Slot first = peek();
    if (first.error != Error::ok) return {.error = first.error};
    const std::uint32_t tail = header_->cached_tail.load(std::memory_order_relaxed);  // our own copy
    // Beside an existing sender the copy is not kept: one at a time, then.
    const std::uint32_t known = is_tail_known() ? distance(first.index, tail) : 1;
    const std::uint32_t count = std::min({most, known, params_.queue_size - first.index});
    if (count == 0 && most != 0) return {.error = Error::corrupt};  // somebody else has written our copy since
    const bool are_possible = read_lengths(items() + first.index, sizes, count, params_.message_size);
    if (!are_possible) return {.error = Error::corrupt};
    if (!writes_back_) fetch_lengths(after(first.index, count), std::min(known - count, count));
    return {.data = first.data, .count = count};
  }

  /// Gives the slots of the `count` oldest messages back, all at once. Error::ok, empty (there are not so many), and as
  /// for pop().
  [[nodiscard]] Error pop_run(std::uint32_t count) noexcept {
    if (count == 0) return Error::ok;
    const Oldest first = find_oldest();
    if (first.error != Error::ok) return first.error;
    std::uint32_t tail = header_->cached_tail.load(std::memory_order_relaxed);  // our own copy
    // What was peeked at is known to be there: no look at the sender's line, which it writes just now.
    if (!is_tail_known() || tail >= params_.queue_size || count > distance(first.index, tail)) {
      tail = header_->tail.load(kOrderObserve);                      // [message-ready]
      if (is_elsewhere(header_->notice_to_receiver)) return kMoved;  // as in find_oldest()
      if (tail >= params_.queue_size) return Error::corrupt;
      if (count > distance(first.index, tail)) return Error::empty;
      header_->cached_tail.store(tail, std::memory_order_relaxed);  // our own copy: never behind head
    }
    if (writes_back_) {
      const std::uint32_t before_the_end = std::min(count, params_.queue_size - first.index);
      write_run_back(first.index, before_the_end);
      write_run_back(0, count - before_the_end);
    }
    return conclude(Role::receiver, free_slots(count, after(first.index, count)));
  }

  /// Waits until a message is there: Error::ok, timeout, peer_gone, corrupt or kMoved. Waiting::adaptive is sleep here: who spins
  /// first has called spin().
  [[nodiscard]] Error wait_for_message(Deadline deadline, Waiting waiting = Waiting::sleep) noexcept {
    return wait_until(Role::receiver, deadline, kReceiverSleep, waiting);
  }

  /// The same until the queue is not full.
  [[nodiscard]] Error wait_for_space(Deadline deadline, Waiting waiting = Waiting::sleep) noexcept {
    return wait_until(Role::sender, deadline, kSenderSleep, waiting);
  }

  /// The look at the sender's index that try_peek() and try_receive() have left undone: with a pause before it, and learning
  /// from what it finds. Error::ok (now they have something to do), empty, or kUndone: there is more to it, and peek() does it.
  [[nodiscard]] Error look_for_message() noexcept {
    const std::uint32_t head = header_->head.load(std::memory_order_relaxed);  // our own index
    const bool is_known = header_->cached_tail.load(std::memory_order_relaxed) != head;  // our own copy
    if (head >= params_.queue_size || is_known || !is_tail_known()) return kUndone;
    // Before the pause: who does the rest makes one, too. Nothing on the sender's line: it would be a look.
    if (notice(Role::receiver) != 0) return kUndone;
    // Who came here only to have a look measured has not yet left that line alone.
    const bool has_to_pause = pace_ != nullptr && pace_->is_to_measure() && pace_->expects_one();
    if (pace_ != nullptr) spin_pauses(has_to_pause ? pace_->pauses_between_looks() : pace_->pauses());
    const std::uint32_t tail = look_and_learn(header_->tail, head, pace_);  // [message-ready]
    // We wait by a doorbell, which has to be taken back first (our own word), or there is something to be told.
    const bool is_more = (header_->waiters.load(std::memory_order_relaxed) | notice(Role::receiver)) != 0;
    if (is_more || tail >= params_.queue_size) return kUndone;
    refresh_cached_tail(head, tail);
    return tail == head ? Error::empty : Error::ok;
  }

  /// The look at the receiver's index that try_send(), try_send_long() and try_loan() leave undone, as far as it needs no pause and teaches
  /// nothing (pace.hpp). Returns whether there is a free slot now; otherwise loan() does the rest. A dialogue through 16 slots, where every
  /// 15th message comes here, takes 0.93 times as long with it.
  [[nodiscard]] bool look_for_space() noexcept {
    const std::uint32_t tail = own_->tail.load(std::memory_order_relaxed);  // our own index
    if (tail >= params_.queue_size || own_->cached_head.load(std::memory_order_relaxed) != after(tail)) return false;  // our own copy
    if (!is_in_step() || pace_ == nullptr || !pace_->looks_at_once()) return false;
    const std::uint32_t head = header_->head.load(kOrderObserve);  // [slot-free]
    if (head >= params_.queue_size) return false;
    if (free_before(head, tail) < std::max(params_.queue_size / 4, 1u)) return false;
    // We wait by a doorbell, which has to be taken back first (our own word), or are told something.
    if ((header_->sender_waiting.load(std::memory_order_relaxed) | notice(Role::sender)) != 0) return false;  // [noticed] [moving]
    own_->cached_head.store(head, std::memory_order_relaxed);  // our own copy
    return true;
  }

  /// Spins without a clock and without announcing anything: what Waiting::adaptive and spin begin with. Adaptive goes on as Waiting::sleep.
  /// The holder of `role` has found nothing; returns whether there may be something now. Cost: no system
  /// call; at most about as long as a sleep and a wake-up.
  [[nodiscard]] bool spin(Role role) noexcept {
    const Handshake side = role == Role::receiver ? receiver_sleeps() : sender_sleeps();
    if (role == Role::sender) keep_in_step();
    const std::uint32_t own = (role == Role::receiver ? header_->head : own_->tail).load(std::memory_order_relaxed);  // ours
    const std::uint32_t nothing = role == Role::receiver ? own : after(own);
    const Sighting notice(side.notice);
    Pace unlearnt;
    Pace& pace = pace_ != nullptr ? *pace_ : unlearnt;
    for (int left = pace.spins(), turn = 0; left > 0; left -= turn) {
      // Two loads a turn, so that what comes is seen at once; who looks then synchronises.
      if (look_and_learn(side.index, nothing, role == Role::receiver ? &pace : nullptr) != nothing || notice.has_changed()) {
        pace.spun();
        return true;
      }
      if (role == Role::receiver) pace.found_nothing();
      turn = pace.pauses_between_looks() + pace.pauses();
      spin_pauses(turn);
    }
    return false;
  }

  /// S1 and S2 of waiting.h for the holder of `role`, which polls its doorbell. Returns who rings it. Cost: a system call.
  [[nodiscard]] Bellman wait_by_doorbell(Role role, std::uint32_t serial) noexcept {
    const std::atomic<std::uint32_t>& publisher = features(other(role));
    waiting_word(role).store(kByDoorbell | serial, kOrderAnnounce);  // [sleep-announced]
    end_all_clear(role);
    const bool is_safe = fence_before_sleeping(publisher);
    const std::uint32_t seen = publisher.load(std::memory_order_relaxed);  // who comes later is met before the next wait
    if (is_safe && is_zipc(publisher) && (seen & kFeatureRings) != 0) return Bellman::peer;
    const bool is_alone = seen == 0 && has_tripwire() && tripwire_->load(std::memory_order_relaxed) != 0;  // as known_features()
    return is_alone ? Bellman::nobody_yet : Bellman::none;
  }
  /// Takes that back. Returns whether there was anything to take back.
  bool stop_waiting_by_doorbell(Role role) noexcept {
    auto& waiting = waiting_word(role);
    if ((waiting.load(std::memory_order_relaxed) & kByDoorbell) == 0) return false;  // or the peer has, and rings
    waiting.store(0, std::memory_order_relaxed);                                     // late is harmless: a ring too many
    return true;
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
  [[nodiscard]] std::uint32_t notice(Role role) const noexcept {
    return notice_to(role).load(kOrderObserve);  // [noticed]
  }

  /// Whether the channel has other memory; then it stays so, and final_head and final_tail are what they are.
  [[nodiscard]] bool has_moved() const noexcept { return (notice(Role::sender) & kNoticeMoved) != 0; }

  /// Whether what the holder of `role` did last before it was told to move counts in the channel's other memory.
  [[nodiscard]] bool was_last_act_carried_over(Role role) const noexcept {
    const auto index_is_final = [](const std::atomic<std::uint32_t>& index,
                                   const std::atomic<std::uint32_t>& final_index) {
      return index.load(std::memory_order_relaxed) == final_index.load(std::memory_order_relaxed);  // after [noticed]
    };
    return role == Role::sender ? index_is_final(header_->tail, header_->final_tail)
                                : index_is_final(header_->head, header_->final_head);
  }

  /// Whether the message in slot `index`, which was received last, was published too late for the channel's other
  /// memory. Its sender has seen the notice, and sends it again. One that is not there because it was received in time
  /// is no such.
  [[nodiscard]] bool was_published_too_late(std::uint32_t index) const noexcept {
    return index == carried().end && taken_out_since_the_move() != 0;
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
    return std::min(taken_out_since_the_move(), distance(first, end));
  }

  /// The sender's slots, `count` in a row, that were written when publishing gave `moved`, kMoved or kMovedMeanwhile.
  [[nodiscard]] const std::byte* unpublished(Error moved, std::uint32_t count = 1) const noexcept {
    const std::uint32_t tail = own_tail();
    const std::uint32_t end = moved == kMoved ? tail + count : (tail == 0 ? params_.queue_size : tail);
    return slot_data(tail < params_.queue_size && count <= end && end <= params_.queue_size ? end - count : 0);
  }

  /// How many of the messages that wait for the receiver here the channel's other memory has, too.
  [[nodiscard]] std::uint32_t carried_and_waiting() const noexcept {
    const auto [first, end] = carried();
    const std::uint32_t head = header_->head.load(std::memory_order_relaxed);  // our own index
    const bool is_among_them = head < params_.queue_size && distance(first, head) <= distance(first, end);
    return is_among_them ? distance(head, end) : 0;
  }

  /// Takes up to `count` messages out, unread. The caller is the receiver, has not announced itself yet, and then
  /// forgets what is cached.
  void skip(std::uint32_t count) noexcept {
    // Whatever the notice says: if the channel moves on at this moment, received_meanwhile() will tell of it there.
    const std::uint32_t tail = header_->tail.load(kOrderObserve);        // [message-ready]
    std::uint32_t head = header_->head.load(std::memory_order_relaxed);  // our own index
    if (tail >= params_.queue_size || head >= params_.queue_size) return;
    for (; count != 0 && head != tail; --count, head = after(head)) {
      ZIPC_TEST_POINT("skip.before-one");
      static_cast<void>(conclude(Role::receiver, free_slots(1, after(head))));
      ZIPC_TEST_POINT("skip.after-one");
    }
  }

  /// Makes the sender's own copies what the header says, and forgets what it knows of the receiver's index, which an existing
  /// peer, who keeps no copy, may have followed. The caller is the sender. They are good until the tripwire goes; if it has gone,
  /// or an existing peer, which may be another sender, was there before it was armed, for one operation.
  void catch_up() noexcept {
    const auto may_be_kept = [this] {
      if (tripwire_->load(std::memory_order_acquire) == 0) return false;                    // [tripwire-armed]
      return (header_->origin.load(std::memory_order_relaxed) & kOriginExistingPeer) == 0;  // noted before
    };
    // It is set only where it changes: both sides read its line.
    if (has_tripwire() && is_in_step()) set_in_step(kSenderInStepOffset, false);
    if (has_tripwire() && may_be_kept()) {
      set_in_step(kSenderInStepOffset, true);
      full_fence();  // before the copies are made, so that who comes after them takes it away
      if (!may_be_kept()) set_in_step(kSenderInStepOffset, false);  // who came between the two did not
    }
    if (has_copies_) {
      const auto copy = [this](auto field) {
        (own_->*field).store((header_->*field).load(std::memory_order_relaxed), std::memory_order_relaxed);  // our own fields
      };
      copy(&SegmentHeader::tail);
      copy(&SegmentHeader::sent);
      copy(&SegmentHeader::bytes_sent);
      const std::uint32_t largest = header_->largest.load(std::memory_order_relaxed);           // our own counter
      own_->largest.store(std::min(largest, params_.message_size), std::memory_order_relaxed);  // is_unheard_of() relies on it
      if (own_->tail.load(std::memory_order_relaxed) >= params_.queue_size) set_in_step(kSenderInStepOffset, false);  // not to be kept
    }
    // What looks full is looked up before anything else is done.
    own_->cached_head.store(after(own_->tail.load(std::memory_order_relaxed)), std::memory_order_relaxed);  // our own copy
  }
  /// The same for the receiver, which has no copy but that of the sender's index: what looks empty is looked up.
  void forget_cached_tail() noexcept {
    const auto is_whole = [this] { return tripwire_->load(std::memory_order_relaxed) != 0; };  // by the kernel, or who comes later
    if (has_tripwire() && is_whole()) {
      set_in_step(kReceiverInStepOffset, true);
      full_fence();  // as above
      if (!is_whole()) set_in_step(kReceiverInStepOffset, false);
    }
    header_->cached_tail.store(header_->head.load(std::memory_order_relaxed), std::memory_order_relaxed);  // our own copy
  }

  /// Takes back what a predecessor in `role` has counted, but not lived to publish. The caller holds the role.
  void repair_counters(Role role) noexcept {
    auto& counter = role == Role::sender ? header_->sent : header_->received;
    const std::uint32_t index =
        (role == Role::sender ? header_->tail : header_->head).load(std::memory_order_relaxed);  // ours
    counter.store(published(counter.load(std::memory_order_relaxed), index),
                  std::memory_order_relaxed);  // our own counter
  }

  /// Tells the holder of `role` that its peer has gone; wakes it. `notice`: kNoticePeerGone, and what is known about
  /// how.
  void tell_of_departure(Role role, std::uint32_t notice) noexcept {
    notice_to(role).fetch_or(notice, std::memory_order_release);  // [noticed]
    wake_one(notice_to(role));
  }

  /// The holder of `role` is not told any more that its peer has gone.
  void forget_departure(Role role) noexcept {
    notice_to(role).fetch_and(~std::uint32_t{kNoticePeerGone}, std::memory_order_relaxed);  // its holder reads it later
  }

  /// Tells the peer who we are and how we sleep. The caller holds the role. Forgets what a predecessor that was killed
  /// left, its departure last: a peer that has not been told of it yet is told of ours, should we be killed here.
  void announce(Role role, std::uint32_t more_features = 0) noexcept {
    const std::uint32_t ours = kFeatureAnnouncesSleep | (join_heavy_fences() ? kFeatureFencesForBoth : 0u) |
                               (role == Role::receiver && has_tripwire() ? kFeatureEndsAllClear : 0u) | more_features;
    waiting_word(role).store(0, std::memory_order_relaxed);  // the fence below: [sleep-announced]
    features(role).store(ours, std::memory_order_relaxed);   // the same
    end_all_clear(role);
    ZIPC_TEST_POINT("announce.before-notice");
    notice_to(other(role))
        .fetch_and(kNoticeElsewhere | kNoticeFenced, std::memory_order_release);  // [noticed]: nobody is gone
    ZIPC_TEST_POINT("announce.after-notice");
    full_fence();
  }

  /// Takes announce() back and tells the peer, with `notice` as for tell_of_departure(). Whoever does it may be killed
  /// on the way: then the role counts as announced until the next has told the peer, maybe once more.
  void retract_and_tell(Role role, std::uint32_t notice) noexcept {
    features(role).store(kFeatureOnTheWay, std::memory_order_relaxed);  // before [noticed]
    waiting_word(role).store(0, std::memory_order_relaxed);             // late is harmless: a wake too many
    end_all_clear(role);
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
    // Beside nobody, the peer looks by itself.
    if (!is_announced(role) && waiting_word(role).load(std::memory_order_relaxed) == 0) return;  // whose holder has gone
    features(role).store(0, std::memory_order_relaxed);      // late is harmless: the peer's sleep is limited
    waiting_word(role).store(0, std::memory_order_relaxed);  // late is harmless: a wake too many
    end_all_clear(role);
    wake_one(role == Role::sender ? header_->tail : header_->head);
  }

  /// Makes the queue empty, with nothing cached and nobody asleep. Counters stay. Only while no zipc peer is attached.
  void reset() noexcept {
    for (auto* word : {&header_->head, &header_->tail, &header_->cached_head, &header_->cached_tail,
                       &header_->sender_waiting, &header_->waiters}) {
      word->store(0, std::memory_order_relaxed);  // published by the init flag or the mark
    }
  }

  /// The sender's index. A child goes on by the copies that its killed parent has left: it may have published one message less.
  [[nodiscard]] std::uint32_t own_tail() const noexcept { return sender_fields().tail.load(std::memory_order_relaxed); }  // our own index

  [[nodiscard]] Stats stats() const noexcept {
    Stats s;
    // Each is exact; together they are a snapshot of no single moment.
    const std::uint32_t head = header_->head.load(std::memory_order_relaxed);
    const std::uint32_t tail = own_tail();
    const bool may_repair = (header_->origin.load(std::memory_order_relaxed) & kOriginExistingPeer) == 0;
    const std::uint64_t sent = sender_fields().sent.load(std::memory_order_relaxed);
    const std::uint64_t received = header_->received.load(std::memory_order_relaxed);
    s.sent = may_repair ? published(sent, tail) : sent;
    s.received = may_repair ? published(received, head) : received;
    s.bytes_sent = sender_fields().bytes_sent.load(std::memory_order_relaxed);
    s.full = header_->full.load(std::memory_order_relaxed);  // as above
    s.deepest = header_->deepest.load(std::memory_order_relaxed);
    s.largest = header_->largest.load(std::memory_order_relaxed);
    if (head < params_.queue_size && tail < params_.queue_size) s.depth = distance(head, tail);
    return s;
  }

  [[nodiscard]] SegmentHeader& header() const noexcept { return *header_; }
  [[nodiscard]] const Params& params() const noexcept { return params_; }

 private:
  /// Of the sender, before it goes by its own copies.
  void keep_in_step() noexcept {
    if (!is_in_step()) [[unlikely]] catch_up();
  }

  /// Where what the sender alone writes is up to date: its own copies, for a sender that has some.
  [[nodiscard]] const SegmentHeader& sender_fields() const noexcept { return is_in_step() ? *own_ : *header_; }

  /// Of the side whose byte of the tripwire this is: whether its copies are good.
  void set_in_step(std::size_t offset, bool are_good) noexcept {
    tripwire_[offset].store(are_good ? kTripwire : 0, std::memory_order_relaxed);  // its own byte
  }

  [[nodiscard]] bool has_tripwire() const noexcept {
    const auto* memory = reinterpret_cast<const std::byte*>(header_);
    return reinterpret_cast<const std::byte*>(tripwire_) == memory + tripwire_offset(params_);
  }
  /// In place of a tripwire where there is none. Nobody writes it.
  static inline std::atomic<std::uint8_t> whole_tripwire_[] = {kTripwire, kTripwire, kTripwire, 0};

  /// A message of that size is about to be published.
  void note_size(std::uint32_t size) noexcept {
    if (!is_longest(size)) return;
    own_->largest.store(size, std::memory_order_relaxed);     // our own counter
    header_->largest.store(size, std::memory_order_relaxed);  // the same
  }

  /// What slot `index` holds. Error::ok or corrupt.
  [[nodiscard]] Slot message_in(std::uint32_t index) const noexcept {
    const std::uint64_t size = items()[index].load(std::memory_order_relaxed);  // after [message-ready]
    if (size > params_.message_size) return {.error = Error::corrupt};
    return {.index = index, .data = slot_data(index), .size = static_cast<std::uint32_t>(size)};
  }

  struct Oldest {
    Error error = Error::ok;
    std::uint32_t index = 0;
  };
  /// The slot of the oldest message.
  [[nodiscard]] Oldest find_oldest() noexcept {
    if (is_elsewhere(header_->notice_to_receiver)) return {.error = kMoved};
    const std::uint32_t head = header_->head.load(std::memory_order_relaxed);  // our own index
    if (head >= params_.queue_size) return {.error = Error::corrupt};
    if (tripwire_[kReceiverInStepOffset].load(std::memory_order_relaxed) == 0) [[unlikely]] forget_cached_tail();  // as is_tail_known()
    std::uint32_t tail = header_->cached_tail.load(std::memory_order_relaxed);  // our own copy
    const bool is_kept = is_tail_known();
    if (tail == head || !is_kept) {
      if (pace_ != nullptr && is_kept) spin_pauses(pace_->pauses());  // beside an existing sender every message is a look
      tail = header_->tail.load(kOrderObserve);  // [message-ready]
      // What came too late to be carried over came after the notice: who sees it sees the notice, too [moving].
      if (is_elsewhere(header_->notice_to_receiver)) return {.error = kMoved};
      refresh_cached_tail(head, tail);
    }
    ZIPC_TEST_POINT("find.before-departure");
    if (tail == head && tells_of_departure(header_->notice_to_receiver)) {
      tail = header_->tail.load(kOrderObserve);  // [message-ready]: what it sent before it went comes first
      if (is_elsewhere(header_->notice_to_receiver)) return {.error = kMoved};
      refresh_cached_tail(head, tail);  // never behind head: beside a successor it is believed
      if (tail == head) return {.error = take_departure(header_->notice_to_receiver, Error::empty)};
    }
    if (tail == head) return {.error = Error::empty};
    if (tail >= params_.queue_size) return {.error = Error::corrupt};
    return {.index = head};
  }

  /// As write_back() for each of the `count` slots from `first` on, which do not wrap around; short ones all at once, whatever their lengths.
  void write_run_back(std::uint32_t first, std::uint32_t count) const noexcept {
    if (params_.message_size > kShort) {
      for (std::uint32_t i = 0; i < count; ++i) write_back(first + i);
      return;
    }
    const std::uint64_t bytes = std::uint64_t{count} * params_.message_size;
    write_lines_back(lines_done_with(reinterpret_cast<std::uintptr_t>(slot_data(first)), bytes, bytes));
    for (std::uint32_t last = first | (kLengthsInLine - 1); last < first + count; last += kLengthsInLine) write_lengths_back(last);
  }

  /// Copies a message into slot `tail`, with a call.
  void copy_in(std::uint32_t tail, const void* message, std::size_t size) const noexcept {
    // Not past the caches: with non-temporal stores messages of 64 KiB to 1 MiB take 1.2 to 1.4 times as long, of 1 KiB 2.2.
    std::memcpy(slot_data(tail), message, size);
  }

  [[nodiscard]] Slot free_slot() noexcept {
    if (is_elsewhere(header_->notice_to_sender)) return {.error = kMoved};
    keep_in_step();
    const std::uint32_t tail = own_->tail.load(std::memory_order_relaxed);  // our own index
    if (tail >= params_.queue_size) return {.error = Error::corrupt};
    const std::uint32_t next = after(tail);
    // Beside an existing receiver that has come since, too: none of them takes its index back.
    if (own_->cached_head.load(std::memory_order_relaxed) == next) {
      const bool is_kept = is_in_step();  // otherwise every message is a look
      if (pace_ != nullptr && is_kept) spin_pauses(pace_->pauses());
      const std::uint32_t head = header_->head.load(kOrderObserve);  // [slot-free]
      // A slot that was freed too late for the broker to see may not be used either: with it the queue would hold more
      // than it can, by the indices that the broker has seen. Who sees the room sees the notice, too [moving].
      if (is_elsewhere(header_->notice_to_sender)) return {.error = kMoved};
      if (head >= params_.queue_size) return {.error = Error::corrupt};
      own_->cached_head.store(head, std::memory_order_relaxed);  // our own copy
      if (pace_ != nullptr && is_kept) pace_->found_space(free_before(head, tail), params_.queue_size, writes_back_);
      if (head == next) return {.error = take_departure(header_->notice_to_sender, Error::full)};
    }
    return {.index = tail, .data = slot_data(tail), .size = params_.message_size};
  }

  /// Looks at the peer's index; now and then, if that finds anything but `nothing`, `pace` learns how long it has taken: the line was the
  /// peer's, and had to travel. Cost: of every 128th, and of those in vain before it, two readings of the cycle counter.
  [[nodiscard]] static std::uint32_t look_and_learn(const std::atomic<std::uint32_t>& index, std::uint32_t nothing, Pace* pace) noexcept {
    if (pace == nullptr || !pace->is_to_measure()) return index.load(kOrderObserve);  // [message-ready] [slot-free]
    const std::uint64_t start = ticks();
    const std::uint32_t found = index.load(kOrderObserve);  // the same
    const std::uint64_t end = ticks();
    if (found != nothing) pace->look_took(pauses_in(end - start));
    return found;
  }

  /// Fetches the `count` lengths from slot `first` on, which the receiver reads next, after the messages of this batch: batches of 64-byte
  /// messages take 0.96 times as long. Not more than kMost, and not the line in which this batch's lengths end: that is here.
  void fetch_lengths(std::uint32_t first, std::uint32_t count) const noexcept {
    constexpr std::uint32_t kMost = 64;
    const std::uint32_t end = std::min(first + std::min(count, kMost), params_.queue_size);
    for (std::uint32_t i = (first + kLengthsInLine - 1) / kLengthsInLine * kLengthsInLine; i < end; i += kLengthsInLine) {
      fetch_for_reading(reinterpret_cast<std::uintptr_t>(items() + i));
    }
  }

  struct Lengths {
    std::uint64_t sum;
    std::uint32_t largest;
  };
  // These know nothing of the ring, so that the compiler keeps all in registers: publishing a batch takes 0.7 times as long.
  static Lengths write_lengths(ItemLength* lengths, const std::uint32_t* sizes, std::uint32_t count) noexcept {
    Lengths written{0, 0};
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint32_t size = sizes[i];
      if (lengths[i].load(std::memory_order_relaxed) != size) {  // as write_length()
        lengths[i].store(size, std::memory_order_relaxed);       // before [message-ready]
      }
      written.sum += size;
      written.largest = std::max(written.largest, size);
    }
    return written;
  }
  /// Whether none is more than `most`.
  [[nodiscard]] static bool read_lengths(const ItemLength* lengths, std::uint32_t* sizes, std::uint32_t count,
                                         std::uint32_t most) noexcept {
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint64_t size = lengths[i].load(std::memory_order_relaxed);  // after [message-ready]
      if (size > most) return false;
      sizes[i] = static_cast<std::uint32_t>(size);
    }
    return true;
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
  [[nodiscard]] std::uint32_t taken_out_since_the_move() const noexcept {
    const std::uint32_t head = header_->head.load(std::memory_order_relaxed);  // our own index
    return head < params_.queue_size ? distance(carried().first, head) : 0;
  }

  // A notice stands on the line of its reader.
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
    if (tail >= params_.queue_size) return;                       // peek() reports it
    header_->cached_tail.store(tail, std::memory_order_relaxed);  // our own copy
    const std::uint32_t depth = distance(head, tail);
    // Before the program has the message, its length is waited for; only then would the message be asked for. So it is asked for here: a
    // round trip that goes this way takes 0.97 times as long.
    if (depth != 0) __builtin_prefetch(slot_data(head));
    if (pace_ != nullptr) pace_->found_messages(depth, params_.queue_size);
    if (depth > header_->deepest.load(std::memory_order_relaxed)) {  // our own counter
      header_->deepest.store(depth, std::memory_order_relaxed);
    }
  }

  /// Where one side publishes and the other sleeps.
  struct Handshake {
    std::atomic<std::uint32_t>& index;           ///< of the publisher; the sleeper's futex word
    std::atomic<std::uint32_t>& waiting;         ///< of the sleeper
    const std::atomic<std::uint32_t>& notice;    ///< to the sleeper
    const std::atomic<std::uint32_t>& features;  ///< of the sleeper
    bool may_sleep_unannounced;                  ///< an existing receiver does; an existing sender never sleeps
  };

  [[nodiscard]] Handshake receiver_sleeps() const noexcept {
    return {header_->tail, header_->waiters, header_->notice_to_receiver, header_->receiver_features, true};
  }
  [[nodiscard]] Handshake sender_sleeps() const noexcept {
    return {header_->head, header_->sender_waiting, header_->notice_to_sender, header_->sender_features, false};
  }

  /// Rings the doorbell that the peer has announced in `waiting`, and takes its announcement back before: waiting.h.
  void ring_once(std::atomic<std::uint32_t>& waiting, std::uint32_t announced) noexcept {
    std::uint32_t seen = announced;
    // What it says by now was announced after the fence of wake_and_look(): then the peer has looked, or will, and sees our index.
    if (!waiting.compare_exchange_strong(seen, 0)) return;
    ZIPC_TEST_POINT("wake.before-ringing");
    if (ring_doorbell(header_, announced & ~kByDoorbell)) return;
    std::uint32_t none = 0;  // the next message tries again
    waiting.compare_exchange_strong(none, announced);
  }

  /// What publish_slots() and free_slots() have left to do, for every kind of peer. Ok or kMovedMeanwhile.
  [[gnu::cold]] [[nodiscard]] Error wake_and_look(Role role) noexcept {
    const Handshake side = role == Role::sender ? receiver_sleeps() : sender_sleeps();
    full_fence();  // [sleep-announced] [moving]; also, the kernel does not promise that who wakes others makes one
    const std::uint32_t waiting = is_zipc(side.features) ? side.waiting.load(kOrderObserve)  // [sleep-announced]
                                                         : std::uint32_t{side.may_sleep_unannounced};
    if (waiting != 0) {
      ZIPC_TEST_POINT("wake.before-waking");
      (waiting & kByDoorbell) != 0 ? ring_once(side.waiting, waiting) : wake_one(side.index);
      ZIPC_TEST_POINT("wake.after-waking");
    }
    ZIPC_TEST_POINT("wake.before-notice");
    if (is_elsewhere(notice_to(role))) return kMovedMeanwhile;  // [moving]: the fence is behind us
    if (role == Role::sender && waiting == 0) say_all_clear();
    return Error::ok;
  }

  /// So that the next message need not look whom to wake, if there is nothing else to it. The caller is the sender; it may be killed at
  /// any step.
  void say_all_clear() noexcept {
    const auto is_clear = [this] {
      const std::uint32_t receiver = header_->receiver_features.load(std::memory_order_relaxed);  // after the 0, or the next one ends it
      return (receiver & kFeatureEndsAllClear) != 0 && look_at_receiver() == Error::ok;
    };
    if (!has_copies_ || !has_joined_heavy_fences() || !is_clear()) return;
    auto& said = tripwire_[kAllClearOffset];
    ZIPC_TEST_POINT("all-clear.before-about-to");
    said.exchange(kAboutToSayClear);  // [sleep-announced] [moving]: what a 0 of before tells of is seen now
    ZIPC_TEST_POINT("all-clear.after-about-to");
    if (!is_clear()) return;
    ZIPC_TEST_POINT("all-clear.before-saying");
    std::uint8_t unchanged = kAboutToSayClear;  // a 0 of later stays
    said.compare_exchange_strong(unchanged, kAllClear);
    ZIPC_TEST_POINT("all-clear.after-saying");
  }
  /// Of the holder of `role` that is about to sleep, has come, or leaves: a receiver takes it away.
  void end_all_clear(Role role) noexcept {
    if (role == Role::receiver && has_tripwire()) tripwire_[kAllClearOffset].exchange(0);  // [sleep-announced]: what it tells of is written
  }

  /// What the holder of `role` waits for: Error::timeout if it is not there yet.
  [[nodiscard]] Error look_for(Role role) noexcept {
    const Error found = role == Role::receiver ? peek().error : free_slot().error;
    return found == Error::empty || found == Error::full ? Error::timeout : found;
  }

  /// Looks until it is there: asleep on the peer's index meanwhile, S1 to S4 of waiting.h; or as `waiting` says.
  [[nodiscard]] Error wait_until(Role role, Deadline deadline, const SleepLimits& limits, Waiting waiting) noexcept {
    if (deadline == kNoWait) return look_for(role);
    if (waiting == Waiting::spin || waiting == Waiting::poll) return keep_looking(role, deadline, waiting);
    Error found = look_for(role);
    const Handshake side = role == Role::receiver ? receiver_sleeps() : sender_sleeps();
    const std::atomic<std::uint32_t>& publisher_features = features(other(role));
    Sighting index(side.index);
    Sighting notice(side.notice);
    std::uint32_t stamp = 0;
    while (found == Error::timeout) {
      const auto now = Clock::now();
      if (now >= deadline) break;
      // What S4 compares the index with must be read before S3: an index that changes later ends the sleep.
      index.look();
      notice.look();
      if (stamp == 0) stamp = waiting_stamp();
      ZIPC_TEST_POINT("wait.before-announcing");
      side.waiting.store(stamp, kOrderAnnounce);  // [sleep-announced]
      ZIPC_TEST_POINT("wait.after-announcing");
      end_all_clear(role);
      const bool is_safe = fence_before_sleeping(publisher_features);
      found = look_for(role);
      if (found != Error::timeout) break;
      const auto limit = is_safe && is_zipc(publisher_features) ? limits.beside_zipc : limits.beside_others;
      ZIPC_TEST_POINT("wait.before-sleeping");
      wait_while_unchanged(index, notice, std::min(deadline, deadline_after(limit)));
      ZIPC_TEST_POINT("wait.after-sleeping");
      if (pace_ != nullptr) pace_->slept(Clock::now() - now);
      found = look_for(role);
    }
    ZIPC_TEST_POINT("wait.before-taking-back");
    if (stamp != 0) side.waiting.store(0, std::memory_order_relaxed);  // late is harmless: a wake too many
    return found;
  }

  /// The same without announcing anything, so that the peer never wakes us: Waiting::spin and poll.
  [[nodiscard]] Error keep_looking(Role role, Deadline deadline, Waiting waiting) noexcept {
    if (const Error found = look_for(role); found != Error::timeout) return found;
    // The clock is asked once a round, and so is the kernel whether somebody else, maybe the peer, wants this processor.
    for (Naps naps;;) {
      int left = waiting == Waiting::spin ? Pace::spin_limit() : 0;
      do {
        spin_pause();
        if (const Error found = look_for(role); found != Error::timeout) return found;
        left -= 1 + (pace_ != nullptr ? pace_->pauses() : 0);
      } while (left > 0);
      if (Clock::now() >= deadline) return Error::timeout;
      waiting == Waiting::spin ? give_way() : naps.take(deadline);
    }
  }

  /// S2 of waiting.h. Returns whether the publisher is sure to see, or to have seen, that we sleep.
  [[nodiscard]] static bool fence_before_sleeping(const std::atomic<std::uint32_t>& publisher_features) noexcept {
    if (has_joined_heavy_fences() && heavy_fence()) return true;
    full_fence();
    return (publisher_features.load(std::memory_order_relaxed) & kFeatureFencesForBoth) == 0;  // it fences, too
  }

  [[nodiscard]] std::uint64_t published(std::uint64_t counter, std::uint32_t index) const noexcept {
    return published_count(counter, index, params_.queue_size);
  }

  [[nodiscard]] std::atomic<std::uint32_t>& features(Role role) const noexcept {
    return role == Role::sender ? header_->sender_features : header_->receiver_features;
  }
  [[nodiscard]] std::atomic<std::uint32_t>& notice_to(Role role) const noexcept {
    return role == Role::sender ? header_->notice_to_sender : header_->notice_to_receiver;
  }
  [[nodiscard]] std::atomic<std::uint32_t>& waiting_word(Role role) const noexcept {
    return role == Role::sender ? header_->sender_waiting : header_->waiters;
  }
};

}  // namespace zipc
