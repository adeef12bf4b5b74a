/// Sleeping until a word of shared memory changes, waking who sleeps on it, and the fences that make it safe to skip
/// the wake. Ring.h is the only user.
///
/// *Why no wake-up is ever lost.* Each side of a channel has an index that only it writes, and a waiting word that only
/// the other side writes. The publisher (P) stores its index and then looks at the waiting word; the sleeper (S)
/// announces itself in the waiting word, looks at the index once more, and only then sleeps:
///
///       P1  index = next                  S1  waiting = 1
///       P2  fence                         S2  fence                              [sleep-announced]
///       P3  if (waiting != 0) wake        S3  if (index != seen) do not sleep
///                                         S4  futex_waitv(index, seen; notice, noticed)
///
/// It is Dekker's handshake: with a full fence at P2 and at S2, P3 and S3 cannot both miss the other's store. If S3 sees
/// the new index, S does not sleep. If P3 sees the announcement, P wakes: either S is inside S4 and is woken, or it has
/// not got there and the kernel, which compares index with seen under its own lock, returns at once.
///
/// The notice word (layout.h) is a second one to sleep on, for what the peer cannot say itself: that it has died, that the
/// channel has other memory. Who writes it wakes always; S3 has read it, and the kernel compares it as well.
///
/// *Every* publication while `waiting` stands wakes. A wake may meet nobody: P may look late, after S has consumed what it
/// published and has announced its next sleep, but before S4. To wake once for each announcement would then lose the wake-up of
/// the next publication; a test that hung has shown it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace zipc {

using Clock = std::chrono::steady_clock;

/// Until when to wait. Clock::time_point::max() means for ever, and min() means not at all.
using Deadline = Clock::time_point;
inline constexpr Deadline kForever = Deadline::max();
inline constexpr Deadline kNoWait = Deadline::min();

/// `timeout` from now; kForever when that is beyond the clock's range.
[[nodiscard]] inline Deadline deadline_after(std::chrono::nanoseconds timeout) noexcept {
  if (timeout <= std::chrono::nanoseconds::zero()) return kNoWait;
  const auto now = Clock::now();
  return timeout >= kForever - now ? kForever : now + timeout;
}
[[nodiscard]] inline Deadline deadline_after(std::chrono::milliseconds timeout) noexcept {
  if (timeout > std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::nanoseconds::max())) return kForever;
  return deadline_after(std::chrono::nanoseconds(timeout));
}

// ThreadSanitizer does not model fences. Its build uses seq_cst operations in their place: the same handshake, slower.
#if defined(__SANITIZE_THREAD__)
#define ZIPC_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ZIPC_TSAN 1
#endif
#endif

#ifdef ZIPC_TSAN
inline constexpr std::memory_order kOrderPublish = std::memory_order_seq_cst;   // P1, S1
inline constexpr std::memory_order kOrderObserve = std::memory_order_seq_cst;   // P3, S3
inline constexpr std::memory_order kOrderAnnounce = std::memory_order_seq_cst;
inline void full_fence() noexcept {}
#else
inline constexpr std::memory_order kOrderPublish = std::memory_order_release;  // [message-ready], [slot-free]
inline constexpr std::memory_order kOrderObserve = std::memory_order_acquire;  // their other halves
inline constexpr std::memory_order kOrderAnnounce = std::memory_order_relaxed;  // ordered by the fences of the handshake
inline void full_fence() noexcept { std::atomic_thread_fence(std::memory_order_seq_cst); }
#endif

/// A word of shared memory, and what was read there.
struct Sighting {
  const std::atomic<std::uint32_t>& word;
  std::uint32_t seen;
};

/// Sleeps until either word is not what was seen, somebody wakes one, or `deadline` has passed; may return early for no
/// reason. Cost: a system call (futex), or sleeps of 50 us to 1 ms between looks (polling).
void wait_while_unchanged(const Sighting& index, const Sighting& notice, Deadline deadline) noexcept;

/// Wakes one process that sleeps on `word`. Cost: a system call; nothing where sleepers poll.
void wake_one(const std::atomic<std::uint32_t>& word) noexcept;

/// What a waiting word says: when the sleep began, in milliseconds of the clock, as far as 31 bits go; not 0.
[[nodiscard]] inline std::uint32_t waiting_stamp() noexcept {
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now().time_since_epoch());
  return (static_cast<std::uint32_t>(now.count()) & 0x7FFFFFFF) | 1;
}
/// For how long the side with this waiting word has been asleep.
[[nodiscard]] inline std::chrono::milliseconds asleep_since(std::uint32_t stamp) noexcept {
  return std::chrono::milliseconds((waiting_stamp() - stamp) & 0x7FFFFFFF);
}

/// A hint to the processor that this is a spinning loop.
inline void spin_pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

/// How often to look before sleeping: 0 on a single processor, where spinning only keeps the peer from running.
[[nodiscard]] int spin_limit() noexcept;

}  // namespace zipc
