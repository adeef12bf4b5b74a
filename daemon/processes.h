/// The processes of the clients, each with a descriptor of its own, so that the kernel can tell how one of them ended.
///
/// A process can be asked after as long as somebody has its Process. That is its connection, while it lasts; then, if
/// the process still holds a lease, this class for a while; and this class while the answer to a question is not there
/// yet. All of that is bounded, because each costs a descriptor: who is not known any more has ended, nobody knows how.
///
/// *Thread safety.* Only the thread that runs the io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "daemon/peer.h"

namespace zipc {

class Processes {
 public:
  /// How many processes without a connection are remembered. A process that is killed loses its connection and its
  /// leases within microseconds, in either order, so this is about how many are killed at once.
  static constexpr std::size_t kRememberedMax = 32;
  /// How many questions may be open. Each is so for a millisecond if the process's parent waits for it.
  static constexpr std::size_t kQuestionsMax = 32;

  using Answer = std::function<void(const std::optional<ProcessEnd>&)>;

  explicit Processes(boost::asio::io_context& io) : io_(io) {}

  /// The process that connected `socket`. Null where the kernel does not tell, or no descriptor is left.
  [[nodiscard]] std::shared_ptr<const Process> open(int socket, pid_t pid);

  /// Keeps `process` until kRememberedMax others have come. Null: nothing happens.
  void remember(std::shared_ptr<const Process> process);

  /// Calls `answer` once with how `process` ended: before this returns, or later, when the kernel knows. The lock of a
  /// process goes before the process does, and a process that nobody has waited for may not be ours to look at; nullopt
  /// after about a second, and at once if `process` is null or there are too many questions.
  void ask(std::shared_ptr<const Process> process, Answer answer);

  /// How many descriptors processes have open.
  [[nodiscard]] std::size_t descriptors() const noexcept { return static_cast<std::size_t>(open_.use_count() - 1); }

  /// Ends all waiting, so that the io_context can come to its end. Open questions remain without an answer.
  void stop();

 private:
  struct Question {
    boost::asio::steady_timer timer;
    std::shared_ptr<const Process> process;
    Answer answer;
    std::size_t tries = 0;
  };

  void try_later(std::list<Question>::iterator question);

  boost::asio::io_context& io_;
  std::deque<std::shared_ptr<const Process>> remembered_;  // oldest first
  std::list<Question> questions_;
  bool stopped_ = false;
  std::shared_ptr<const void> open_ = std::make_shared<char>();  // every Process has a copy, which counts it
};

/// "was killed by signal 9 (Killed)", "ended with exit code 1".
[[nodiscard]] std::string to_string(const ProcessEnd& end);

}  // namespace zipc
