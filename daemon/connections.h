/// The clients that are connected: accepts them, within the limits, and keeps account of them.
///
/// Neither too many clients nor a lack of descriptors makes the broker spin, fail, or lose those that it has: who comes
/// too many is told so and sent away.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "common/unique_fd.h"
#include "daemon/processes.h"
#include "daemon/refusals.h"
#include "daemon/session.h"

namespace zipc {

class Connections {
 public:
  /// Accepts at `socket`, which is listening. Calls are carried out in `turns`. `after_call` is called after each call and
  /// whenever a client comes or goes.
  Connections(boost::asio::io_context& io, UniqueFd socket, const Limits& limits, Methods& methods,
              Processes& processes, Turns& turns, Receipts& receipts, std::function<void()> after_call);

  void start();
  /// Sends everybody away and accepts no more. The io_context comes to its end when all have gone.
  void stop();

  void set_limits(const Limits& limits);
  [[nodiscard]] std::size_t count() const noexcept { return sessions_.size(); }
  /// How many descriptors connections have open, without those of their processes.
  [[nodiscard]] std::size_t descriptors() const noexcept;

 private:
  /// How many there may be, and what says so.
  struct Limit {
    std::size_t most = 0;
    std::string rule;
  };
  struct Connected {
    std::shared_ptr<Session> session;
    std::shared_ptr<const Process> process;  ///< as long as it is connected, others may ask how it ended
  };

  /// The limit of all connections that can be kept with the descriptors that the system lets us have.
  [[nodiscard]] static Limit within_descriptors(std::uint32_t connections);
  boost::asio::awaitable<void> accept();
  /// Logs that nobody can be accepted, once in a while.
  void complain(const boost::system::error_code& error);
  /// Accepts the client who waits with the spare descriptor, and sends it away; false: that cannot be done, now or next
  /// time.
  bool send_next_away(const boost::system::error_code& why);
  boost::asio::awaitable<void> pause();
  void admit(LocalSocket socket);
  [[nodiscard]] std::optional<Failure> refuse(const Client& client) const;
  boost::asio::awaitable<void> serve(std::shared_ptr<Session> session);

  boost::asio::io_context& io_;
  boost::asio::local::stream_protocol::acceptor acceptor_;
  boost::asio::steady_timer pause_;  ///< while there is no descriptor left
  Methods& methods_;
  std::function<void()> after_call_;
  Limit most_;
  Limit most_per_user_;
  Refusals refusals_;
  Processes& processes_;
  Turns& turns_;
  Receipts& receipts_;
  std::map<SessionId, Connected> sessions_;
  std::map<uid_t, std::uint32_t> of_user_;  ///< how many of the sessions are whose; none is 0
  std::uint64_t next_session_ = 1;
  UniqueFd spare_;  ///< given up for a moment when there is no other descriptor left
  std::chrono::steady_clock::time_point complained_{};
};

}  // namespace zipc
