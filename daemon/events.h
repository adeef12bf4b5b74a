/// What happens to channels and leases, told to whoever watches.
///
/// The broker publishes, sessions subscribe. Publishing never waits: an event goes into the backlog of each subscriber
/// that may use the channel, and the subscriber's session writes it out when its client reads. Who is slow loses the
/// oldest events of its backlog, and learns how many.
///
/// While nobody watches, nothing happens here: no timer runs, and no sentence is made (is_watched()).
///
/// *Thread safety.* Only the thread that runs the io_context.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>
#include <zipc/channel.hpp>

#include "daemon/policy.h"

namespace boost::asio {
class io_context;
}

namespace zipc {

class Processes;
class Subscription;

/// The words of Event::kind.
enum class EventKind : std::uint8_t {
  created,    ///< a channel, on request or by the configuration
  adopted,    ///< a channel whose segment was there before
  leased,     ///< a role has a holder
  released,   ///< the holder gave its role back
  died,       ///< the holder ended, or closed the memory, without giving its role back
  fenced,     ///< the role was taken away from its holder
  resized,    ///< the channel has other sizes
  withdrawn,  ///< the configuration provides the channel no longer
  reaped,     ///< the channel's linger was over
  removed,    ///< somebody removed the channel
  full,       ///< the sender has met a full queue
  drained,    ///< messages were waiting, and none is now
};
[[nodiscard]] std::string_view to_string(EventKind kind) noexcept;

class Events {
 public:
  /// How often Tick is called while somebody watches. An event of the data path, which the broker does not see, is
  /// told that late; a look costs some ten microseconds a channel that is in use.
  static constexpr std::chrono::milliseconds kTick{100};

  /// Looks for what has happened without the broker's doing. `is_first`: nobody has watched until now.
  using Tick = std::function<void(bool is_first)>;

  /// `processes` tells how a process ended. Both outlive the object.
  Events(boost::asio::io_context& io, Processes& processes);
  ~Events();
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;

  /// What to call every kTick, and at once when the first subscriber comes. Before the first subscribe().
  void on_tick(Tick tick) { tick_ = std::move(tick); }

  [[nodiscard]] bool is_watched() const noexcept { return !subscriptions_.empty(); }

  /// What happens from now on to the channels that `client` may use; to `name` only, if there is one. It ends with the
  /// object that is returned, which must not outlive this one.
  [[nodiscard]] std::shared_ptr<Subscription> subscribe(const Client& client, std::optional<std::string> name);

  /// Tells those who may use `channel` as it is now. Its time is now.
  void publish(Event event, const ChannelSpec& channel, const Policy& policy);

  /// The same for the death of a lease's holder. The message is completed with how `process` ended, which the kernel
  /// may tell a moment later: until then the subscribers wait, so that the order stays. Null: nobody knows.
  void publish_death(Event event, const ChannelSpec& channel, const Policy& policy,
                     std::shared_ptr<const Process> process);

 private:
  friend class Subscription;
  struct Clock;

  struct Entry {
    Event event;
    bool is_complete = true;
  };

  std::shared_ptr<Entry> enter(Event event, bool is_complete, const ChannelSpec& channel, const Policy& policy);
  void leave(const Subscription& subscription);
  void tick_later();

  Processes& processes_;
  boost::asio::io_context& io_;
  std::unique_ptr<Clock> clock_;
  Tick tick_;
  std::vector<Subscription*> subscriptions_;
};

}  // namespace zipc
