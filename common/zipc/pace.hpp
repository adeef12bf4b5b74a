/// What one end of a channel has learnt about the other's rhythm.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace zipc {

/// A hint to the processor that this is a spinning loop.
inline void spin_pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

/// How often one end of a channel looks at the other's index, and how long it spins before it sleeps, learnt from its
/// recent looks. It is a guess: any value is correct. Zeros are a beginning.
///
/// Every look takes the peer's cache line away, just when it may be about to be written. In a dialogue it has to be so:
/// what is looked for comes one at a time, and more than one pause is lost time. In a stream a longer one before the look lets
/// the peer do a whole batch meanwhile: where a cache line goes forth and back in 230 ns, a bare ring passes a 64-byte message in 13.6 ns
/// (middle half of the runs: 13.1 to 14.3) with 780 ns before each look, and in 15.0 (12.8 to 24.8) with 50.
class Pace {
 public:
  /// Before a look: how many spin_pause()s to let pass. One takes from 6 to 60 ns: hence counted in beats.
  [[nodiscard]] int pauses() const noexcept { return looks_at_once() ? 0 : pauses_of(spin_limit()); }
  /// The same where spin_limit() is `limit`.
  [[nodiscard]] int pauses_of(int limit) const noexcept { return limit * beats_ / kBeatsInSpinTime; }
  /// Whether pauses() is 0, without asking how long one takes, which is measured when it is asked first.
  [[nodiscard]] bool looks_at_once() const noexcept { return beats_ == 0; }
  /// A receiver has looked, and found so many messages in a queue of `slots`.
  void found_messages(std::uint32_t count, std::uint32_t slots) noexcept {
    const bool is_dialogue = count == 0 || (count == 1 && had_nothing_);  // or the stream has ended
    if (is_dialogue) beats_ >>= 1;
    else found(count, std::min(kGoodBatch, slots / 4), std::min(kMostBeats, slots / 16));
    had_nothing_ = count == 0;
  }
  /// The same, where there is nothing to learn and so no pause: whether the one message that was found is part of a dialogue, in
  /// which the receiver has looked in vain before. One by one without that, it is a stream that is met at its sender's heels.
  [[nodiscard]] bool expects_one() const noexcept { return beats_ == 0 && had_nothing_; }
  void found_one() noexcept { had_nothing_ = false; }
  void found_nothing() noexcept { had_nothing_ = true; }
  /// A sender that had filled the queue has looked, and found so many free slots. It is the receiver that is slow, so
  /// it can be left alone for longer.
  void found_space(std::uint32_t count, std::uint32_t slots) noexcept {
    found(count, slots / 4, std::min(kMostBeats, slots / 16));
  }

  /// The spin_pause()s in kSpinTime; 0 on a single processor, where spinning only keeps the peer from running.
  [[nodiscard]] static int spin_limit() noexcept;
  /// How many spin_pause()s to spend before sleeping.
  [[nodiscard]] int spins() const noexcept { return spins_of(spin_limit()); }
  /// The same where spin_limit() is `limit`.
  [[nodiscard]] int spins_of(int limit) const noexcept { return limit >> shrunk_; }
  /// Spinning has found what it waited for.
  void spun() noexcept { in_vain_ = 0; }
  /// It was asleep for so long: next time it spins for longer if that would have been enough, for shorter if not. If it has spun
  /// in vain again and again, and slept briefly then, the peer had to wait for this processor: for a while it does not spin.
  void slept(std::chrono::nanoseconds duration) noexcept {
    if (duration > kSpinTime) {
      shrunk_ = static_cast<std::uint8_t>(std::min(shrunk_ + 1, kMostShrunk));
      return;
    }
    in_vain_ = static_cast<std::uint8_t>((in_vain_ + 1) % kTryAgain);
    shrunk_ = static_cast<std::uint8_t>(in_vain_ > kVainAtFirst ? kMostShrunk : 0);
  }

 private:
  static constexpr std::chrono::microseconds kSpinTime{25};  // about what a sleep and a wake-up cost
  static constexpr int kBeatsInSpinTime = 2048;  // a beat: 12 ns
  // With 17 (a receiver) or 34 (a sender) and batches of 32, streams of 64 bytes are 0.92 times as fast.
  static constexpr unsigned kMostBeats = 63;
  static constexpr unsigned kGoodBatch = 64;  // messages found at once that are worth a look
  static constexpr int kMostShrunk = 4;
  static constexpr int kVainAtFirst = 2;  // so often spinning in vain is no reason yet
  static constexpr int kTryAgain = 64;    // after so many short sleeps it spins again, to see whether it helps now

  /// A batch of `count`, where `good` would be enough. If it is less, waits for longer next time, at most `most` beats.
  void found(std::uint32_t count, std::uint32_t good, std::uint32_t most) noexcept {
    if (count < good) beats_ = static_cast<std::uint8_t>(std::min(beats_ * 2u + 1u, most));
    if (count > 4 * good) beats_ >>= 1;
  }

  std::uint8_t beats_ = 0;    // before a look
  std::uint8_t shrunk_ = 0;   // how often spins() is halved
  std::uint8_t in_vain_ = 0;  // short sleeps since spinning last found something, modulo kTryAgain
  bool had_nothing_ = false;  // at the last look
};

}  // namespace zipc
