/// Sleeping until a word of shared memory changes, waking who sleeps on it, and the fences that make it safe to skip
/// the wake. Who waits in a ring (ring.h) and who joins it are the users.
///
/// *Why no wake-up is ever lost.* Each side of a channel has an index that only it writes, and a waiting word that only
/// the other side writes. The publisher (P) stores its index and then looks at the waiting word; the sleeper (S)
/// announces itself in the waiting word, looks at the index once more, and only then sleeps:
///
///       P1  index = next                  S1  waiting = 1
///       P2  light fence                   S2  heavy fence                        [sleep-announced]
///       P3  if (waiting != 0) wake        S3  if (index != seen) do not sleep
///                                         S4  futex_waitv(index, seen; notice, noticed)
///
/// It is Dekker's handshake: with a full fence at P2 and at S2, P3 and S3 cannot both miss the other's store. If S3
/// sees the new index, S does not sleep. If P3 sees the announcement, P wakes: either S is inside S4 and is woken, or
/// it has not got there and the kernel, which compares index with seen under its own lock, returns at once.
///
/// A full fence in every P2 would cost more than the rest of the message. So S pays for both where it can: its heavy
/// fence (Linux: membarrier) makes every processor that runs a thread of a process that has joined pass a full fence
/// while it lasts. If the heavy fence meets P before P1, P3 comes after S2, and sees S1; if after, S3 sees P1. P2 then only
/// keeps the compiler from swapping P1 and P3. P relies on it if P's process has joined and S has announced
/// kFeatureFencesForBoth; otherwise P2 is a full fence. An S that has not joined makes a full fence, too, and beside a
/// P that has, sleeps for a limited time: P may not have seen yet that another S was there before.
///
/// Where P is a sender, the waiting word stands on the line that S polls, which P has lost as soon as its index is out. So P3
/// looks at one byte elsewhere, the all-clear (layout.hpp), which says that P has looked at the rest and that nothing has changed
/// since; where it does not, P makes a full fence and looks:
///
///       P3  if (all_clear) done                  S1   waiting = 1; all_clear = 0 (exchange)
///           full fence; if (waiting != 0) wake   S2 to S4 as above
///           else all_clear = about to (exchange)
///                if (waiting == 0) all_clear = 1, if it is "about to" (compare and exchange)
///
/// To the proof above, the byte is what waiting was: S1 writes it before S2, and P3 reads it after P2. That P does not write 1 over it
/// unawares: if its first exchange comes after S's, it reads the 0 of S, or one that came after it, and so sees S1 when it looks
/// again; if before, the second fails, or comes before S's, too. Who else makes it 0 does so by an atomic change, never by a store,
/// and so hands on what S has written (a release sequence); but for the kernel, which makes the tripwire 0, too. P may be killed at
/// any step: "about to" is not clear. Where the diagram says `waiting`, P looks at all of the receiver that matters, its features
/// included; so the receiver makes the byte 0 also when it comes and when it leaves. A notice that the channel moves is given in
/// the same way, with the broker for S. That a peer has gone need not: P is told when the queue is full. Beside the byte P3 looks at
/// the tripwire, so that an existing receiver is met whichever of the two bytes the kernel makes 0 first. Who maps a channel's file
/// by itself and brings it as memory of its own, which has no such byte, must not follow a receiver of zipc that was killed.
///
/// The notice word (layout.hpp) is a second one to sleep on, for what the peer cannot say itself: that it has died, that
/// the channel has other memory. Who writes it wakes always; S3 has read it, and the kernel compares it as well.
///
/// *A side that polls a descriptor* (zipc_fd) does the same, but that S4 is elsewhere, in the program's event loop, and that
/// the kernel compares nothing there. In its place the wake-up is one that stays: P rings a doorbell (doorbell.h), and
/// the descriptor is readable until S takes the rings away, which it does before S1 only:
///
///       P1  index = next                       S0  take the doorbell's rings away              [doorbell]
///       P2  light fence                        S1  waiting = kByDoorbell | number
///       P3  if (waiting & kByDoorbell)         S2  heavy fence                                 [sleep-announced]
///             exchange it for 0                S3  if (index != seen) waiting = 0, make it readable
///             ring the doorbell   [doorbell]   S4' answer that there is nothing; the program polls
///
/// If P3 sees the announcement, P rings: after S0, then the descriptor is readable in S4'; or before the S0 of S's next
/// announcement, and then what S takes away there happened after P1 (the kernel orders send and receive of a socket), so
/// that the S3 behind it sees the new index. If P3 does not see it, S3 sees the index; or P has taken it back before, and
/// its one ring stays for all that it publishes until S announces itself again. P takes it back first: once it has rung,
/// what it finds there may be S's next announcement. If it then can find nobody who rings, it restores it, and its next
/// publication tries again. Where S takes the announcement back it makes the descriptor readable itself, for P, which does not ring any more,
/// may have published again: the descriptor is readable unless the last call has found nothing. P rings the doorbell that
/// the broker says the role has; should it be another one than S polls, S is told so: by a connection to the broker that
/// ends (it was restarted), or by a doorbell that is void. Whoever writes the notice leaves it to the broker to ring.
///
/// *Asleep, every* publication while `waiting` stands wakes. A wake may meet nobody: P may look late, after S has consumed
/// what it published and has announced its next sleep, but before S4. To wake once for each announcement would then lose
/// the wake-up of the next publication; a test that hung has shown it.
///
/// tests/model/handshake.pml, doorbell.pml and litmus check all of this, and what goes wrong where a piece is missing.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

#include <zipc/order.hpp>
#include <zipc/pace.hpp>

namespace zipc {

using Clock = std::chrono::steady_clock;

/// Until when to wait. Clock::time_point::max() means for ever, and min() means not at all.
using Deadline = Clock::time_point;
inline constexpr Deadline kNoDeadline = Deadline::max();
inline constexpr Deadline kNoWait = Deadline::min();

/// `timeout` from now; kNoDeadline when that is beyond the clock's range.
[[nodiscard]] inline Deadline deadline_after(std::chrono::nanoseconds timeout) noexcept {
  if (timeout <= std::chrono::nanoseconds::zero()) return kNoWait;
  const auto now = Clock::now();
  return timeout >= kNoDeadline - now ? kNoDeadline : now + timeout;
}
[[nodiscard]] inline Deadline deadline_after(std::chrono::milliseconds timeout) noexcept {
  if (timeout > std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::nanoseconds::max())) return kNoDeadline;
  return deadline_after(std::chrono::nanoseconds(timeout));
}

/// Has the heavy fences of all processes reach this one from now on, if the system can do that. Returns whether it can,
/// and so whether this process can make them. ZIPC_MEMBARRIER=off in the environment: no. Cost: a system call, the
/// first time.
[[gnu::cold]] bool join_heavy_fences() noexcept;
/// Makes one, with the effect of a full fence here. False: it could not be made. Cost: a system call, which interrupts
/// every processor on which a process that has joined runs just now.
[[gnu::cold]] bool heavy_fence() noexcept;

namespace detail {
extern std::atomic<bool> joined_heavy_fences;
}
/// Whether join_heavy_fences() has succeeded.
[[nodiscard]] inline bool has_joined_heavy_fences() noexcept {
  return detail::joined_heavy_fences.load(std::memory_order_relaxed);  // set by this process, before it announces itself
}

/// A word of shared memory, and what was read there. It synchronises with nothing: whoever sees that it has changed looks again.
struct Sighting {
  explicit Sighting(const std::atomic<std::uint32_t>& where) noexcept : word(where) { look(); }
  void look() noexcept { seen = word.load(std::memory_order_relaxed); }  // see above
  [[nodiscard]] bool has_changed() const noexcept { return word.load(std::memory_order_relaxed) != seen; }  // the same

  const std::atomic<std::uint32_t>& word;
  std::uint32_t seen = 0;
};

/// Sleeps until either word is not what was seen, somebody wakes one, or `deadline` has passed; may return early for no
/// reason. Cost: a system call (futex), or sleeps of 50 us to 1 ms between looks (polling).
[[gnu::cold]] void wait_while_unchanged(const Sighting& index, const Sighting& notice, Deadline deadline) noexcept;

/// Naps between looks, for who is not woken: 50 us at first, each twice as long as the one before, 1 ms at most.
class Naps {
 public:
  /// Takes the next, which ends at `deadline` at the latest. Cost: a system call, and what the kernel adds to its length.
  [[gnu::cold]] void take(Deadline deadline) noexcept;

 private:
  std::chrono::microseconds next_{50};
};

/// Lets another thread run that wants this processor, if there is one. Cost: a system call.
[[gnu::cold]] void give_way() noexcept;

/// Wakes one process that sleeps on `word`. Cost: a system call; nothing where sleepers poll.
[[gnu::cold]] void wake_one(const std::atomic<std::uint32_t>& word) noexcept;

/// In a waiting word: the side waits by its doorbell (doorbell.h), whose number the other bits are.
inline constexpr std::uint32_t kByDoorbell = 1u << 31;

/// What a waiting word says otherwise: when the sleep began, in milliseconds of the clock, as far as 31 bits go; not 0.
[[nodiscard]] inline std::uint32_t waiting_stamp() noexcept {
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now().time_since_epoch());
  return (static_cast<std::uint32_t>(now.count()) & ~kByDoorbell) | 1;
}
/// For how long the side with this waiting word has been asleep.
[[nodiscard]] inline std::chrono::milliseconds asleep_since(std::uint32_t stamp) noexcept {
  return std::chrono::milliseconds((waiting_stamp() - stamp) & ~kByDoorbell);
}

inline void spin_pauses(int count) noexcept {
  for (; count > 0; --count) spin_pause();
}

/// A clock for very short times, read between the loads before and those after it: the processor's counter, in units of its own.
[[nodiscard]] inline std::uint64_t ticks() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_lfence();
  const std::uint64_t count = __builtin_ia32_rdtsc();
  __builtin_ia32_lfence();
  return count;
#elif defined(__aarch64__)
  std::uint64_t count;
  asm volatile("dsb ld\n\tisb\n\tmrs %0, cntvct_el0\n\tisb" : "=r"(count) : : "memory");
  return count;
#endif
}
/// How many spin_pause()s take as long as so many ticks() between two readings. Cost: the first time, some ten microseconds.
[[nodiscard]] int pauses_in(std::uint64_t ticks) noexcept;

}  // namespace zipc
