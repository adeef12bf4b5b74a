/// Whether clients have read what was sent to them.
///
/// The kernel counts descriptors that are sent and not read yet against the sender's user, who may have no more of them than
/// RLIMIT_NOFILE unless privileged. So a client is sent no descriptor before it has read the last, and one that does not read
/// uses up nothing that the others need.
///
/// On Linux (receipts_epoll.cpp) SIOCOUTQ says what is unread, and an edge of EPOLLOUT comes with each message that is read.
/// Asio asks whether there is space in a socket, which there mostly is, and not for edges: so the sockets are in an epoll set of
/// their own, and Asio waits for that. Elsewhere (receipts_none.cpp) all counts as read.
///
/// *Thread safety.* Only the thread that runs the io_context.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>

namespace zipc {

class Receipts {
 public:
  explicit Receipts(boost::asio::io_context& io);
  ~Receipts();
  Receipts(const Receipts&) = delete;
  Receipts& operator=(const Receipts&) = delete;

  /// Waits until the client at the other end of `socket` has read everything, or has gone. One caller a socket at a time. False:
  /// cancelled, or the kernel has no memory to tell. Cost: a system call if all is read.
  [[nodiscard]] boost::asio::awaitable<bool> all_read(int socket);

  /// `socket` is about to be closed: ends the wait for it, if there is one.
  void cancel(int socket);

  /// Ends all waiting, so that the io_context can come to its end.
  void stop();

 private:
  class Readers;
  std::unique_ptr<Readers> readers_;
};

}  // namespace zipc
