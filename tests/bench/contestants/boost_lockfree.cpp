// boost::lockfree::spsc_queue of fixed structs with a compile-time capacity, in memory that both processes share.
#include <sys/mman.h>

#include <algorithm>
#include <boost/lockfree/spsc_queue.hpp>
#include <boost/version.hpp>
#include <new>

#include "pausing.h"
#include "workloads.h"

namespace zipc::bench {
namespace {

constexpr std::size_t kLargest = std::size_t{128} << 20;  // bytes of one queue; larger ones are in no plan

/// How messages are received, and whether the caller, too, pauses where there is nothing, as zipc does inside: for 760 ns in streams,
/// for one instruction in round trips.
enum class Way { consume_one, push_and_pop, pausing };
constexpr const char* kWays[] = {"boost lockfree, consume_one", "boost lockfree, push and pop", "boost lockfree, pausing"};

[[nodiscard]] int pauses_of(Workload workload, bool pausing) {
  return pauses_of(!pausing ? Pause::none : workload == Workload::round_trip ? Pause::brief : Pause::lasting);
}

template <bool pausing, typename Look>
void wait_until(Look look, int pauses) {
  if constexpr (pausing) look_until(look, pauses);
  else spin_until(look);
}

template <std::size_t Queue, Way way>
struct BoostLockfree {
  static constexpr const char* kName = kWays[static_cast<int>(way)];
  static constexpr bool kBlocks = false;
  static std::string library() { return "Boost " BOOST_LIB_VERSION; }
  static bool handles(const Case& c) { return c.queue == Queue && (way != Way::pausing || c.workload != Workload::send_alone); }
  static std::string absent(const Case&) { return {}; }

  template <std::size_t Size>
  struct Channel {
    using Ring = boost::lockfree::spsc_queue<Message<Size>, boost::lockfree::capacity<Size * Queue <= kLargest ? Queue : 2>>;
    Channel(const Case& c, int)
        : workload(c.workload), ring(new (mmap(nullptr, sizeof(Ring), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Ring) {}
    ~Channel() { munmap(static_cast<void*>(ring), sizeof(Ring)); }
    Channel(const Channel&) = delete;
    Workload workload;
    Ring* ring;
  };

  template <std::size_t Size>
  struct Sender {
    explicit Sender(Channel<Size>& channel) : ring(*channel.ring), pauses(pauses_of(channel.workload, way == Way::pausing)) {}
    template <Wait wait>
    void send(std::uint64_t number) {
      Message<Size> message;
      fill<Size>(&message, number);
      wait_until<way == Way::pausing>([&] { return ring.push(message); }, pauses);
    }
    typename Channel<Size>::Ring& ring;
    int pauses;
  };

  template <std::size_t Size>
  struct Receiver {
    explicit Receiver(Channel<Size>& channel) : ring(*channel.ring), pauses(pauses_of(channel.workload, way == Way::pausing)) {}
    template <Wait wait>
    void receive(std::uint64_t number) {
      bool right = false;
      if constexpr (way == Way::push_and_pop) {
        Message<Size> message;
        spin_until([&] { return ring.pop(message); });
        right = check<Size>(&message, number);
      } else {
        const auto read = [&](const Message<Size>& message) { right = check<Size>(&message, number); };
        wait_until<way == Way::pausing>([&] { return ring.consume_one(read); }, pauses);
      }
      if (!right) give_up("wrong message");
    }
    typename Channel<Size>::Ring& ring;
    int pauses;
  };
};

/// Up to kBatch messages, and not more than stay in the nearest cache, are pushed and popped at once.
template <std::size_t Queue, bool pausing>
struct BoostBatches {
  static constexpr std::size_t kLongest = 1024, kMost = 16384;  // bytes of a message, and of a batch
  template <std::size_t Size>
  using Batch = Message<Size>[Size <= kLongest ? std::min(kBatch, kMost / Size) : 1];
  static constexpr const char* kName = pausing ? "boost lockfree, batches, pausing" : "boost lockfree, batches";
  static constexpr bool kBlocks = false;
  static std::string library() { return "Boost " BOOST_LIB_VERSION; }
  static bool handles(const Case& c) { return c.queue == Queue && c.size <= kLongest && takes_batches(c); }
  static std::string absent(const Case&) { return {}; }

  template <std::size_t Size>
  using Channel = typename BoostLockfree<Queue, Way::consume_one>::template Channel<Size>;

  template <std::size_t Size>
  struct Sender {
    explicit Sender(Channel<Size>& channel) : ring(*channel.ring), pauses(pauses_of(channel.workload, pausing)) {}
    void send_all(std::uint64_t first, std::uint64_t last) {
      while (first != last) {
        const std::size_t count = std::min<std::uint64_t>(std::size(messages), last - first);
        for (std::size_t i = 0; i < count; ++i) fill<Size>(&messages[i], first++);
        for (std::size_t pushed = 0; pushed != count;) {
          const std::size_t more = ring.push(messages + pushed, count - pushed);
          if (pausing && more == 0) pause_for(pauses);
          pushed += more;
        }
      }
    }
    typename Channel<Size>::Ring& ring;
    int pauses;
    Batch<Size> messages;
  };

  template <std::size_t Size>
  struct Receiver {
    explicit Receiver(Channel<Size>& channel) : ring(*channel.ring), pauses(pauses_of(channel.workload, pausing)) {}
    void receive_all(std::uint64_t first, std::uint64_t last) {
      bool right = true;
      while (first != last) {
        const std::size_t popped = ring.pop(messages, std::min<std::uint64_t>(std::size(messages), last - first));
        if (pausing && popped == 0) pause_for(pauses);
        for (std::size_t i = 0; i < popped; ++i) right &= check<Size>(&messages[i], first++);
      }
      if (!right) give_up("wrong message");
    }
    typename Channel<Size>::Ring& ring;
    int pauses;
    Batch<Size> messages;
  };
};

template <std::size_t Queue>
void add_with(Contestants& all) {
  add<BoostLockfree<Queue, Way::consume_one>>(all);
  add<BoostLockfree<Queue, Way::push_and_pop>>(all);
  add<BoostLockfree<Queue, Way::pausing>>(all);
  add<BoostBatches<Queue, false>>(all);
  add<BoostBatches<Queue, true>>(all);
}

}  // namespace

void add_boost_lockfree(Contestants& all) {
  add_with<16>(all);
  add_with<1024>(all);
  add_with<16384>(all);
}

}  // namespace zipc::bench
