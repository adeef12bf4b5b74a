/// Waiting in a program's own event loop: the descriptor that zipc_fd() gives out, and ringing the doorbell of a peer that
/// has one. waiting.h has the proof that no wake-up is lost.
///
/// The descriptor is an epoll instance, which stays the same as long as the process has the role. It holds
///   - the role's doorbell (doorbell.h), which the peer and the broker ring;
///   - an eventfd, by which the role's own calls make it readable;
///   - a connection to the broker, which ends with it: then nobody rings for those who come later, and its successor has
///     to be asked for another doorbell;
///   - a timer, for as long as nobody else can be relied on to ring.
///
/// *Thread safety.* As of the contexts of a role: one thread at a time calls the functions of a Readiness. The table of
/// them has a lock of its own, so that no call on the message path waits for one that is talking to the broker.
///
/// *Invariant.* The descriptor is readable, or: the waiting word says that we wait by the doorbell (or the timer runs), and
/// there was nothing to be found after it was so; or the peer has taken that back, and is about to ring.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "common/doorbell.h"
#include "common/ring.h"

namespace zipc {

class BrokerLink;

/// Of one attachment that was made through a broker.
class Readiness {
 public:
  /// `broker`: its socket.
  Readiness(std::string channel, Role role, std::string broker);
  ~Readiness();
  Readiness(Readiness&&) = delete;

  /// The descriptor, which is readable at first. Blocks while the broker answers, and is waited for. Error::unsupported
  /// (the platform has none), limit_reached, no_broker and what else the broker may refuse with, system.
  [[nodiscard]] Result<int> descriptor();
  [[nodiscard]] bool has_descriptor() const noexcept { return own_ != nullptr; }

  /// A call has found nothing in `ring`: the descriptor becomes unreadable, until there is something. Whoever calls this
  /// looks once more afterwards. False: the descriptor is that of a parent process. Cost: about four system calls.
  [[nodiscard]] bool arm(Ring ring) noexcept;
  /// A call has found something: the descriptor is readable. Cost: a system call if it was armed.
  void disarm(Ring ring) noexcept;
  /// As disarm(), whatever was before.
  void make_readable() noexcept;

  /// Rings the peer's doorbell, whose number is `serial`, or has the broker ring it. False: neither is sure. Cost: a system
  /// call; the first time the broker's answer.
  [[nodiscard]] bool ring_peer(std::uint32_t serial) noexcept;

 private:
  struct Own;
  [[nodiscard]] Result<void> take_doorbell(std::chrono::milliseconds patience);
  void look_for_broker() noexcept;
  [[nodiscard]] bool ask_for_peers(std::uint32_t serial);
  [[nodiscard]] bool have_peer_rung();

  std::string channel_;
  Role role_;
  std::string broker_;
  std::unique_ptr<Own> own_;

  Doorbell peer_;                  ///< its serial is the one that was asked for, though the answer may have been another
  Clock::time_point ask_again_{};  ///< if the broker has not given it
};

/// The attachments that have one, by their memory. From any thread.
namespace readiness {
void add(const void* memory, std::shared_ptr<Readiness> readiness);
void remove(const void* memory) noexcept;
[[nodiscard]] std::shared_ptr<Readiness> find(const void* memory) noexcept;
/// Around fork(), so that the child finds the locks free.
void lock_for_fork() noexcept;
void unlock_after_fork() noexcept;
}  // namespace readiness

}  // namespace zipc
