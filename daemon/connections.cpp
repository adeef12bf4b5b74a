#include "daemon/connections.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <utility>

#include "daemon/doorbells.h"
#include "daemon/log.h"
#include "daemon/peer.h"

namespace zipc {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::redirect_error;
using asio::use_awaitable;
using boost::system::error_code;
using std::chrono::steady_clock;

/// Descriptors that connections must leave, besides those for doorbells: a dozen are always open, a request needs up to
/// four for its segment, and processes are known beyond their connections.
constexpr rlim_t kDescriptorsKept = 16 + Processes::kRememberedMax + Processes::kQuestionsMax;
/// A connection's own: its socket, and its process.
constexpr rlim_t kDescriptorsEach = 2;
static_assert(protocol::kFdsMax <= kDescriptorsEach, "so that those which clients have not read are not too many either");
constexpr auto kPause = std::chrono::seconds(1);

UniqueFd open_spare() { return UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

Failure limit_reached(const std::string& rule, const std::string& what) {
  return {.code = Error::limit_reached, .message = what + ": " + rule, .rule = rule};
}

/// Best effort: who does not read at once does not learn why.
void send_away(LocalSocket& socket, const Failure& failure) {
  const std::string reply = protocol::to_message(protocol::to_reply(failure));
  error_code ignored;
  socket.non_blocking(true, ignored);
  socket.send(asio::buffer(reply), 0, ignored);
}

}  // namespace

Connections::Connections(asio::io_context& io, UniqueFd socket, const Limits& limits, Methods& methods,
                         Processes& processes, Turns& turns, Receipts& receipts, std::function<void()> after_call)
    : io_(io),
      acceptor_(io),
      pause_(io),
      methods_(methods),
      after_call_(std::move(after_call)),
      processes_(processes),
      turns_(turns),
      receipts_(receipts),
      spare_(open_spare()) {
  set_limits(limits);
  acceptor_.assign(asio::local::stream_protocol(), socket.release());
  acceptor_.non_blocking(true);
}

void Connections::start() { asio::co_spawn(io_, accept(), asio::detached); }

void Connections::stop() {
  error_code ignored;
  acceptor_.close(ignored);
  pause_.cancel();
  for (auto& [id, connected] : sessions_) connected.session->close();
}

std::size_t Connections::descriptors() const noexcept {
  const auto is_open = [](const auto& entry) { return entry.second.session->is_open(); };
  return static_cast<std::size_t>(std::count_if(sessions_.begin(), sessions_.end(), is_open)) + (spare_ ? 1 : 0);
}

void Connections::set_limits(const Limits& limits) {
  most_ = within_descriptors(limits.connections);
  most_per_user_ = {.most = limits.connections_per_user,
                    .rule = "limits.connections_per_user is " + std::to_string(limits.connections_per_user)};
}

Connections::Limit Connections::within_descriptors(std::uint32_t connections) {
  Limit limit{.most = connections, .rule = "limits.connections is " + std::to_string(connections)};
  rlimit descriptors{};
  if (getrlimit(RLIMIT_NOFILE, &descriptors) != 0 || descriptors.rlim_cur == RLIM_INFINITY) return limit;
  const rlim_t kept = kDescriptorsKept + Doorbells::share_of(descriptors.rlim_cur);
  const rlim_t left = descriptors.rlim_cur - std::min(kept, descriptors.rlim_cur);
  const auto most = static_cast<std::size_t>(std::max<rlim_t>(1, left / kDescriptorsEach));
  if (connections <= most) return limit;
  log::warning(limit.rule + ", but with " + std::to_string(descriptors.rlim_cur) + " descriptors it is " +
               std::to_string(most));
  return {.most = most,
          .rule = std::string(kDescriptorLimit) + " is " + std::to_string(descriptors.rlim_cur) +
                  ", enough for " + log::plural(most, "connection")};
}

awaitable<void> Connections::accept() {
  while (acceptor_.is_open()) {
    error_code error;
    // accept(2) fails for want of a descriptor even when nobody waits, so it must not be called before somebody does.
    co_await acceptor_.async_wait(asio::socket_base::wait_read, redirect_error(use_awaitable, error));
    if (error) continue;  // closed
    LocalSocket socket(io_);
    acceptor_.accept(socket, error);
    if (!error) {
      admit(std::move(socket));
    } else if (error != asio::error::would_block && error != asio::error::connection_aborted) {
      complain(error);
      const bool is_away = send_next_away(error);
      if (!is_away) co_await pause();
    }
  }
}

void Connections::complain(const error_code& error) {
  const auto now = steady_clock::now();
  if (now - complained_ < kPause) return;
  complained_ = now;
  log::error("cannot accept a connection: " + error.message());
}

/// The client who waits would be reported again and again. The spare descriptor is for telling it so.
bool Connections::send_next_away(const error_code& why) {
  if (!spare_) return false;
  spare_.reset();
  LocalSocket socket(io_);
  error_code error;
  acceptor_.accept(socket, error);
  if (!error) send_away(socket, {Error::system, "zipcd cannot accept a connection: " + why.message()});
  socket.close(error);
  spare_ = open_spare();
  return static_cast<bool>(spare_);
}

awaitable<void> Connections::pause() {
  pause_.expires_after(kPause);
  error_code ignored;
  co_await pause_.async_wait(redirect_error(use_awaitable, ignored));
  if (!spare_) spare_ = open_spare();
}

void Connections::admit(LocalSocket socket) {
  auto client = peer_of(socket.native_handle());
  if (!client) return log::info("connection dropped: " + client.failure().message);
  if (const auto failure = refuse(*client)) {
    log::debug("connection refused: " + failure->message);
    refusals_.refused(client->uid, *failure);
    return send_away(socket, *failure);
  }
  refusals_.granted(client->uid);
  client->session = SessionId{next_session_++};
  auto process = processes_.open(socket.native_handle(), client->pid);
  client->process = process;
  auto session =
      std::make_shared<Session>(std::move(socket), std::move(*client), methods_, turns_, receipts_, after_call_);
  sessions_.emplace(session->client().session, Connected{.session = session, .process = std::move(process)});
  ++of_user_[session->client().uid];
  after_call_();
  asio::co_spawn(io_, serve(std::move(session)), asio::detached);
}

std::optional<Failure> Connections::refuse(const Client& client) const {
  if (sessions_.size() >= most_.most) {
    return limit_reached(most_.rule, "there are " + std::to_string(sessions_.size()) + " connections");
  }
  const auto own = of_user_.find(client.uid);
  if (own == of_user_.end() || own->second < most_per_user_.most) return std::nullopt;
  return limit_reached(most_per_user_.rule,
                       "user " + std::to_string(client.uid) + " has " + std::to_string(own->second) + " connections");
}

awaitable<void> Connections::serve(std::shared_ptr<Session> session) {
  const Client client = session->client();
  try {
    co_await session->run();
  } catch (const std::exception& error) {  // out of memory, say: this connection ends, the others do not
    log::error("connection of process " + std::to_string(client.pid) + " dropped: " + error.what());
    session->close();
  }
  auto process = client.process.lock();
  sessions_.erase(client.session);
  if (--of_user_[client.uid] == 0) of_user_.erase(client.uid);
  const bool holds_leases = methods_.hang_up(client.session, steady_clock::now());
  if (holds_leases) processes_.remember(std::move(process));
  after_call_();
}

}  // namespace zipc
