#include "daemon/session.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>

#include "common/test_point.h"
#include "daemon/log.h"
#include "daemon/refusals.h"
#include "daemon/subscription.h"

namespace zipc {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::redirect_error;
using asio::use_awaitable;
using boost::system::error_code;

#ifdef MSG_NOSIGNAL
constexpr int kSendFlags = MSG_NOSIGNAL;
#else
constexpr int kSendFlags = 0;  // SIGPIPE is ignored
#endif

constexpr std::size_t kReadMin = 512;  // most calls are shorter; an idle connection waits with this much

/// One sendmsg(2). Returns the bytes taken, 0 when the socket is full, -1 and errno for any other error.
ssize_t send_some(int socket, std::string_view bytes, const std::vector<UniqueFd>& fds) {
  iovec data{.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(protocol::kFdsMax * sizeof(int))> control{};
  if (!fds.empty()) {
    std::array<int, protocol::kFdsMax> numbers{};
    std::transform(fds.begin(), fds.end(), numbers.begin(), [](const UniqueFd& fd) { return fd.get(); });
    const std::size_t size = fds.size() * sizeof(int);
    message.msg_control = control.data();
    message.msg_controllen = static_cast<decltype(message.msg_controllen)>(CMSG_SPACE(size));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = static_cast<decltype(header->cmsg_len)>(CMSG_LEN(size));
    std::memcpy(CMSG_DATA(header), numbers.data(), size);
  }
  ssize_t sent = 0;
  do {
    sent = sendmsg(socket, &message, kSendFlags);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return sent;
  return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
}

}  // namespace

awaitable<Written> write_message(LocalSocket& socket, std::string_view message, const std::vector<UniqueFd>& fds) {
  static const std::vector<UniqueFd> kNoFds;
  std::size_t written = 0;
  while (written < message.size()) {
    const ssize_t sent = send_some(socket.native_handle(), message.substr(written), written == 0 ? fds : kNoFds);
    if (sent < 0) co_return errno == ETOOMANYREFS ? Written::nothing : Written::client_has_gone;
    written += static_cast<std::size_t>(sent);
    if (sent > 0) continue;
    error_code error;
    co_await socket.async_wait(LocalSocket::wait_write, redirect_error(use_awaitable, error));
    if (error) co_return Written::client_has_gone;
  }
  co_return Written::all;
}

awaitable<void> Session::run() {
  error_code error;
  socket_.non_blocking(true, error);
  while (true) {
    const bool more = co_await read();
    if (!more) break;
    const bool usable = co_await serve_complete_calls();
    if (!usable) break;
  }
  if (has_unread_fds_) {
    socket_.shutdown(LocalSocket::shutdown_both, error);
    co_await await_receipt();
  }
  close();
}

void Session::close() noexcept {
  if (!is_open()) return;
  receipts_.cancel(socket_.native_handle());
  error_code ignored;
  socket_.close(ignored);
}

awaitable<bool> Session::read() {
  const std::size_t before = input_.size();
  input_.resize(before + std::clamp(before, kReadMin, protocol::kCallSizeMax + 1));
  error_code error;
  const std::size_t size = co_await socket_.async_read_some(
      asio::buffer(input_.data() + before, input_.size() - before), redirect_error(use_awaitable, error));
  input_.resize(before + size);
  if (error && before != 0) log_drop("in the middle of a call: " + error.message());
  co_return !error;
}

awaitable<bool> Session::await_receipt() {
  if (!has_unread_fds_) co_return true;
  const bool are_read = co_await receipts_.all_read(socket_.native_handle());
  has_unread_fds_ = !are_read;
  co_return are_read;
}

awaitable<bool> Session::await_turn() {
  co_await turns_.next(client_.uid);
  co_return is_open();
}

awaitable<bool> Session::serve_complete_calls() {
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = input_.find('\0', begin)) != std::string::npos; begin = end + 1) {
    const bool are_fds_read = co_await await_receipt();
    if (!are_fds_read) co_return false;
    const bool is_open = co_await await_turn();
    if (!is_open) co_return false;
    const bool usable = co_await serve(std::string_view(input_).substr(begin, end - begin));
    if (!usable) co_return false;
  }
  input_.erase(0, begin);
  if (input_.empty()) input_.shrink_to_fit();  // of a long call
  if (input_.size() <= methods_.call_size_max(client_)) co_return true;
  const bool usable = co_await refuse_long_call();
  co_return usable;
}

awaitable<bool> Session::serve(std::string_view message) {
  std::optional<Answered> answered = answer(message);
  if (!answered) co_return false;
  const bool is_last = message.end() + 1 == std::string_view(input_).end();
  if (answered->events) {
    if (is_last) co_await report(answered->events);
    co_return false;
  }
  if (answered->reply.empty()) co_return true;
  ZIPC_TEST_POINT("reply.before");
  has_unread_fds_ = !answered->fds.empty();
  const Written written = co_await write_message(socket_, answered->reply, answered->fds);
  ZIPC_TEST_POINT("reply.after");
  if (written != Written::nothing) co_return written == Written::all;
  const bool is_there = co_await refuse_descriptors(std::move(answered->fds));
  co_return is_there;
}

awaitable<bool> Session::refuse_descriptors(std::vector<UniqueFd> fds) {
  has_unread_fds_ = false;
  fds.clear();  // and with them goes the role that they stand for
  static_cast<void>(methods_.hang_up(client_.session, std::chrono::steady_clock::now()));
  after_call_();
  const Failure failure{.code = Error::limit_reached,
                        .message = "the descriptors cannot be sent: others of zipcd's user have not been read, and are too many",
                        .rule = kDescriptorLimit};
  const Written written = co_await write_message(socket_, protocol::to_message(protocol::to_reply(failure)), {});
  co_return written == Written::all;
}

std::optional<Session::Answered> Session::answer(std::string_view message) {
  protocol::Arena arena;
  const auto call = protocol::parse_call(message, arena.memory());
  if (!call) {
    log_drop(call.failure().message);
    return std::nullopt;
  }
  if (log::is_on(log::Level::trace)) {
    log::trace("process " + std::to_string(client_.pid) + " calls " + log::printable(call->method));
  }
  Answer answer = methods_.answer(*call, client_, std::chrono::steady_clock::now());
  after_call_();
  if (answer.events || call->oneway) return Answered{.reply = {}, .fds = {}, .events = std::move(answer.events)};
  return Answered{.reply = protocol::to_message(std::move(answer.reply)), .fds = std::move(answer.fds), .events = {}};
}

awaitable<void> Session::report(std::shared_ptr<Subscription> events) {
  input_ = {};
  socket_.async_wait(LocalSocket::wait_read, [events, session = weak_from_this()](const error_code&) {
    events->close();
    if (const auto alive = session.lock()) alive->close();  // it may be waiting to write
  });
  bool is_there = true;
  while (is_there) {
    const std::optional<Event> event = co_await events->next();
    if (!event) break;
    is_there = co_await await_turn();
    if (!is_there) break;
    const std::string reply = protocol::to_message(
        protocol::Reply{.error = {}, .parameters = {{"event", protocol::encode(*event)}}, .continues = true});
    const Written written = co_await write_message(socket_, reply, {});
    is_there = written == Written::all;
  }
}

awaitable<bool> Session::refuse_long_call() {
  const std::string why = "a call is longer than " + std::to_string(methods_.call_size_max(client_)) + " bytes";
  log_drop(why);
  const std::string reply = protocol::to_message(protocol::to_reply({Error::invalid_argument, why}));
  static_cast<void>(send_some(socket_.native_handle(), reply, {}));  // if it does not fit, it is lost
  co_return false;
}

void Session::log_drop(const std::string& why) const {
  log::info("connection of process " + std::to_string(client_.pid) + ", user " + std::to_string(client_.uid) +
            ", dropped: " + log::printable(why));
}

}  // namespace zipc
