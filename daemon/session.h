/// One client's connection: reads calls, has them carried out, writes the replies, in that order.
///
/// A client that is slow, floods us, sends nonsense or does not read its replies harms its own connection only: a call
/// that is not complete costs a buffer of protocol::kCallSizeMax, the next call is not looked at before the reply to
/// the last is written and the descriptors that it had are read, and each call and each event waits for a turn of the
/// client's user. Descriptors that a client sends are never received.
///
/// A client that watches is served nothing else: its connection is for events until it says another word, or goes.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/methods.h"
#include "daemon/receipts.h"
#include "daemon/turns.h"

namespace zipc {

using LocalSocket = boost::asio::local::stream_protocol::socket;

enum class Written {
  all,
  nothing,  ///< the kernel lets zipcd's user send no more descriptors before others are read
  client_has_gone,
};

/// Writes `message`, and with its first byte `fds`.
[[nodiscard]] boost::asio::awaitable<Written> write_message(LocalSocket& socket, std::string_view message,
                                                            const std::vector<UniqueFd>& fds);

class Session : public std::enable_shared_from_this<Session> {
 public:
  /// `client` as of the accepted `socket`, with a session. `after_call` is called after each call. All outlive the
  /// session.
  Session(LocalSocket socket, Client client, Methods& methods, Turns& turns, Receipts& receipts,
          const std::function<void()>& after_call)
      : socket_(std::move(socket)),
        client_(std::move(client)),
        methods_(methods),
        turns_(turns),
        receipts_(receipts),
        after_call_(after_call) {}

  /// Serves the client until it goes, breaks the protocol, or close() is called; and then waits until it has read the
  /// descriptors that it was sent, for until then they count.
  [[nodiscard]] boost::asio::awaitable<void> run();

  void close() noexcept;
  [[nodiscard]] bool is_open() const noexcept { return socket_.is_open(); }

  [[nodiscard]] const Client& client() const noexcept { return client_; }

 private:
  /// Reads more; false: nothing more comes.
  boost::asio::awaitable<bool> read();
  /// Waits until the client has read the descriptors that it was sent last; false: the connection is of no more use.
  boost::asio::awaitable<bool> await_receipt();
  /// Waits until it is this client's turn; false: the connection was closed meanwhile.
  boost::asio::awaitable<bool> await_turn();
  /// Carries out the calls that are complete; false: the connection is of no more use.
  boost::asio::awaitable<bool> serve_complete_calls();
  boost::asio::awaitable<bool> serve(std::string_view message);
  /// In place of an answer whose `fds` cannot be sent.
  boost::asio::awaitable<bool> refuse_descriptors(std::vector<UniqueFd> fds);
  /// What a call is answered with: a message and its descriptors, or events; neither where no reply is wanted.
  struct Answered {
    std::string reply;
    std::vector<UniqueFd> fds;
    std::shared_ptr<Subscription> events;
  };
  /// Carries out a call; nothing: it is none.
  std::optional<Answered> answer(std::string_view message);
  /// Writes events until the client says anything, or goes.
  boost::asio::awaitable<void> report(std::shared_ptr<Subscription> events);
  boost::asio::awaitable<bool> refuse_long_call();
  void log_drop(const std::string& why) const;

  LocalSocket socket_;
  Client client_;
  Methods& methods_;
  Turns& turns_;
  Receipts& receipts_;
  const std::function<void()>& after_call_;
  std::string input_;  ///< bytes that are not yet a complete call
  bool has_unread_fds_ = false;  ///< or had: see await_receipt()
};

}  // namespace zipc
