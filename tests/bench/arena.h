/// Memory that the two sides of a measurement share besides the contestant's own: start signals, the results, and two cache
/// lines for the raw round trip. Made by the parent before it forks.
#pragma once

#include <sched.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace zipc::bench {

/// Nanoseconds of the clock that all processes share.
[[nodiscard]] inline std::uint64_t now_ns() noexcept {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1));
}

/// Whether both sides share one core, where who waits must let the other run.
inline bool shares_core = false;

/// Waits without sleeping. No pause instruction: on some processors it is longer than what is measured. The same for all.
template <typename Condition>
inline void spin_until(Condition condition) noexcept {
  while (!condition()) {
    if (shares_core) [[unlikely]] sched_yield();
  }
}

struct alignas(128) Line {  // 128: some processors fetch lines in pairs
  std::atomic<std::uint64_t> value{0};
};

/// What a measurement may find out; times and sleeps are per message or round trip. `receive_ns` goes with Workload::send_alone,
/// whose `ns` is for sending; `blocks` is how many `ns` is the median of.
enum class Value {
  ns, mean_ns, receive_ns, p50_ns, p99_ns, p999_ns, max_ns, cpu_ns, sleeps, preemptions, messages, blocks, raw_before_ns, raw_after_ns,
  sender_rss_kib, receiver_rss_kib, count
};
inline constexpr const char* kValueNames[] = {
  "ns", "mean_ns", "receive_ns", "p50_ns", "p99_ns", "p999_ns", "max_ns", "cpu_ns", "sleeps", "preemptions", "messages", "blocks",
  "raw_before_ns", "raw_after_ns", "sender_rss_kib", "receiver_rss_kib"};
inline constexpr std::size_t kQuantiles = 101;

struct Arena {
  Line there, back;          // the raw cache-line round trip
  Line arrived, generation;  // of the barrier
  std::atomic<std::uint64_t> messages{0};            // of the phase that starts at the next barrier
  std::atomic<std::uint64_t> elapsed_ns{0};          // of the phase that ended at the last barrier
  std::atomic<std::uint64_t> received_ns{0}, answered_ns{0};  // by the answering side of a round trip
  double values[static_cast<std::size_t>(Value::count)];  // NaN: not measured
  double quantiles_ns[kQuantiles];  // of round trips, at 0, 1 .. 100 %; only if p50_ns was measured
  char error[512];                  // why a side gave up

  double& operator[](Value value) noexcept { return values[static_cast<std::size_t>(value)]; }

  /// Adds what one side found to what the other did.
  void add(Value value, double amount) noexcept {
    std::atomic_ref<double> sum(values[static_cast<std::size_t>(value)]);
    for (double seen = sum; !sum.compare_exchange_weak(seen, std::isnan(seen) ? amount : seen + amount);) {
    }
  }

  /// Both sides wait for each other.
  void meet() noexcept {
    const std::uint64_t seen = generation.value.load();
    if (arrived.value.fetch_add(1) == 1) {
      arrived.value.store(0);
      generation.value.store(seen + 1);
      return;
    }
    spin_until([&] { return generation.value.load() != seen; });
  }
};

/// The arena of this process's measurement.
inline Arena* arena = nullptr;

/// Ends this side; the parent reports why.
[[noreturn, gnu::noinline, gnu::cold]] inline void give_up(const char* why, const char* detail = "") noexcept {
  std::snprintf(arena->error, sizeof arena->error, "%s%s%s", why, *detail ? ": " : "", detail);
  std::_Exit(1);
}

}  // namespace zipc::bench
