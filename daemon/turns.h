/// Whose call is carried out next: one call a turn, and turns go round by user.
///
/// A user with a hundred connections has as many turns as one with a single connection, so a call waits for at most one call of each
/// other user, and for those that its own user has made before. Between two turns the io_context does whatever else is ready.
///
/// *Thread safety.* Only the thread that runs the io_context.
#pragma once

#include <sys/types.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <deque>
#include <functional>
#include <map>

namespace zipc {

class Turns {
 public:
  explicit Turns(boost::asio::io_context& io) : io_(io) {}

  /// Waits for a turn of `uid`. It lasts until the caller waits for anything, the next turn included. Cost: a few hundred
  /// nanoseconds, and a look of the io_context at its sockets.
  [[nodiscard]] boost::asio::awaitable<void> next(uid_t uid);

 private:
  using Turn = std::function<void()>;

  void enter(uid_t uid, Turn turn);
  void take();
  void take_later();

  boost::asio::io_context& io_;
  std::map<uid_t, std::deque<Turn>> waiting_;  ///< never empty ones
  std::deque<uid_t> users_;                    ///< those of waiting_, each once, in the order of their turns
};

}  // namespace zipc
