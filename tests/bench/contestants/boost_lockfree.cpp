// boost::lockfree::spsc_queue of fixed structs with a compile-time capacity, in memory that both processes share.
#include <sys/mman.h>

#include <algorithm>
#include <boost/lockfree/spsc_queue.hpp>
#include <new>

#include "workloads.h"

namespace zipc::bench {
namespace {

constexpr std::size_t kLargest = std::size_t{128} << 20;  // bytes of one queue; larger ones are in no plan

template <std::size_t Queue, bool in_place>
struct BoostLockfree {
  static constexpr const char* kName = in_place ? "boost lockfree, consume_one" : "boost lockfree, push and pop";
  static constexpr bool kBlocks = false;
  static bool handles(const Case& c) { return c.queue == Queue; }
  static std::string absent(const Case&) { return {}; }

  template <std::size_t Size>
  struct Channel {
    using Ring = boost::lockfree::spsc_queue<Message<Size>, boost::lockfree::capacity<Size * Queue <= kLargest ? Queue : 2>>;
    Channel(const Case&, int)
        : ring(new (mmap(nullptr, sizeof(Ring), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Ring) {}
    ~Channel() { munmap(static_cast<void*>(ring), sizeof(Ring)); }
    Channel(const Channel&) = delete;
    Ring* ring;
  };

  template <std::size_t Size>
  struct Sender {
    explicit Sender(Channel<Size>& channel) : ring(*channel.ring) {}
    template <Wait wait>
    void send(std::uint64_t number) {
      Message<Size> message;
      fill<Size>(&message, number);
      spin_until([&] { return ring.push(message); });
    }
    typename Channel<Size>::Ring& ring;
  };

  template <std::size_t Size>
  struct Receiver {
    explicit Receiver(Channel<Size>& channel) : ring(*channel.ring) {}
    template <Wait wait>
    void receive(std::uint64_t number) {
      bool right = false;
      if constexpr (in_place) {
        spin_until([&] { return ring.consume_one([&](const Message<Size>& message) { right = check<Size>(&message, number); }); });
      } else {
        Message<Size> message;
        spin_until([&] { return ring.pop(message); });
        right = check<Size>(&message, number);
      }
      if (!right) give_up("wrong message");
    }
    typename Channel<Size>::Ring& ring;
  };
};

/// Up to kBatch messages, and not more than stay in the nearest cache, are pushed and popped at once.
template <std::size_t Queue>
struct BoostBatches {
  static constexpr std::size_t kLongest = 1024, kMost = 16384;  // bytes of a message, and of a batch
  template <std::size_t Size>
  using Batch = Message<Size>[Size <= kLongest ? std::min(kBatch, kMost / Size) : 1];
  static constexpr const char* kName = "boost lockfree, batches";
  static constexpr bool kBlocks = false;
  static bool handles(const Case& c) { return c.queue == Queue && c.size <= kLongest && takes_batches(c); }
  static std::string absent(const Case&) { return {}; }

  template <std::size_t Size>
  using Channel = BoostLockfree<Queue, true>::template Channel<Size>;

  template <std::size_t Size>
  struct Sender {
    explicit Sender(Channel<Size>& channel) : ring(*channel.ring) {}
    void send_all(std::uint64_t first, std::uint64_t last) {
      while (first != last) {
        const std::size_t count = std::min<std::uint64_t>(std::size(messages), last - first);
        for (std::size_t i = 0; i < count; ++i) fill<Size>(&messages[i], first++);
        for (std::size_t pushed = 0; pushed != count;) pushed += ring.push(messages + pushed, count - pushed);
      }
    }
    typename Channel<Size>::Ring& ring;
    Batch<Size> messages;
  };

  template <std::size_t Size>
  struct Receiver {
    explicit Receiver(Channel<Size>& channel) : ring(*channel.ring) {}
    void receive_all(std::uint64_t first, std::uint64_t last) {
      bool right = true;
      while (first != last) {
        const std::size_t popped = ring.pop(messages, std::min<std::uint64_t>(std::size(messages), last - first));
        for (std::size_t i = 0; i < popped; ++i) right &= check<Size>(&messages[i], first++);
      }
      if (!right) give_up("wrong message");
    }
    typename Channel<Size>::Ring& ring;
    Batch<Size> messages;
  };
};

}  // namespace

void add_boost_lockfree(Contestants& all) {
  add<BoostLockfree<16, true>>(all);
  add<BoostLockfree<1024, true>>(all);
  add<BoostLockfree<16384, true>>(all);
  add<BoostLockfree<16, false>>(all);
  add<BoostLockfree<1024, false>>(all);
  add<BoostLockfree<16384, false>>(all);
  add<BoostBatches<16>>(all);
  add<BoostBatches<1024>>(all);
  add<BoostBatches<16384>>(all);
}

}  // namespace zipc::bench
