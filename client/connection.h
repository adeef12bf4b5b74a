/// One connection to the broker, and finding it. Blocking; the callers see to it that one thread at a time uses it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/protocol.h"
#include "common/unique_fd.h"
#include "common/waiting.h"

namespace zipc {

/// What ZIPC_BROKER says.
enum class BrokerUse { automatic, require, off };
/// Error::invalid_argument when the variable has another value.
[[nodiscard]] Result<BrokerUse> broker_use();

/// $ZIPC_SOCKET, the user's socket, the system's socket: those that are defined, in this order.
[[nodiscard]] std::vector<std::string> broker_sockets();

/// How long to wait for a broker that is expected but does not listen just now, and for its answer: ZIPC_BROKER_TIMEOUT, in
/// milliseconds; 10 s if it is not set. Error::invalid_argument when it is not a number up to a day.
[[nodiscard]] Result<std::chrono::milliseconds> broker_timeout();

class Connection {
 public:
  /// Connects to the first of `paths` where somebody listens; looks again and again for `patience`. Error::no_broker when
  /// nobody does, permission_denied when a socket is there that we may not use, timeout, system.
  [[nodiscard]] static Result<std::unique_ptr<Connection>> open(const std::vector<std::string>& paths,
                                                                std::chrono::milliseconds patience);
  /// The same; `timeout` in place of broker_timeout().
  [[nodiscard]] static Result<std::unique_ptr<Connection>> open(const std::vector<std::string>& paths,
                                                                std::chrono::milliseconds patience,
                                                                std::chrono::milliseconds timeout);

  /// Sends a call and waits for the reply. Descriptors that come with it are appended to `fds`. A broker that has gone away
  /// in the meantime is waited for, and asked again. All of it takes broker_timeout() at most. A refusal is a Failure. The reply is in
  /// the memory that the parameters are in.
  [[nodiscard]] Result<protocol::json::object> call(std::string_view method, protocol::json::object parameters,
                                                    std::vector<UniqueFd>* fds = nullptr);

  /// The same over this very connection, if it still stands. After a failure that is no refusal it is of no more use.
  [[nodiscard]] Result<protocol::json::object> call_here(std::string_view method, protocol::json::object parameters,
                                                         std::vector<UniqueFd>* fds, bool& is_refusal);

  /// Sends a call that wants no reply. Never blocks. False: it was not sent, which few callers mind.
  bool notify(std::string_view method, protocol::json::object parameters) noexcept;

  /// Sends a call that has several replies; next_reply() gives them. The connection serves nothing else from then on.
  [[nodiscard]] Result<void> send_call(std::string_view method, protocol::json::object parameters);
  /// The next reply, or nothing when none came within `timeout`.
  [[nodiscard]] Result<std::optional<protocol::Reply>> next_reply(std::chrono::milliseconds timeout);

  /// The socket, to be polled for its end.
  [[nodiscard]] int native_handle() const noexcept { return fd_.get(); }
  /// Ends the connection, as everybody sees who polls it; the descriptor stays.
  void hang_up() noexcept;

  [[nodiscard]] const std::string& socket_path() const noexcept { return path_; }

  /// False in a child that was forked after connecting: it must not talk in its parent's name.
  [[nodiscard]] bool is_ours() const noexcept;

 private:
  Connection(UniqueFd fd, std::string path, std::chrono::milliseconds timeout);
  [[nodiscard]] Result<void> reconnect(Deadline deadline);
  /// One exchange. Error::no_broker: the connection has ended.
  [[nodiscard]] Result<protocol::Reply> exchange(std::string_view message, std::vector<UniqueFd>* fds,
                                                 protocol::json::storage_ptr memory);
  [[nodiscard]] Result<void> send_all(std::string_view message);
  [[nodiscard]] Result<std::string> receive_message(std::vector<UniqueFd>* fds);
  [[nodiscard]] Result<void> receive_some(std::vector<UniqueFd>* fds);

  UniqueFd fd_;
  std::string path_;
  std::chrono::milliseconds timeout_;
  pid_t process_;
  std::string buffer_;  // received, not consumed yet
};

/// The connection that the C API and Sender::create share: made when first needed; a forked child gets its own.
class ProcessConnection {
 public:
  /// Null when ZIPC_BROKER is off, or is auto and nobody listens. A broker that must be there (require), or was there for
  /// this process, is waited for. Otherwise as Connection::open.
  [[nodiscard]] Result<Connection*> get();

  /// A connection to the broker at `path`, which was there: waits for it. Error::no_broker, permission_denied, system.
  [[nodiscard]] Result<Connection*> get_at(const std::string& path);

  /// One that there is already; null.
  [[nodiscard]] Connection* known_at(const std::string& path) const noexcept;

  /// The connection, if there is one already.
  [[nodiscard]] Connection* current() const noexcept { return connection_.get(); }

  /// After Error::no_broker: the next get() looks for a broker anew.
  void forget() noexcept { connection_.reset(); }

 private:
  std::unique_ptr<Connection> connection_;
  std::vector<std::string> paths_;     // where it was looked for
  std::unique_ptr<Connection> other_;  // of get_at()
};

}  // namespace zipc
