// boost::interprocess::message_queue: a ring of fixed slots under a mutex in shared memory.
#include <boost/interprocess/ipc/message_queue.hpp>
#include <boost/version.hpp>

#include "copying.h"

namespace zipc::bench {
namespace {

struct BoostMessageQueue {
  static constexpr const char* kName = "boost message_queue";
  static std::string library() { return "Boost " BOOST_LIB_VERSION; }
  static std::string absent(const Case&) { return {}; }
  using Queue = boost::interprocess::message_queue;

  struct Channel {
    Channel(const Case& c, int) : name(unique_name()), queue(boost::interprocess::create_only, name.c_str(), c.queue, c.size), wait(c.wait) {}
    ~Channel() { Queue::remove(name.c_str()); }
    std::string name;
    Queue queue;  // the mapping is inherited
    Wait wait;
  };

  struct Sender {
    explicit Sender(Channel& channel) : at(channel) {}
    bool send(const void* bytes, std::size_t size) {
      if (at.wait == Wait::spin) return at.queue.try_send(bytes, size, 0);
      at.queue.send(bytes, size, 0);
      return true;
    }
    Channel& at;
  };

  struct Receiver {
    explicit Receiver(Channel& channel) : at(channel) {}
    bool receive(void* bytes, std::size_t size) {
      std::size_t length = 0;
      unsigned priority = 0;
      if (at.wait == Wait::spin) return at.queue.try_receive(bytes, size, length, priority);
      at.queue.receive(bytes, size, length, priority);
      return true;
    }
    Channel& at;
  };
};

}  // namespace

void add_boost_message_queue(Contestants& all) { add<Copying<BoostMessageQueue>>(all); }

}  // namespace zipc::bench
