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
/// Every look takes the peer's cache line away, just when it may be about to be written. In a stream a pause before the look lets
/// the peer do a whole batch meanwhile: where a cache line goes forth and back in 230 ns, a bare ring passes a 64-byte message in 13.6 ns
/// (middle half of the runs: 13.1 to 14.3) with 780 ns before each look, and in 15.0 (12.8 to 24.8) with 50.
///
/// In a dialogue what is looked for comes one at a time, and a long pause is lost time; but a look that comes too early takes the line away
/// for as long as it travels, and makes the peer wait for it. So the time between looks is half of what a look takes that finds something,
/// which is measured now and then (Ring::look_and_learn). Where a line takes 320 ns there and back, one pause instruction of 15 ns between looks
/// makes eleven of them, and a round trip of 64 bytes takes 535 ns; with four it is 454, with six 442 (a bare ring: 566, 476 and 475). Where it
/// takes 110 ns, and a pause 31, one is best: with four, a round trip of 1 KiB takes 1.08 times as long.
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
    const bool is_dialogue = count == 0 || (count == 1 && had_nothing());  // or the stream has ended
    if (is_dialogue) beats_ >>= 1;
    else found(count, std::min(kGoodBatch, slots / 4), std::min(kMostBeats, slots / 16));
    count == 0 ? found_nothing() : found_one();
  }
  /// Whether one message is what the next look will find, if any: no stream is known, and the last look was in vain. One by one without
  /// that, it is a stream that is met at its sender's heels.
  [[nodiscard]] bool expects_one() const noexcept { return beats_ == 0 && had_nothing(); }
  void found_one() noexcept { looks_ = static_cast<std::uint8_t>((looks_ + 1) & ~kHadNothing); }
  void found_nothing() noexcept { looks_ |= kHadNothing; }
  /// Whether the next look is to be measured, and look_took() to be called: every 128th that finds something.
  [[nodiscard]] bool is_to_measure() const noexcept { return (looks_ & kMeasured) == kMeasured; }
  /// A receiver has found something by a look that took as long as `pauses` spin_pause()s.
  void look_took(int pauses) noexcept {
    if (pauses > kInterrupted) return;
    const int good = std::clamp((pauses + 1) / 2, 1, kMostBetweenLooks);
    const int now = pauses_between_looks();  // one step at a time: once may be chance
    if (good > now) ++more_between_looks_;
    if (good < now) --more_between_looks_;
  }
  /// In a dialogue, after a look in vain: how many spin_pause()s to let pass before the next, 1 to kMostBetweenLooks.
  [[nodiscard]] int pauses_between_looks() const noexcept { return 1 + more_between_looks_; }
  static constexpr int kMostBetweenLooks = 8;  // at most 16: more_between_looks_
  /// A sender that had filled the queue has looked, and found so many free slots. It is the receiver that is slow, so
  /// it can be left alone for longer; but not for so long that it comes near to the sender's heels, where it writes lines back
  /// (write_back.h): streams of 64 bytes copied in through the C API take 0.4 to 0.5 times as long with 3 to 15 beats as with 63.
  void found_space(std::uint32_t count, std::uint32_t slots, bool writes_back) noexcept {
    constexpr unsigned kMostBeatsWhereWrittenBack = 15;
    found(count, slots / 4, std::min(writes_back ? kMostBeatsWhereWrittenBack : kMostBeats, slots / 16));
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
  /// in vain again and again, and slept briefly then, the peer had to wait for this processor: for a while it spins a sixteenth of
  /// the time.
  void slept(std::chrono::nanoseconds duration) noexcept {
    if (duration > kSpinTime) {
      if (shrunk_ < kMostShrunk) ++shrunk_;
      return;
    }
    in_vain_ = static_cast<std::uint8_t>((in_vain_ + 1) % kTryAgain);
    shrunk_ = in_vain_ > kVainAtFirst ? kMostShrunk : 0;
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

  static constexpr std::uint8_t kHadNothing = 0x80;  // in looks_: at the last look
  static constexpr std::uint8_t kMeasured = 0x7F;    // in looks_: while all are 1
  static constexpr int kInterrupted = 128;           // pauses: no line travels for as long
  [[nodiscard]] bool had_nothing() const noexcept { return (looks_ & kHadNothing) != 0; }

  /// A batch of `count`, where `good` would be enough. If it is less, waits for longer next time, at most `most` beats.
  void found(std::uint32_t count, std::uint32_t good, std::uint32_t most) noexcept {
    if (count < good) beats_ = static_cast<std::uint8_t>(std::min(beats_ * 2u + 1u, most));
    if (count > 4 * good) beats_ >>= 1;
  }

  std::uint8_t beats_ = 0;    // before a look
  std::uint8_t shrunk_ : 4 = 0;  // how often spins() is halved
  std::uint8_t more_between_looks_ : 4 = 0;
  std::uint8_t in_vain_ = 0;  // short sleeps since spinning last found something, modulo kTryAgain
  std::uint8_t looks_ = 0;    // of a receiver: how many have found something, modulo 128; and kHadNothing
};

}  // namespace zipc
