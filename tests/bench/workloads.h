/// The workloads, and how a contestant (see contestant.h) is put through them.
#pragma once

#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <type_traits>

#include "arena.h"
#include "contestant.h"
#include "message.h"

/// What every contestant has in headers is compiled into the measured loop, however long it is: no contestant gains or loses a
/// call by what the compiler thinks of its length.
#define BENCH_INLINED __attribute__((flatten))

namespace zipc::bench {

inline constexpr std::uint64_t kAsleepNs = 200'000;  // after this long every blocking call has gone to sleep
inline constexpr std::uint64_t kTickNs = 1'000'000;  // the paced sender sends its due every so often

/// CPU time, voluntary context switches (sleeps) and involuntary ones of this process, all threads.
struct Usage {
  std::uint64_t cpu_ns, sleeps, preemptions;

  static Usage now() noexcept {
    rusage u{};
    getrusage(RUSAGE_SELF, &u);
    const auto ns = [](const timeval& t) { return static_cast<std::uint64_t>(t.tv_sec * 1'000'000'000 + t.tv_usec * 1000); };
    return {ns(u.ru_utime) + ns(u.ru_stime), static_cast<std::uint64_t>(u.ru_nvcsw), static_cast<std::uint64_t>(u.ru_nivcsw)};
  }

  /// Adds what was used between the two, for each of `messages`, to what the other side used.
  static void leave(const Usage& before, const Usage& after, double messages, Place place) {
    const double share = place == Place::threads ? 2 : 1;  // one process, which both sides look at
    arena->add(Value::cpu_ns, static_cast<double>(after.cpu_ns - before.cpu_ns) / messages / share);
    arena->add(Value::sleeps, static_cast<double>(after.sleeps - before.sleeps) / messages / share);
    arena->add(Value::preemptions, static_cast<double>(after.preemptions - before.preemptions) / share);
  }
};

inline constexpr std::uint64_t kBlocksMost = 32, kBlocksLeast = 3;

/// How many blocks so many messages are measured in; 1: too few for a median. What is in the queue comes at once, and after it nothing for
/// a while: the median of blocks that are shorter than that is the time of taking messages out. So a block is as long as
/// four times what is on its way: two queues, as ZeroMQ and nng have one at each end, and what the kernel buffers.
[[nodiscard]] inline std::uint64_t blocks_of(const Case& c, std::uint64_t messages) {
  constexpr std::uint64_t kKernelBytes = 262144;
  const std::uint64_t shortest = c.workload == Workload::throughput ? 4 * std::max<std::uint64_t>(2 * c.queue, kKernelBytes / c.size) : 1;
  const std::uint64_t blocks = std::min(messages / shortest, kBlocksMost);
  return blocks < kBlocksLeast ? 1 : blocks;
}

/// Runs `body(first, count)` on both sides: to warm up and to see how long it takes, and then for the budget, in blocks without a pause
/// between them. Leaves the median block's time per message in the arena, which a preemption does not disturb, or the mean if there is one
/// block only; and the mean, CPU time and sleeps of all of it. The body returns how long it took; side 1's clock counts.
template <typename Body>
void measure(int side, const Case& c, Body body) {
  std::uint64_t first = 0;
  if (c.count == 0) {
    // The queue has been gone round twice when this ends, so that all its memory is there. It takes two in a row that are long, of
    // which the faster counts: one may be so because this side was preempted.
    double each_ns = 0;
    int long_ones = 0;
    for (std::uint64_t count = 16; long_ones < 2 || first < 2 * c.queue; count *= 2) {
      arena->meet();
      const std::uint64_t took_ns = body(first, count);
      if (side == 1) arena->elapsed_ns = std::max<std::uint64_t>(took_ns, 1);
      arena->meet();
      first += count;
      const double this_ns = static_cast<double>(arena->elapsed_ns) / static_cast<double>(count);
      const bool is_long = arena->elapsed_ns * 16 >= c.budget_ns;
      each_ns = is_long && long_ones != 0 ? std::min(each_ns, this_ns) : this_ns;
      long_ones = is_long ? long_ones + 1 : 0;
    }
    if (side == 1) {
      arena->messages = std::max<std::uint64_t>(static_cast<std::uint64_t>(static_cast<double>(c.budget_ns) / each_ns), 1);
    }
  } else if (side == 1) {
    arena->messages = c.count;
  }
  arena->meet();
  const std::uint64_t blocks = blocks_of(c, arena->messages);
  const std::uint64_t block = (arena->messages + blocks - 1) / blocks;
  std::uint64_t took_ns[kBlocksMost];
  const Usage before = Usage::now();
  for (std::uint64_t i = 0; i < blocks; ++i) {
    took_ns[i] = body(first, block);
    first += block;
  }
  const Usage after = Usage::now();
  const auto n = static_cast<double>(block * blocks);
  if (side == 1) {
    (*arena)[Value::mean_ns] = static_cast<double>(std::accumulate(took_ns, took_ns + blocks, std::uint64_t{0})) / n;
    std::nth_element(took_ns, took_ns + blocks / 2, took_ns + blocks);
    (*arena)[Value::ns] = static_cast<double>(took_ns[blocks / 2]) / static_cast<double>(block);
    (*arena)[Value::messages] = n;
    (*arena)[Value::blocks] = static_cast<double>(blocks);
  }
  Usage::leave(before, after, n, c.place);
  arena->meet();
}

/// Whether a contestant passes messages in batches.
template <typename Sender>
concept in_batches = requires(Sender& sender) { sender.send_all(0, 0); };

inline constexpr std::size_t kBatch = 64;  // messages
/// What such a contestant takes part in.
[[nodiscard]] inline bool takes_batches(const Case& c) {
  return c.workload == Workload::throughput && c.wait == Wait::spin && c.place != Place::one_core;
}

/// One way, as fast as both can.
template <Wait wait, typename Sender, typename Receiver>
void throughput(int side, const Case& c, Sender* sender, Receiver* receiver) {
  measure(side, c, [&](std::uint64_t first, std::uint64_t count) BENCH_INLINED {
    const std::uint64_t start = now_ns();
    const std::uint64_t end = first + count;
    if constexpr (in_batches<Sender>) {
      side == 0 ? sender->send_all(first, end) : receiver->receive_all(first, end);
    } else if (side == 0) {
      for (std::uint64_t i = first; i < end; ++i) sender->template send<wait>(i);
    } else {
      for (std::uint64_t i = first; i < end; ++i) receiver->template receive<wait>(i);
    }
    return now_ns() - start;
  });
}

/// Leaves the distribution of `times` in the arena.
inline void record(std::vector<std::uint64_t>& times) {
  std::sort(times.begin(), times.end());
  const auto at = [&](double share) {
    return static_cast<double>(times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))]);
  };
  (*arena)[Value::p50_ns] = at(0.5);
  (*arena)[Value::p99_ns] = at(0.99);
  (*arena)[Value::p999_ns] = at(0.999);
  (*arena)[Value::max_ns] = at(1);
  for (std::size_t i = 0; i < kQuantiles; ++i) arena->quantiles_ns[i] = at(static_cast<double>(i) / (kQuantiles - 1));
}

/// Side 0 sends and waits for the answer, which has the same size.
template <Wait wait, typename Sender, typename Receiver>
void round_trip(int side, const Case& c, Sender& sender, Receiver& receiver) {
  std::uint64_t next = 0;
  const auto once = [&](std::uint64_t i) BENCH_INLINED {
    if (side == 0) sender.template send<wait>(i);
    receiver.template receive<wait>(i);
    if (side == 1) sender.template send<wait>(i);
  };
  measure(side, c, [&](std::uint64_t first, std::uint64_t count) {
    const std::uint64_t start = now_ns();
    for (std::uint64_t i = first; i < first + count; ++i) once(i);
    next = first + count;
    return now_ns() - start;
  });
  if (c.count != 0) return;
  // Again, looking at the clock each time: for the distribution. The time for looking is in it.
  const double ns = (*arena)[Value::ns];
  const auto count = static_cast<std::uint64_t>(std::clamp(static_cast<double>(c.budget_ns) / 2 / ns, 10.0, 500'000.0));
  std::vector<std::uint64_t> times(side == 0 ? count : 0);
  arena->meet();
  std::uint64_t last = now_ns();
  for (std::uint64_t i = 0; i < count; ++i) {
    once(next + i);
    if (side == 0) {
      const std::uint64_t now = now_ns();
      times[i] = now - last;
      last = now;
    }
  }
  if (side == 0) record(times);
}

inline void stay_busy(std::uint64_t ns) {
  const std::uint64_t end = now_ns() + ns;
  spin_until([&] { return now_ns() >= end; });
}

/// A round trip in which whoever is sent to has been asleep for long. Both ways are timed apart and added up.
template <typename Sender, typename Receiver>
void asleep(int side, const Case& c, Sender& sender, Receiver& receiver) {
  const std::uint64_t count = c.count != 0 ? c.count : std::max<std::uint64_t>(c.budget_ns / (2 * kAsleepNs), 10);
  std::vector<std::uint64_t> times;
  arena->meet();
  const Usage before = Usage::now();
  for (std::uint64_t i = 0; i < count; ++i) {
    if (side == 0) {
      stay_busy(kAsleepNs);
      const std::uint64_t sent_ns = now_ns();
      sender.template send<Wait::block>(i);
      receiver.template receive<Wait::block>(i);
      const std::uint64_t done_ns = now_ns();
      times.push_back((arena->received_ns - sent_ns) + (done_ns - arena->answered_ns));
    } else {
      receiver.template receive<Wait::block>(i);
      arena->received_ns = now_ns();
      stay_busy(kAsleepNs);
      arena->answered_ns = now_ns();
      sender.template send<Wait::block>(i);
    }
  }
  Usage::leave(before, Usage::now(), static_cast<double>(count), c.place);
  if (side != 0) return;
  record(times);
  (*arena)[Value::ns] = (*arena)[Value::p50_ns];
  (*arena)[Value::messages] = static_cast<double>(count);
}

/// Sending into a queue that has room, and receiving from one that has messages, each alone: bursts of half the queue. The
/// other side is awake and touches nothing meanwhile.
template <typename Sender, typename Receiver>
BENCH_INLINED void send_alone(int side, const Case& c, Sender* sender, Receiver* receiver) {
  const std::uint64_t burst = c.queue / 2;
  std::uint64_t number = 0;
  std::vector<std::uint64_t> times;
  const std::uint64_t rounds = c.count != 0 ? c.count : std::max<std::uint64_t>(c.budget_ns / (burst * 40), 5);
  // Who takes long has fewer rounds, which side 1 says: a message takes some of them a thousand times as long as others.
  const std::uint64_t deadline_ns = c.count != 0 ? ~std::uint64_t{0} : now_ns() + 16 * c.budget_ns;
  if (side == 1) arena->messages = rounds;
  arena->meet();
  for (std::uint64_t round = 0; round < arena->messages; ++round) {
    const std::uint64_t end = number + burst;
    for (int turn = 0; turn < 2; ++turn) {
      arena->meet();
      if (turn != side) continue;
      const std::uint64_t start = now_ns();
      for (std::uint64_t i = number; i < end; ++i) {
        if (side == 0) sender->template send<Wait::spin>(i);
        else receiver->template receive<Wait::spin>(i);
      }
      if (round > 1) times.push_back(now_ns() - start);
    }
    number = end;
    if (side == 1 && round >= 4 && now_ns() > deadline_ns) arena->messages = 0;
    arena->meet();
  }
  std::sort(times.begin(), times.end());
  (*arena)[side == 0 ? Value::ns : Value::receive_ns] = static_cast<double>(times[times.size() / 2]) / static_cast<double>(burst);
  if (side == 0) (*arena)[Value::messages] = static_cast<double>(number);
}

/// `rate` messages a second for a while: a timer wakes the sender every kTickNs, and it sends what is due; the receiver
/// blocks. CPU time and sleeps are per message, of both sides, the timer's included.
template <typename Sender, typename Receiver>
void paced(int side, const Case& c, Sender* sender, Receiver* receiver) {
  const std::uint64_t burst = c.rate * kTickNs / 1'000'000'000;
  const std::uint64_t ticks = std::max<std::uint64_t>(c.budget_ns / kTickNs, 10);
  arena->meet();
  const Usage before = Usage::now();
  const std::uint64_t start = now_ns();
  std::uint64_t number = 0;
  for (std::uint64_t tick = 1; tick <= ticks; ++tick) {
    if (side == 0) {
      const std::uint64_t due_ns = start + tick * kTickNs;
      const timespec due{static_cast<time_t>(due_ns / 1'000'000'000), static_cast<long>(due_ns % 1'000'000'000)};
      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, nullptr);
    }
    for (const std::uint64_t end = number + burst; number < end; ++number) {
      if (side == 0) sender->template send<Wait::block>(number);
      else receiver->template receive<Wait::block>(number);
    }
  }
  const Usage after = Usage::now();
  const auto n = static_cast<double>(number);
  Usage::leave(before, after, n, c.place);
  if (side != 1) return;
  (*arena)[Value::messages] = n;
  (*arena)[Value::ns] = static_cast<double>(now_ns() - start) / n;
}

/// Calls f with std::integral_constant of the size, one of kSizes, so that all code is compiled for it.
template <typename F>
std::unique_ptr<Measurement> with_size(std::size_t size, F f) {
  std::unique_ptr<Measurement> result;
  const auto call = [&](auto constant) {
    if (size == constant()) result = f(constant);
  };
  [&]<std::size_t... i>(std::index_sequence<i...>) {
    (call(std::integral_constant<std::size_t, kSizes[i]>{}), ...);
  }(std::make_index_sequence<std::size(kSizes)>{});
  return result;
}

/// A contestant T in one case. The channels live as long as this does; their ends as long as run().
template <typename T, std::size_t Size>
class Pair final : public Measurement {
 public:
  explicit Pair(const Case& c) : case_(c) {
    channels_[0].emplace(c, 0);
    if (c.workload == Workload::round_trip || c.workload == Workload::asleep) channels_[1].emplace(c, 1);
  }

  void run(int side, const std::function<void()>& ready) override {
    if constexpr (!in_batches<Sender>) {
      if (channels_[1]) return run_both_ways(side, ready);
    }
    constexpr bool blocks = T::kBlocks;
    std::optional<Sender> sender;
    std::optional<Receiver> receiver;
    if (side == 0) sender.emplace(*channels_[0]);
    else receiver.emplace(*channels_[0]);
    Sender* s = sender ? &*sender : nullptr;
    Receiver* r = receiver ? &*receiver : nullptr;
    ready();
    arena->meet();
    if constexpr (!in_batches<Sender>) {
      if (case_.workload == Workload::send_alone) send_alone(side, case_, s, r);
    }
    if constexpr (blocks) {
      if (case_.workload == Workload::paced) paced(side, case_, s, r);
      if (case_.workload == Workload::throughput && case_.wait == Wait::block) throughput<Wait::block>(side, case_, s, r);
    }
    if (case_.workload == Workload::throughput && case_.wait == Wait::spin) throughput<Wait::spin>(side, case_, s, r);
    arena->meet();
  }

 private:
  using Sender = typename T::template Sender<Size>;
  using Receiver = typename T::template Receiver<Size>;
  static_assert(!(in_batches<Sender> && T::kBlocks), "batches take part in throughput by spinning only");

  void run_both_ways(int side, const std::function<void()>& ready) {
    std::optional<Sender> sender;
    std::optional<Receiver> receiver;
    // In this order on both sides, so that a constructor that waits for the other end finds it coming.
    if (side == 0) {
      sender.emplace(*channels_[0]);
      receiver.emplace(*channels_[1]);
    } else {
      receiver.emplace(*channels_[0]);
      sender.emplace(*channels_[1]);
    }
    ready();
    arena->meet();
    if (case_.wait == Wait::spin) {
      round_trip<Wait::spin>(side, case_, *sender, *receiver);
    } else if constexpr (T::kBlocks) {
      if (case_.workload == Workload::asleep) asleep(side, case_, *sender, *receiver);
      else round_trip<Wait::block>(side, case_, *sender, *receiver);
    }
    arena->meet();
  }

  Case case_;
  std::optional<typename T::template Channel<Size>> channels_[2];
};

template <typename T>
class Entry final : public Contestant {
 public:
  [[nodiscard]] std::string name() const override { return T::kName; }
  [[nodiscard]] std::string library() const override {
    if constexpr (requires { T::library(); }) return T::library();
    return {};
  }
  [[nodiscard]] bool handles(const Case& c) const override {
    if constexpr (requires { T::handles(c); }) return T::handles(c);
    return true;
  }
  [[nodiscard]] std::string absent(const Case& c) const override {
    return !T::kBlocks && c.wait == Wait::block ? "has no blocking calls" : T::absent(c);
  }
  [[nodiscard]] std::unique_ptr<Measurement> prepare(const Case& c) const override {
    return with_size(c.size, [&](auto size) -> std::unique_ptr<Measurement> { return std::make_unique<Pair<T, size()>>(c); });
  }
};

template <typename T>
void add(Contestants& all) {
  all.push_back(std::make_unique<Entry<T>>());
}

}  // namespace zipc::bench
