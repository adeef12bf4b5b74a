#include "client/connection.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

namespace zipc {
namespace {

constexpr std::chrono::milliseconds kDefaultTimeout{10'000};
constexpr std::chrono::milliseconds kLongestTimeout{24 * 3600 * 1000};
constexpr std::chrono::milliseconds kLookAgain{20};  // for a broker that does not listen yet

#ifdef MSG_NOSIGNAL
constexpr int kSendFlags = MSG_NOSIGNAL;
#else
constexpr int kSendFlags = 0;  // macOS: SO_NOSIGPIPE
#endif
#ifdef MSG_CMSG_CLOEXEC
constexpr int kReceiveFlags = MSG_CMSG_CLOEXEC;
#else
constexpr int kReceiveFlags = 0;  // macOS: FD_CLOEXEC afterwards
#endif

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

Failure socket_failure(int number, const std::string& path) {
  const std::string words = "the broker's socket " + path + ": " + std::strerror(number);
  switch (number) {
    case ENOENT:
    case ENOTDIR:
    case ECONNREFUSED: return Failure{Error::no_broker, "no broker listens at " + path};
    case EACCES:
    case EPERM:
      return Failure{.code = Error::permission_denied, .message = words, .rule = "the mode of the socket " + path};
    case EAGAIN: return Failure{Error::timeout, "the broker at " + path + " does not answer"};
    default: return Failure{Error::system, words};
  }
}

bool is_disconnect(int number) { return number == EPIPE || number == ECONNRESET || number == ENOTCONN; }

UniqueFd make_socket() {
#ifdef SOCK_CLOEXEC
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
#else
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM, 0));
  if (fd) fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
#endif
#ifdef SO_NOSIGPIPE
  const int on = 1;
  if (fd) setsockopt(fd.get(), SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
  return fd;
}

/// Bounds connect(), send and receive alike; they fail with EAGAIN then.
void set_timeouts(int fd, std::chrono::milliseconds timeout) {
  const auto ms = std::max<std::int64_t>(1, timeout.count());  // 0 would be for ever
  const timeval limit{.tv_sec = static_cast<time_t>(ms / 1000), .tv_usec = static_cast<suseconds_t>(ms % 1000 * 1000)};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

Result<UniqueFd> connect_to(const std::string& path, std::chrono::milliseconds timeout) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return Failure{Error::invalid_argument, "the socket path " + path + " is longer than " +
                                                std::to_string(sizeof address.sun_path - 1) + " bytes"};
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd fd = make_socket();
  if (!fd) return socket_failure(errno, path);
  set_timeouts(fd.get(), timeout);
  int result = 0;
  do {
    result = connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  } while (result != 0 && errno == EINTR);
  if (result != 0) return socket_failure(errno, path);
  return fd;
}

/// Owns every descriptor of a received message, also those that nobody asked for.
void take_descriptors(const msghdr& message, std::vector<UniqueFd>* fds) {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(const_cast<msghdr*>(&message), header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(header) + i * sizeof number, sizeof number);
      UniqueFd fd(number);
      if (kReceiveFlags == 0) fcntl(number, F_SETFD, FD_CLOEXEC);
      if (fds != nullptr) fds->push_back(std::move(fd));
    }
  }
}

}  // namespace

Result<BrokerUse> broker_use() {
  const std::string value = environment("ZIPC_BROKER");
  if (value.empty() || value == "auto") return BrokerUse::automatic;
  if (value == "require") return BrokerUse::require;
  if (value == "off") return BrokerUse::off;
  return Failure{Error::invalid_argument, "ZIPC_BROKER is '" + value.substr(0, 40) + "'; it must be auto, require or off"};
}

Result<std::chrono::milliseconds> broker_timeout() {
  const std::string value = environment("ZIPC_BROKER_TIMEOUT");
  if (value.empty()) return kDefaultTimeout;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error == std::errc{} && end == value.data() + value.size() && number >= 0 && number <= kLongestTimeout.count()) {
    return std::chrono::milliseconds(number);
  }
  return Failure{Error::invalid_argument, "ZIPC_BROKER_TIMEOUT is '" + value.substr(0, 40) +
                                              "'; it must be a number of milliseconds up to " +
                                              std::to_string(kLongestTimeout.count())};
}

std::vector<std::string> broker_sockets() {
  std::vector<std::string> paths;
  if (auto path = environment("ZIPC_SOCKET"); !path.empty()) paths.push_back(path);
  if (auto folder = environment("XDG_RUNTIME_DIR"); !folder.empty()) paths.push_back(folder + "/zipcd.sock");
#ifdef __APPLE__
  paths.emplace_back("/var/run/zipcd.sock");
#else
  paths.emplace_back("/run/zipcd.sock");
#endif
  return paths;
}

Connection::Connection(UniqueFd fd, std::string path, std::chrono::milliseconds timeout)
    : fd_(std::move(fd)), path_(std::move(path)), timeout_(timeout), process_(getpid()) {}

bool Connection::is_ours() const noexcept { return process_ == getpid(); }

Result<std::unique_ptr<Connection>> Connection::open(const std::vector<std::string>& paths,
                                                     std::chrono::milliseconds patience) {
  const auto timeout = broker_timeout();
  if (!timeout) return timeout.failure();
  return open(paths, patience, *timeout);
}

Result<std::unique_ptr<Connection>> Connection::open(const std::vector<std::string>& paths,
                                                     std::chrono::milliseconds patience,
                                                     std::chrono::milliseconds timeout) {
  const Deadline deadline = deadline_after(patience);
  while (true) {
    std::string tried;
    for (const std::string& path : paths) {
      auto fd = connect_to(path, timeout);
      if (fd) return std::unique_ptr<Connection>(new Connection(std::move(*fd), path, timeout));
      if (fd.error() != Error::no_broker) return fd.failure();
      tried += (tried.empty() ? "" : ", ") + path;
    }
    if (deadline == kNoWait || Clock::now() >= deadline) {
      const std::string waited = patience.count() > 0 ? " (waited " + std::to_string(patience.count()) + " ms)" : "";
      return Failure{Error::no_broker, "no broker listens at " + tried + waited};
    }
    std::this_thread::sleep_for(kLookAgain);  // no event says that somebody listens at a path
  }
}

Result<void> Connection::reconnect(Deadline deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
  auto again = open({path_}, std::max(left, std::chrono::milliseconds(0)));
  if (!again) return again.failure();
  fd_ = std::move((*again)->fd_);
  process_ = getpid();
  buffer_.clear();
  return {};
}

// An interrupted exchange is repeated whole: Acquire on a lost connection has left no lease, for its descriptor was never
// received, and the other calls may be made twice.
Result<protocol::json::object> Connection::call(std::string_view method, protocol::json::object parameters,
                                                std::vector<UniqueFd>* fds) {
  const protocol::json::storage_ptr memory = parameters.storage();
  const std::string message = to_message(protocol::Call{std::string(method), std::move(parameters)});
  const Deadline deadline = Clock::now() + timeout_;
  while (true) {
    if (!fd_ || !is_ours()) {
      if (auto connected = reconnect(deadline); !connected) return connected.failure();
    }
    auto reply = exchange(message, fds, memory);
    if (reply && !reply->error.empty()) return from_reply(*reply);
    if (reply) return std::move(reply->parameters);
    fd_.reset();  // what else may come over it answers a question nobody asks any more
    if (fds != nullptr) fds->clear();
    if (reply.error() != Error::no_broker || Clock::now() >= deadline) return reply.failure();
  }
}

Result<protocol::Reply> Connection::exchange(std::string_view message, std::vector<UniqueFd>* fds,
                                             protocol::json::storage_ptr memory) {
  const auto sent = send_all(message);
  // A broker that refuses the connection says why before it closes it, maybe before our call is sent.
  if (!sent && sent.error() != Error::no_broker) return sent.failure();
  const auto received = receive_message(fds);
  if (!received) return received.failure();
  return protocol::parse_reply(*received, std::move(memory));
}

Result<protocol::json::object> Connection::call_here(std::string_view method, protocol::json::object parameters,
                                                     std::vector<UniqueFd>* fds, bool& is_refusal) {
  is_refusal = false;
  if (!fd_ || !is_ours()) return Failure{Error::no_broker, "the broker at " + path_ + " has gone away"};
  const protocol::json::storage_ptr memory = parameters.storage();
  auto reply = exchange(to_message(protocol::Call{std::string(method), std::move(parameters)}), fds, memory);
  if (!reply) return reply.failure();
  is_refusal = !reply->error.empty();
  if (is_refusal) return from_reply(*reply);
  return std::move(reply->parameters);
}

void Connection::hang_up() noexcept {
  if (fd_ && is_ours()) shutdown(fd_.get(), SHUT_RDWR);
}

Result<void> Connection::send_call(std::string_view method, protocol::json::object parameters) {
  return send_all(
      to_message(protocol::Call{.method = std::string(method), .parameters = std::move(parameters), .more = true}));
}

Result<std::optional<protocol::Reply>> Connection::next_reply(std::chrono::milliseconds timeout) {
  if (buffer_.find('\0') == std::string::npos) {
    pollfd readable{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    const int ready = poll(&readable, 1, static_cast<int>(timeout.count()));
    if (ready == 0 || (ready < 0 && errno == EINTR)) return std::optional<protocol::Reply>{};
  }
  auto received = receive_message(nullptr);
  if (!received) return received.failure();
  auto reply = protocol::parse_reply(*received);
  if (!reply) return reply.failure();
  return std::optional<protocol::Reply>(std::move(*reply));
}

bool Connection::notify(std::string_view method, protocol::json::object parameters) noexcept try {
  if (!fd_ || !is_ours()) return false;
  protocol::Call call{.method = std::string(method), .parameters = std::move(parameters), .oneway = true};
  const std::string message = to_message(std::move(call));
  const auto sent = ::send(fd_.get(), message.data(), message.size(), kSendFlags | MSG_DONTWAIT);
  if (sent == static_cast<ssize_t>(message.size())) return true;
  if (sent > 0) fd_.reset();  // half a message would garble the next one
  return false;
} catch (const std::bad_alloc&) {
  return false;
}

Result<void> Connection::send_all(std::string_view message) {
  while (!message.empty()) {
    const auto sent = ::send(fd_.get(), message.data(), message.size(), kSendFlags);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) {
      return is_disconnect(errno) ? Failure{Error::no_broker, "the broker at " + path_ + " has gone away"}
                                  : socket_failure(errno, path_);
    }
    message.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

Result<void> Connection::receive_some(std::vector<UniqueFd>* fds) {
  std::array<char, 16 * 1024> bytes;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(protocol::kFdsMax * sizeof(int))> control;
  iovec part{.iov_base = bytes.data(), .iov_len = bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t count = 0;
  do {
    count = recvmsg(fd_.get(), &message, kReceiveFlags);
  } while (count < 0 && errno == EINTR);
  if (count == 0 || (count < 0 && is_disconnect(errno))) {
    return Failure{Error::no_broker, "the broker at " + path_ + " has gone away"};
  }
  if (count < 0) return socket_failure(errno, path_);
  take_descriptors(message, fds);
  buffer_.append(bytes.data(), static_cast<std::size_t>(count));
  return {};
}

Result<std::string> Connection::receive_message(std::vector<UniqueFd>* fds) {
  std::size_t searched = 0;
  while (true) {
    const std::size_t end = buffer_.find('\0', searched);
    if (end != std::string::npos) {
      std::string message = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return message;
    }
    if (buffer_.size() > protocol::kReplySizeMax) {
      return Failure{Error::protocol, "the broker's answer is longer than " + std::to_string(protocol::kReplySizeMax) + " bytes"};
    }
    searched = buffer_.size();
    if (auto received = receive_some(fds); !received) return received.failure();
  }
}

Result<Connection*> ProcessConnection::get() {
  const auto use = broker_use();
  if (!use) return use.failure();
  if (*use == BrokerUse::off) return nullptr;
  auto paths = broker_sockets();  // each time: a program may choose its broker by changing the environment
  if (connection_ != nullptr && connection_->is_ours() && paths == paths_) return connection_.get();
  const bool was_there = connection_ != nullptr && paths == paths_;
  const auto timeout = broker_timeout();
  if (!timeout) return timeout.failure();
  const bool is_expected = *use == BrokerUse::require || was_there;
  auto opened = Connection::open(paths, is_expected ? *timeout : std::chrono::milliseconds(0));
  if (!opened) {
    connection_.reset();
    if (opened.error() == Error::no_broker && *use == BrokerUse::automatic) return nullptr;
    return opened.failure();
  }
  connection_ = std::move(*opened);
  paths_ = std::move(paths);
  return connection_.get();
}

Connection* ProcessConnection::known_at(const std::string& path) const noexcept {
  for (auto* known : {connection_.get(), other_.get()}) {
    if (known != nullptr && known->is_ours() && known->socket_path() == path) return known;
  }
  return nullptr;
}

Result<Connection*> ProcessConnection::get_at(const std::string& path) {
  if (auto* known = known_at(path)) return known;
  const auto timeout = broker_timeout();
  if (!timeout) return timeout.failure();
  auto opened = Connection::open({path}, *timeout);
  if (!opened) return opened.failure();
  other_ = std::move(*opened);
  return other_.get();
}

}  // namespace zipc
