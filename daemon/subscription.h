/// One watcher's backlog of events.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>

#include "daemon/events.h"

namespace zipc {

class Subscription {
 public:
  /// Events that wait for a watcher who does not read them. Sharing them between watchers, a backlog costs some
  /// pointers; alone, some hundred kilobytes.
  static constexpr std::size_t kBacklogMax = 1024;

  Subscription(Events& events, boost::asio::io_context& io, const Client& client, std::optional<std::string> name)
      : events_(events), client_(client), name_(std::move(name)), wake_(io) {}
  ~Subscription() { events_.leave(*this); }
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

  /// Waits for the next event; nullopt after close(). One caller at a time.
  [[nodiscard]] boost::asio::awaitable<std::optional<Event>> next();

  /// Ends next(), now and from now on.
  void close();

 private:
  friend class Events;

  /// Takes `entry` up if it is for this watcher.
  void offer(const std::shared_ptr<Events::Entry>& entry, const ChannelSpec& channel, const Policy& policy);

  Events& events_;
  Client client_;
  std::optional<std::string> name_;
  std::deque<std::shared_ptr<Events::Entry>> backlog_;
  std::int64_t missed_ = 0;  ///< before the oldest of the backlog
  bool is_closed_ = false;
  boost::asio::steady_timer wake_;  ///< never expires: it is cancelled when there may be something to do
};

}  // namespace zipc
