// boost::lockfree::spsc_queue of fixed structs with a compile-time capacity, in memory that both processes share.
#include <sys/mman.h>

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

}  // namespace

void add_boost_lockfree(Contestants& all) {
  add<BoostLockfree<16, true>>(all);
  add<BoostLockfree<1024, true>>(all);
  add<BoostLockfree<16384, true>>(all);
  add<BoostLockfree<16, false>>(all);
  add<BoostLockfree<1024, false>>(all);
  add<BoostLockfree<16384, false>>(all);
}

}  // namespace zipc::bench
