// iceoryx 2: loaned chunks, published in place, through its RouDi, which this starts and ends.
#include <fstream>
#include <iceoryx_posh/popo/untyped_publisher.hpp>
#include <iceoryx_posh/popo/untyped_subscriber.hpp>
#include <iceoryx_posh/popo/wait_set.hpp>
#include <iceoryx_posh/runtime/posh_runtime.hpp>
#include <iceoryx_versions.hpp>

#include "service.h"
#include "workloads.h"

namespace zipc::bench {
namespace {

std::string start_roudi() {
  static Service roudi("iox-roudi");
  const std::string config = Service::folder() + "/roudi.toml";
  std::ofstream file(config);
  file << "[general]\nversion = 1\n[[segment]]\n";
  for (const auto& [size, count] : {std::pair{64, 2048}, {128, 2048}, {512, 2048}, {2048, 2048}, {66560, 600}, {1049600, 300}}) {
    file << "[[segment.mempool]]\nsize = " << size << "\ncount = " << count << "\n";
  }
  file.close();
  return roudi.start({"-c", config, "-m", "off"}, "RouDi is ready");
}

struct Iceoryx {
  static constexpr const char* kName = "iceoryx (queue up to 256)";
  static std::string library() { return "iceoryx " ICEORYX_LATEST_RELEASE_VERSION; }
  static constexpr bool kBlocks = true;
  static std::string absent(const Case& c) {
    if (c.workload == Workload::send_alone && c.queue / 2 > iox::MAX_SUBSCRIBER_QUEUE_CAPACITY) return "its queue is at most 256";
    return start_roudi();
  }

  template <std::size_t>
  struct Channel {
    Channel(const Case& c, int) : queue(std::min<std::size_t>(c.queue, iox::MAX_SUBSCRIBER_QUEUE_CAPACITY)), name(unique_name()) {}
    [[nodiscard]] iox::capro::ServiceDescription service() const {
      return {"zipc", "bench", iox::capro::IdString_t(iox::cxx::TruncateToCapacity, name.c_str())};
    }
    /// Joins RouDi, once a process.
    void join(const char* role) const {
      static const bool joined = [&] {
        iox::runtime::PoshRuntime::initRuntime(iox::RuntimeName_t(iox::cxx::TruncateToCapacity, (name + role).c_str()));
        return true;
      }();
      static_cast<void>(joined);
    }
    std::size_t queue;
    std::string name;
  };

  template <std::size_t Size>
  struct Sender {
    explicit Sender(Channel<Size>& channel) {
      channel.join(".s");
      iox::popo::PublisherOptions options;
      options.subscriberTooSlowPolicy = iox::popo::ConsumerTooSlowPolicy::WAIT_FOR_CONSUMER;
      end.emplace(channel.service(), options);
      spin_until([&] { return end->hasSubscribers(); });
    }
    template <Wait>
    void send(std::uint64_t number) {
      void* chunk = nullptr;
      spin_until([&] {
        end->loan(Size, 8).and_then([&](void* loaned) { chunk = loaned; });
        return chunk != nullptr;
      });
      fill<Size>(chunk, number);
      end->publish(chunk);  // waits for the subscriber when its queue is full
    }
    std::optional<iox::popo::UntypedPublisher> end;
  };

  template <std::size_t Size>
  struct Receiver {
    explicit Receiver(Channel<Size>& channel) {
      channel.join(".r");
      iox::popo::SubscriberOptions options;
      options.queueCapacity = channel.queue;
      options.queueFullPolicy = iox::popo::QueueFullPolicy::BLOCK_PRODUCER;
      end.emplace(channel.service(), options);
      waiting.emplace();
      waiting->attachState(*end, iox::popo::SubscriberState::HAS_DATA).or_else([](auto) { give_up("attachState"); });
      spin_until([&] { return end->getSubscriptionState() == iox::SubscribeState::SUBSCRIBED; });
    }
    template <Wait wait>
    void receive(std::uint64_t number) {
      bool done = false, right = false;
      while (!done) {
        end->take().and_then([&](const void* chunk) {
          right = check<Size>(chunk, number);
          end->release(chunk);
          done = true;
        });
        if (wait == Wait::block && !done) waiting->wait();
        if (shares_core && !done) sched_yield();
      }
      if (!right) give_up("wrong message");
    }
    std::optional<iox::popo::UntypedSubscriber> end;
    std::optional<iox::popo::WaitSet<>> waiting;
  };
};

}  // namespace

void add_iceoryx(Contestants& all) { add<Iceoryx>(all); }

}  // namespace zipc::bench
