/// What nearly every message of a stream or a dialogue takes, and nothing more: short enough to be inlined into the program.
///
/// Each function either does all there is to do, or says that there is more to it; Ring (ring.h, in the library) does the
/// rest. It knows the same segment, and the sync pairs and invariants are the ones named there.
///
/// *Results stay in registers.* All of it is inlined, and what it returns is taken apart at once: a struct that is stored piece by
/// piece and then copied as a whole makes the processor wait until all earlier stores are done, those into slots which the
/// peer has in its cache included.
///
/// *The line that the receiver polls is written, and read only after that.* It takes the line away with every look. Who reads its
/// own index or counter there first waits for the line, gets it, loses it to the next look, and waits for it once more to
/// write. So the sender has copies of what only it writes (sender_copies.hpp), where its peer never looks, and its
/// stores into the header all wait for the line together: a round trip of 64 bytes takes 0.8 times as long with it, a stream of 1 KiB
/// 0.7 to 0.8 times, one of 64 bytes 1.05 to 1.2 times, for that is more instructions. The receiver's line is looked at seldom, and needs none.
///
/// *What is not looked at.* For the same reason a sender does not look on that line whether its receiver sleeps, once it has published,
/// but at a byte on a line that hardly ever changes (waiting.h): a stream of 64 bytes takes 0.9 times as long with it, and a round trip
/// 0.95. Whether the channel has moved to other memory is looked at once a message, in the same place, after its index is
/// published, and when the peer's index is looked at. That is enough: a notice that came before can as well have come in
/// between, and what was done here meanwhile is sorted out by whoever follows the channel.
#pragma once

#include <zipc/layout.hpp>
#include <zipc/order.hpp>
#include <zipc/pace.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#ifdef ZIPC_TEST_POINTS  // only where the project is built for its own tests
#include "common/test_point.h"
#elif !defined(ZIPC_TEST_POINT)
#define ZIPC_TEST_POINT(name) static_cast<void>(0)
#endif

namespace zipc {

/// What the ring answers besides the errors of the API. Negative, and never given to the program.
///
/// The hot path's try_ functions do what nearly every message takes. What they leave undone, or unconcluded, the library does
/// (operations.hpp, otherwise::), by the ring's function of the same name, or by Ring::conclude(). When the ring answers that the
/// channel has, or may soon have, other memory, the library follows it there and tries again.
inline constexpr Error kMoved{-1};           ///< nothing was done here
inline constexpr Error kMovedMeanwhile{-2};  ///< it was done here; whether it counts there, final_head and final_tail tell
inline constexpr Error kUnconcluded{-3};     ///< it was done; somebody may have to be woken, or the channel has moved
inline constexpr Error kUndone{-4};          ///< nothing was done: there is more to it

/// A slot of the queue, or why there is none.
struct Slot {
  Error error = Error::ok;
  std::uint32_t index = 0;
  std::byte* data = nullptr;
  std::uint32_t size = 0;  ///< of the message; of the slot where it is to be written
};

/// Slots in a row, as far as they do not wrap around: slot i at data + i * message_size. It is returned in two registers: through
/// memory, where it waited for the stores into the slots before, writing batches of 64-byte messages took 1.2 times as long.
struct SlotRun {
  std::byte* data = nullptr;
  std::uint32_t count = 0;
  Error error = Error::ok;
};

/// memcpy of up to kShort bytes, without a call, for which registers would have to be saved. It reads no more than 8 bytes at a time:
/// a message is often written just before, piece by piece, and a wider load would wait for the stores, as above. It writes 16,
/// where that is one instruction: the slot's line is the peer's, and until it has come each store waits in a place of its own.
inline constexpr std::size_t kShort = 256;
[[gnu::always_inline]] inline void copy_short(std::byte* to, const void* from, std::size_t size) noexcept {
  const auto* bytes = static_cast<const std::byte*>(from);
  const auto copy = [&](auto unit, std::size_t offset) {
    std::memcpy(&unit, bytes + offset, sizeof unit);
    asm("" : "+r"(unit));  // not to be made a part of something wider
    std::memcpy(to + offset, &unit, sizeof unit);
  };
  const auto both_ends = [&](auto unit) {  // which overlap in the middle
    copy(unit, 0);
    copy(unit, size - sizeof unit);
  };
#ifdef __SSE2__
  const auto copy_two_words = [&](std::size_t offset) {
    double low, high;  // whatever they hold
    std::memcpy(&low, bytes + offset, sizeof low);
    asm("" : "+x"(low));  // not to be loaded together
    std::memcpy(&high, bytes + offset + sizeof low, sizeof high);
    __m128d both = _mm_set_pd(high, low);
    asm("" : "+x"(both));  // not to be taken apart again
    std::memcpy(to + offset, &both, sizeof both);
  };
#else
  const auto copy_two_words = [&](std::size_t offset) {
    copy(std::uint64_t{}, offset);
    copy(std::uint64_t{}, offset + 8);
  };
#endif
  if (size >= 16) [[likely]] {
    std::size_t offset = 0;
    for (; offset + 64 <= size; offset += 64) {
      for (std::size_t word = 0; word < 64; word += 16) copy_two_words(offset + word);
    }
    for (; offset + 16 <= size; offset += 16) copy_two_words(offset);
    if ((size & 15) != 0) copy_two_words(size - 16);
  } else if (size >= 8) {
    copy(std::uint64_t{}, 0);
    if (size != 8) copy(std::uint64_t{}, size - 8);
  } else if (size >= 4) {
    both_ends(std::uint32_t{});
  } else if (size >= 2) {
    both_ends(std::uint16_t{});
  } else if (size == 1) {
    *to = *bytes;
  }
}

/// Fetches a cache line that is going to be written. Any address will do, also one where there is no memory.
[[gnu::always_inline]] inline void fetch_for_writing(std::uintptr_t address) noexcept {
#ifdef __x86_64__
  // Spelled out: unless they may assume a processor of after 2014, compilers fetch it for reading. Earlier processors do nothing here.
  asm volatile("prefetchw {(%0)|[%0]}" : : "r"(address));
#else
  __builtin_prefetch(reinterpret_cast<const void*>(address), 1);
#endif
}

inline constexpr std::size_t kCacheLine = 64;  // of nearly all processors; it need not be
inline constexpr std::uint32_t kLengthsInLine = kCacheLine / sizeof(ItemLength);
inline constexpr std::size_t kMostFetched = 1024;
[[nodiscard]] constexpr std::uint16_t fetched_of(std::size_t size) noexcept {
  return static_cast<std::uint16_t>(std::min(size, kMostFetched));
}
/// About as many lines as `size` bytes from there take; not more than kMostFetched bytes, and one line at least.
[[gnu::always_inline]] inline void fetch_all_for_writing(std::uintptr_t address, std::size_t size) noexcept {
  fetch_for_writing(address);
  for (std::size_t offset = kCacheLine; offset < size && offset < kMostFetched; offset += kCacheLine) {
    fetch_for_writing(address + offset);
  }
}

/// Fetches a cache line that is going to be read. Any address will do. Always inlined: GCC considers a function that only prefetches to be
/// without effect, and drops calls of it.
[[gnu::always_inline]] inline void fetch_for_reading(std::uintptr_t address) noexcept {
  __builtin_prefetch(reinterpret_cast<const void*>(address));
}
/// As fetch_all_for_writing().
[[gnu::always_inline]] inline void fetch_all_for_reading(std::uintptr_t address, std::size_t size) noexcept {
  fetch_for_reading(address);
  for (std::size_t offset = kCacheLine; offset < size && offset < kMostFetched; offset += kCacheLine) {
    fetch_for_reading(address + offset);
  }
}

/// Writes a cache line back to memory, so that whoever writes it next need not take it from this processor. Any address of readable memory
/// will do. Only where gains_by_writing_back(), whose header (write_back.h) says why.
[[gnu::always_inline]] inline void write_line_back(std::uintptr_t address) noexcept {
#ifdef __x86_64__
  asm volatile("clwb {(%0)|[%0]}" : : "r"(address) : "memory");
#else
  static_cast<void>(address);
#endif
}

/// How many slots after the one that is written or read another is fetched: by senders in long queues, by receivers where so many are known to
/// wait. Near the end of a lap that is past the buffers, and fetches nothing useful.
inline constexpr std::uint32_t kSlotsAhead = 8;
/// The same in a batch, where there is nothing else to do between two slots: batches of 64-byte messages take 0.9 times as long as with 8, of
/// 256 bytes 0.94 times, through 40 and 64 slots 1.0. One by one, streams through 1024 slots take 0.9 to 1.06 times as long with 16, and through 40 to
/// 128 slots 1.05 to 1.2.
inline constexpr std::uint32_t kSlotsAheadInBatch = 16;
/// Whether a sender fetches kSlotsAhead, and not the next slot: in short queues it may be just what the receiver reads, and streams through 16
/// slots take 1.05 to 1.1 times as long with it.
[[nodiscard, gnu::always_inline]] inline bool fetches_ahead(const Params& params) noexcept {
  return params.queue_size > 4 * kSlotsAhead;
}

/// The cache lines that nobody reads any more when the first `size` bytes of the `room` bytes at `address` have been read, and all before them:
/// from `first`, up to `end`. Where there is less room than a line has, there are most often none.
struct Lines {
  std::uintptr_t first;
  std::uintptr_t end;
};
[[nodiscard, gnu::always_inline]] constexpr Lines lines_done_with(std::uintptr_t address, std::uint64_t size, std::uint64_t room) noexcept {
  const std::uintptr_t end = address + std::min<std::uint64_t>(size + kCacheLine - 1, room);
  return {address - address % kCacheLine, end - end % kCacheLine};
}
[[gnu::always_inline]] inline void write_lines_back(const Lines& lines) noexcept {
  for (std::uintptr_t line = lines.first; line < lines.end; line += kCacheLine) write_line_back(line);
}

class HotPath {
 public:
  /// The try_ functions are for a process that has joined the heavy fences (waiting.h). `own`: the sender's copies of its fields of the header,
  /// or the header; `has_copies` says which: where the compiler knows it, there is less to ask. `tripwire`: layout.hpp. `pace`: of the end
  /// that uses it, or null: it learns nothing. `writes_back`: the receiver writes back what it has read.
  [[gnu::always_inline]] HotPath(SegmentHeader* header, SegmentHeader* own, std::byte* buffers, const Params& params,
                                 std::atomic<std::uint8_t>* tripwire, bool has_copies, Pace* pace, bool writes_back) noexcept
      : header_(header), own_(own), buffers_(buffers), params_(params), tripwire_(tripwire), has_copies_(has_copies),
        writes_back_(writes_back), pace_(pace) {}

  /// Copies `size` bytes in and publishes them. Error::ok, kUnconcluded or kUndone.
  [[nodiscard, gnu::always_inline]] Error try_send(const void* message, std::size_t size) noexcept {
    const std::uint32_t tail = own_->tail.load(std::memory_order_relaxed);  // our own index
    std::uint64_t next;
    if (!is_in_step() || !is_known_free(tail, next)) [[unlikely]] return kUndone;
    if (size > kShort || is_unheard_of(size)) [[unlikely]] return kUndone;
    std::byte* slot = slot_data(tail);
    write_length(tail, size);  // first, so that its index is not in the way of the copy: fewer registers have to be saved
    fetch_ahead(next);  // before the copy: after it, streams through the C API took 1.2 times as long
    copy_short(slot, message, size);
    return publish_slots(1, next, size);
  }

  /// The next free slot, to be written in place. Error::ok or kUndone.
  [[nodiscard, gnu::always_inline]] Slot try_loan() const noexcept {
    const std::uint32_t tail = own_->tail.load(std::memory_order_relaxed);  // our own index
    std::uint64_t next;
    if (!is_in_step() || !is_known_free(tail, next)) [[unlikely]] return {.error = kUndone};
    return {.index = tail, .data = slot_data(tail), .size = params_.message_size};
  }

  /// Sends the first `size` bytes of it. Error::ok, kUnconcluded or kUndone.
  [[nodiscard, gnu::always_inline]] Error try_publish(std::size_t size) noexcept {
    const std::uint32_t tail = own_->tail.load(std::memory_order_relaxed);  // our own index
    std::uint64_t next;
    if (!is_known_free(tail, next) || is_unheard_of(size)) [[unlikely]] return kUndone;
    return publish_slot(tail, next, size);
  }

  /// The oldest message, in place. Error::ok, empty or kUndone. `has_spun`: the caller has just left the
  /// sender's line alone.
  [[nodiscard, gnu::always_inline]] Slot try_peek(bool has_spun = false) const noexcept {
    const std::uint32_t head = header_->head.load(std::memory_order_relaxed);  // our own index
    if (head >= params_.queue_size || !is_tail_known()) [[unlikely]] return {.error = kUndone};
    const std::uint32_t known = header_->cached_tail.load(std::memory_order_relaxed);  // our own copy
    if (known == head) [[unlikely]] {
      const Error seen = look_for_one(head, has_spun);
      if (seen != Error::ok) return {.error = seen};
    }
    const std::uint64_t size = items()[head].load(std::memory_order_relaxed);  // after [message-ready]
    if (size > params_.message_size) [[unlikely]] return {.error = kUndone};
    if (known != head) fetch_received_ahead(head, known, size);
    return {.index = head, .data = slot_data(head), .size = static_cast<std::uint32_t>(size)};
  }

  /// The same, and takes it out. Error::ok, empty, kUnconcluded or kUndone.
  [[nodiscard, gnu::always_inline]] Slot try_receive(bool has_spun = false) noexcept {
    Slot slot = try_peek(has_spun);
    if (slot.error == Error::ok) slot.error = take_out(slot.index, after(slot.index));
    return slot;
  }

  /// Takes out what has been peeked at. Error::ok, kUnconcluded or kUndone.
  [[nodiscard, gnu::always_inline]] Error try_pop() noexcept {
    const std::uint32_t head = header_->head.load(std::memory_order_relaxed);  // our own index
    std::uint64_t next;
    const bool is_there = find_next(head, next) && header_->cached_tail.load(std::memory_order_relaxed) != head;  // our own copy
    if (!is_there || !is_tail_known()) [[unlikely]] return kUndone;
    return take_out(head, next);
  }

  /// Bytes of the slot kSlotsAheadInBatch after each loaned one that are to be fetched before it is written: 0 to kMostFetched.
  [[nodiscard]] std::uint16_t fetched_ahead() const noexcept {
    if (!fetches_ahead(params_)) return 0;
    return fetched_of(own_->largest.load(std::memory_order_relaxed));  // our own counter
  }
  /// How many slots, from the oldest message's on, a receiver may fetch before they are read: those that it knows to hold messages.
  [[nodiscard]] std::uint32_t fetchable() const noexcept {
    if (writes_back_) return 0;  // as in fetch_received_ahead()
    const std::uint32_t head = header_->head.load(std::memory_order_relaxed);   // our own index
    return distance(head, header_->cached_tail.load(std::memory_order_relaxed));  // our own copy
  }

 protected:
  /// Whether the sender's own copies are what the header says.
  [[nodiscard, gnu::always_inline]] bool is_in_step() const noexcept {
    return tripwire_[kSenderInStepOffset].load(std::memory_order_relaxed) != 0;  // written by the sender, or by the kernel
  }

  /// Whether the receiver's copy of the sender's index may be used: the sender is known to be zipc, and an existing one, which may
  /// have reset the queue, has not come since the copy was made, not even to leave again.
  [[nodiscard, gnu::always_inline]] bool is_tail_known() const noexcept {
    const std::uint32_t announced = header_->sender_features.load(std::memory_order_relaxed);  // on our line
    // Written by the receiver, or by the kernel.
    return (announced & tripwire_[kReceiverInStepOffset].load(std::memory_order_relaxed) & kFeatureAnnouncesSleep) != 0;
  }

  /// Whether a sender with copies of its own has nobody to wake and is told nothing: P3 of waiting.h.
  [[nodiscard, gnu::always_inline]] bool is_all_clear() const noexcept {
    const std::uint8_t said = tripwire_[kAllClearOffset].load(kOrderObserve);  // [sleep-announced] [moving]
    return (said & tripwire_->load(std::memory_order_relaxed)) != 0;           // as in known_features()
  }

  /// Whether slot `index`, our own index, is possible; then `next` becomes the one that comes after it.
  [[nodiscard, gnu::always_inline]] bool find_next(std::uint32_t index, std::uint64_t& next) const noexcept {
    next = std::uint64_t{index} + 1;
    if (next < params_.queue_size) [[likely]] return true;  // one branch for both questions
    const bool is_last = next == params_.queue_size;
    next = 0;
    return is_last;
  }

  /// Whether slot `tail`, our own index, is known to be free without a look at the receiver's; then `next` as above.
  [[nodiscard, gnu::always_inline]] bool is_known_free(std::uint32_t tail, std::uint64_t& next) const noexcept {
    return find_next(tail, next) && own_->cached_head.load(std::memory_order_relaxed) != next;  // our own copy
  }

  /// Of a sender of the slot before `next`: fetches the lines that a later message is written to, kSlotsAhead after it in
  /// long queues, the next one in short ones. The receiver has read them a lap ago, and a store waits until it has given them up; all that is
  /// waited for now is the line of the index. Where a line takes 110 ns there and back, a round trip of 64 bytes takes 0.7 times as long
  /// as with a fetch of all three lines when they are about to be written, and a stream through 8 to 32 slots 0.5 to 0.85 times; a stream of 64
  /// and 256 bytes through longer ones 0.9 to 0.7 times as long as without any, and 0.5 where a line takes 570 ns.
  [[gnu::always_inline]] void fetch_ahead(std::uint64_t next) const noexcept {
    const std::uint64_t later = next + (fetches_ahead(params_) ? kSlotsAhead - 1 : 0);
    fetch_all_for_writing(reinterpret_cast<std::uintptr_t>(buffers_) + later * params_.message_size, longest());
  }
  /// Of a receiver that knows all messages before `known`, and has read the length of that in slot `head`: fetches the one kSlotsAhead
  /// after it, if that is known, as if it were as long. Processors do so themselves, but only as far as they look ahead: where a line takes
  /// 300 to 450 ns there and back, streams of 64 bytes take 0.45 to 0.65 times as long with this.
  [[gnu::always_inline]] void fetch_received_ahead(std::uint32_t head, std::uint32_t known, std::size_t size) const noexcept {
    // Not distance(): where those that are known wrap around, either that message is one of them or its slot is past the end.
    // Where lines are written back, each is read when it is needed: with this streams take 1.05 times as long, a bare ring's 1.3 to 8.
    if (known - head <= kSlotsAhead || writes_back_) return;
    fetch_all_for_reading(reinterpret_cast<std::uintptr_t>(slot_data(head)) + std::uintptr_t{kSlotsAhead} * params_.message_size, size);
  }
  /// No message so far has had more bytes.
  [[nodiscard, gnu::always_inline]] std::uint32_t longest() const noexcept {
    const std::uint32_t most = params_.message_size;
    return most <= kCacheLine ? most : own_->largest.load(std::memory_order_relaxed);  // our own counter
  }

  /// Looks at the sender's index, in a dialogue, where a long pause before would be lost time and one message is all that is expected.
  /// Error::ok, empty or kUndone.
  [[nodiscard, gnu::always_inline]] Error look_for_one(std::uint32_t head, bool has_spun) const noexcept {
    if (pace_ == nullptr || !pace_->looks_at_once() || pace_->is_to_measure()) return kUndone;
    // Who has just looked in vain leaves the sender's line alone for a moment: a round trip takes 0.87 times as long (pace.hpp).
    const bool expects_one = pace_->expects_one();
    if (!has_spun && expects_one) {
      int left = pace_->pauses_between_looks();
      do spin_pause();
      while (--left != 0);
    }
    const std::uint32_t tail = header_->tail.load(kOrderObserve);  // [message-ready]
    // We wait by a doorbell, which has to be taken back first, or are told something.
    const std::uint32_t waiting = header_->waiters.load(std::memory_order_relaxed);        // our own word, on a line that is here
    if ((waiting | header_->notice_to_receiver.load(kOrderObserve)) != 0) return kUndone;  // [noticed] [moving]
    if (tail == head) {
      pace_->found_nothing();
      return Error::empty;
    }
    if (!expects_one || tail != after(head)) return kUndone;
    if (header_->deepest.load(std::memory_order_relaxed) == 0) return kUndone;  // our own counter
    pace_->found_one();
    header_->cached_tail.store(tail, std::memory_order_relaxed);  // our own copy
    return Error::ok;
  }

  /// Whether no message of that size has been sent before. The header may say more than message_size: somebody else wrote it.
  [[nodiscard, gnu::always_inline]] bool is_longest(std::size_t size) const noexcept {
    return size > own_->largest.load(std::memory_order_relaxed);  // our own counter
  }
  /// The same, or it is too long. In the sender's copies nothing is: catch_up().
  [[nodiscard, gnu::always_inline]] bool is_unheard_of(std::size_t size) const noexcept {
    return is_longest(size) || (!has_copies_ && size > params_.message_size);
  }

  /// Publishes a slot that is written; `next` comes after it. Error::ok or kUnconcluded.
  [[nodiscard, gnu::always_inline]] Error publish_slot(std::uint32_t index, std::uint64_t next, std::size_t size) noexcept {
    write_length(index, size);
    const Error error = publish_slots(1, next, size);
    fetch_ahead(next);  // after it: before, round trips took 1.1 times as long
    return error;
  }
  [[gnu::always_inline]] void write_length(std::uint32_t index, std::uint64_t size) noexcept {
    ZIPC_TEST_POINT("publish.before-length");
    ItemLength& length = items()[index];
    // Of the message that was here a lap ago, by now most often the same. Then nobody has to take the line from the receiver, which reads
    // all that it needs there without waiting: without this, round trips of 64 bytes take 1.5 times as long, and streams 1.05. What is read
    // here, whoever wrote it, the receiver reads, or something later: it acquires our index after this load (read-read coherence).
    if (length.load(std::memory_order_relaxed) == size) return;
    length.store(size, std::memory_order_relaxed);  // before [message-ready]
    // Lengths that differ will do so again: once for all those of a line, as fetch_ahead().
    const std::uintptr_t ahead = reinterpret_cast<std::uintptr_t>(&length) + kSlotsAhead * sizeof(ItemLength);
    if (ahead % kCacheLine == 0 && fetches_ahead(params_)) fetch_for_writing(ahead);
  }

  /// Publishes the `count` slots before `next`, which are written. `bytes`: all of them.
  [[nodiscard, gnu::always_inline]] Error publish_slots(std::uint32_t count, std::uint64_t next, std::uint64_t bytes) noexcept {
    ZIPC_TEST_POINT("publish.after-length");
    count_sent(count, bytes);
    ZIPC_TEST_POINT("publish.after-bytes-sent");
    // First, so that who goes on in our place, should we be killed here, does not write to that slot again. Where it is the header's,
    // it is published below.
    if (has_copies_) own_->tail.store(static_cast<std::uint32_t>(next), std::memory_order_relaxed);  // our own index
    ZIPC_TEST_POINT("publish.before-tail");
    header_->tail.store(static_cast<std::uint32_t>(next), kOrderPublish);  // [message-ready]
    ZIPC_TEST_POINT("publish.after-tail");
    light_fence();  // [sleep-announced] [moving]: what decides about the fence is read after the index is published, too
    ZIPC_TEST_POINT("wake.after-fence");
    if (has_copies_) [[likely]] return is_all_clear() ? Error::ok : kUnconcluded;
    return look_at_receiver();
  }

  /// Whether there is more to do for a sender that has published; an existing receiver may sleep, whatever its predecessor has announced.
  [[nodiscard, gnu::always_inline]] Error look_at_receiver() const noexcept {
    return look_whom_to_wake(known_features(header_->receiver_features), header_->waiters, header_->notice_to_sender);
  }

  /// Gives slot `head`, the oldest message's, back; `next` comes after it. Error::ok or kUnconcluded.
  [[nodiscard, gnu::always_inline]] Error take_out(std::uint32_t head, std::uint64_t next) noexcept {
    if (writes_back_) {
      // Not the slot itself: what was received may be read until the next call. In a dialogue there is no time for it: 1 KiB 1.05 times.
      const bool is_stream = header_->cached_tail.load(std::memory_order_relaxed) != next;  // our own copy
      if (is_stream) write_back(before(head));
    }
    return free_slots(1, next);
  }
  /// Writes back what of slot `index`, which is still the receiver's, and those before has been read.
  [[gnu::always_inline]] void write_back(std::uint32_t index) const noexcept {
    const std::uint64_t size = items()[index].load(std::memory_order_relaxed);  // read before
    write_lines_back(lines_done_with(reinterpret_cast<std::uintptr_t>(slot_data(index)), size, params_.message_size));
    if (index % kLengthsInLine == kLengthsInLine - 1) write_lengths_back(index);
  }
  /// Writes back the line of lengths that slot `last` ends, if they differ, and so were written: write_length().
  [[gnu::always_inline]] void write_lengths_back(std::uint32_t last) const noexcept {
    const ItemLength& length = items()[last];
    const ItemLength& first = items()[last - (kLengthsInLine - 1)];
    const bool differ = length.load(std::memory_order_relaxed) != first.load(std::memory_order_relaxed);  // read before
    if (differ) write_line_back(reinterpret_cast<std::uintptr_t>(&length));
  }

  /// Gives the `count` slots before `next` back. Error::ok or kUnconcluded.
  [[nodiscard, gnu::always_inline]] Error free_slots(std::uint32_t count, std::uint64_t next) noexcept {
    ZIPC_TEST_POINT("free.before-received");
    bump(header_->received, count);
    ZIPC_TEST_POINT("free.before-head");
    header_->head.store(static_cast<std::uint32_t>(next), kOrderPublish);  // [slot-free]
    ZIPC_TEST_POINT("free.after-head");
    light_fence();  // [sleep-announced] [moving]: as above
    ZIPC_TEST_POINT("free.after-fence");
    // An existing sender never sleeps.
    const std::uint32_t announced = header_->sender_features.load(std::memory_order_relaxed);  // on our line
    return look_whom_to_wake(announced, header_->sender_waiting, header_->notice_to_receiver);
  }

  /// P3 of waiting.h, and a look at our own notice: Error::ok if the peer, which has announced `features`, lets a light fence do
  /// for P2, and there is nothing else to do. Otherwise kUnconcluded.
  [[nodiscard, gnu::always_inline]] static Error look_whom_to_wake(std::uint32_t features,
                                                                   const std::atomic<std::uint32_t>& waiting,
                                                                   const std::atomic<std::uint32_t>& notice) noexcept {
    // One branch for all: with one each a stream of 64-byte messages takes 1.1 to 1.2 times as long.
    std::uint32_t else_to_do = (features & kFeaturesOfKnown) ^ kFeaturesOfKnown;
    else_to_do |= waiting.load(kOrderObserve) | notice.load(kOrderObserve);  // [sleep-announced], [moving]
    if (else_to_do == 0) [[likely]] return Error::ok;
    return kUnconcluded;
  }

  /// Whether the peer that announced `peer_features` is still the one we share the segment with.
  [[nodiscard, gnu::always_inline]] bool is_zipc(const std::atomic<std::uint32_t>& peer_features) const noexcept {
    return (known_features(peer_features) & kFeatureAnnouncesSleep) != 0;
  }
  /// What the peer has announced, as far as it is still the one we share the segment with.
  [[nodiscard, gnu::always_inline]] std::uint32_t known_features(const std::atomic<std::uint32_t>& peer_features) const noexcept {
    // On our line, and a byte that the kernel zeroes, and that is set again at attach.
    return peer_features.load(std::memory_order_relaxed) & tripwire_->load(std::memory_order_relaxed);
  }

  /// One writer: no exchange. Still it can only be seen whole.
  [[gnu::always_inline]] static void bump(std::atomic<std::uint64_t>& counter, std::uint64_t by) noexcept {
#if defined(__x86_64__) && !defined(ZIPC_TSAN)
    asm volatile("add{q %1, %0| %0, %1}" : "+m"(counter) : "er"(by) : "cc");  // compilers make three instructions of it
#else
    counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);  // our own counter
#endif
  }

  /// Counts in the sender's own copies, and writes the header's. Each counter can only be seen whole.
  [[gnu::always_inline]] void count_sent(std::uint64_t count, std::uint64_t bytes) noexcept {
#if defined(__SSE2__) && !defined(ZIPC_TSAN) && !defined(ZIPC_TEST_POINTS)
    // Both at once: one load and two stores in place of two and four. Processors store each of the two words whole.
    static_assert(offsetof(SegmentHeader, bytes_sent) == offsetof(SegmentHeader, sent) + sizeof(std::uint64_t));
    __m128i counted;
    asm("movdqu {%1, %0|%0, %1}" : "=x"(counted) : "m"(own_->sent), "m"(own_->bytes_sent));
    counted = _mm_add_epi64(counted, _mm_set_epi64x(static_cast<std::int64_t>(bytes), static_cast<std::int64_t>(count)));
    const auto store = [&counted](SegmentHeader& to) {
      asm volatile("movdqu {%2, %0|%0, %2}" : "=m"(to.sent), "=m"(to.bytes_sent) : "x"(counted));
    };
    store(*own_);
    store(*header_);
#else
    const auto count_up = [this](std::atomic<std::uint64_t> SegmentHeader::* counter, std::uint64_t by) {
      const std::uint64_t counted = (own_->*counter).load(std::memory_order_relaxed) + by;  // our own counter
      (own_->*counter).store(counted, std::memory_order_relaxed);                           // the same
      (header_->*counter).store(counted, std::memory_order_relaxed);                        // the same
    };
    count_up(&SegmentHeader::sent, count);
    ZIPC_TEST_POINT("publish.after-sent");
    count_up(&SegmentHeader::bytes_sent, bytes);
#endif
  }

  /// `count` is less than queue_size.
  [[nodiscard, gnu::always_inline]] std::uint32_t after(std::uint32_t index, std::uint32_t count = 1) const noexcept {
    const std::uint32_t there = index + count;
    if (there < params_.queue_size) [[likely]] return there;
    return there - params_.queue_size;
  }
  [[nodiscard, gnu::always_inline]] std::uint32_t before(std::uint32_t index) const noexcept {
    return (index == 0 ? params_.queue_size : index) - 1;
  }
  [[nodiscard]] std::uint32_t distance(std::uint32_t from, std::uint32_t to) const noexcept {
    return to >= from ? to - from : to + params_.queue_size - from;
  }
  /// How many slots are free when the receiver is at `head` and the sender at `tail`.
  [[nodiscard]] std::uint32_t free_before(std::uint32_t head, std::uint32_t tail) const noexcept {
    return params_.queue_size - 1 - distance(head, tail);
  }
  [[nodiscard, gnu::always_inline]] std::byte* slot_data(std::uint32_t index) const noexcept {
    return buffers_ + std::size_t{index} * params_.message_size;
  }
  [[nodiscard, gnu::always_inline]] ItemLength* items() const noexcept { return reinterpret_cast<ItemLength*>(header_ + 1); }

  SegmentHeader* header_;
  SegmentHeader* own_;
  std::byte* buffers_;
  Params params_;
  std::atomic<std::uint8_t>* tripwire_;
  bool has_copies_;
  bool writes_back_;
  Pace* pace_;
};

}  // namespace zipc
