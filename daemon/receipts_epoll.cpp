#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include <array>
#include <boost/asio/async_result.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <map>
#include <utility>

#include "daemon/receipts.h"

namespace zipc {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

/// The memory that a message takes counts, which is more than this. Of one that has been read all but a byte is taken off before
/// the edge comes, and that byte after it.
constexpr int kLeastUnread = 256;

bool is_unread(int socket) noexcept {
  int bytes = 0;
  return ioctl(socket, SIOCOUTQ, &bytes) == 0 && bytes >= kLeastUnread;
}

}  // namespace

class Receipts::Readers {
 public:
  explicit Readers(asio::io_context& io) : io_(io), edges_(io, epoll_create1(EPOLL_CLOEXEC)) { await_edges(); }

  asio::awaitable<bool> all_read(int socket) {
    if (!is_unread(socket)) co_return true;
    const bool is_read = co_await asio::async_initiate<const asio::use_awaitable_t<>, void(bool)>(
        [this, socket](auto handler) {
          const auto shared = std::make_shared<decltype(handler)>(std::move(handler));  // std::function copies
          begin(socket, [shared](bool is_read) { std::move (*shared)(is_read); });
        },
        asio::use_awaitable);
    co_return is_read;
  }

  /// Ends the wait for `socket`, if there is one.
  void end(int socket, bool is_read) {
    const auto waiting = waiting_.find(socket);
    if (waiting == waiting_.end()) return;
    epoll_ctl(edges_.native_handle(), EPOLL_CTL_DEL, socket, nullptr);
    asio::post(io_, [is_read, then = std::move(waiting->second)] { then(is_read); });
    waiting_.erase(waiting);
  }

  void stop() {
    while (!waiting_.empty()) end(waiting_.begin()->first, false);
    error_code ignored;
    edges_.close(ignored);
  }

 private:
  using Then = std::function<void(bool is_read)>;

  /// The first edge comes at once: what was read before that is not missed.
  void begin(int socket, Then then) {
    waiting_[socket] = std::move(then);
    epoll_event wanted{.events = EPOLLOUT | EPOLLET, .data = {.fd = socket}};
    if (epoll_ctl(edges_.native_handle(), EPOLL_CTL_ADD, socket, &wanted) != 0) end(socket, false);
  }

  void await_edges() {
    edges_.async_wait(asio::posix::stream_descriptor::wait_read, [this](const error_code& error) {
      if (error) return;
      take_edges();
      await_edges();
    });
  }

  void take_edges() {
    std::array<epoll_event, 64> edges;
    const int count = epoll_wait(edges_.native_handle(), edges.data(), edges.size(), 0);
    for (int i = 0; i < count; ++i) {
      const int socket = edges[static_cast<std::size_t>(i)].data.fd;
      if (!is_unread(socket)) end(socket, true);
    }
  }

  asio::io_context& io_;
  asio::posix::stream_descriptor edges_;  ///< an epoll set of the sockets in waiting_
  std::map<int, Then> waiting_;
};

Receipts::Receipts(asio::io_context& io) : readers_(std::make_unique<Readers>(io)) {}
Receipts::~Receipts() = default;
asio::awaitable<bool> Receipts::all_read(int socket) { return readers_->all_read(socket); }
void Receipts::cancel(int socket) { readers_->end(socket, false); }
void Receipts::stop() { readers_->stop(); }

}  // namespace zipc
