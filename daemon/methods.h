/// The methods of the Varlink interfaces: a call in, an answer out.
///
/// Translates between protocol.h and the broker, and knows no sockets. A name that is not found is answered with the
/// errors that org.varlink.service prescribes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/protocol.h"
#include "daemon/broker.h"
#include "daemon/events.h"

namespace zipc {

/// A reply and the descriptors that go with it, in the order of their indices. Or, instead, events: a reply each, until
/// the connection ends.
struct Answer {
  protocol::Reply reply;
  std::vector<UniqueFd> fds;
  std::shared_ptr<Subscription> events = {};
};

class Methods {
 public:
  /// What the methods need of the process around the broker.
  struct Surroundings {
    std::function<std::size_t()> connections;                 ///< how many clients are connected
    std::function<std::optional<std::size_t>()> descriptors;  ///< how many should be open; nullopt: unknown
    std::function<std::string(const SocketConfig&)> socket_changes;  ///< what would become of the socket, in words
    std::function<Result<void>(const Config&)> follow;  ///< lets a configuration that the broker has applied count for the rest
    TimePoint started;
  };

  /// `broker` and `events` outlive the object.
  Methods(Broker& broker, Events& events, Surroundings around)
      : broker_(broker), events_(events), around_(std::move(around)) {}

  /// Carries `call` out for `client`. The answer may use the memory that the call's parameters are in.
  [[nodiscard]] Answer answer(const protocol::Call& call, const Client& client, TimePoint now);

  /// The longest call in bytes that `client` may make.
  [[nodiscard]] std::size_t call_size_max(const Client& client) const noexcept {
    return is_privileged(client, broker_.registry().policy()) ? protocol::kPrivilegedCallSizeMax : protocol::kCallSizeMax;
  }

  /// The connection of `session` has ended, or descriptors did not get through. Returns whether a lease that was granted over it
  /// still stands.
  bool hang_up(SessionId session, TimePoint now) { return broker_.hang_up(session, now); }

 private:
  struct Method;
  static const Method kMethods[];

  Answer acquire(const protocol::Call& call, const Client& client, TimePoint now);
  Answer release(const protocol::Call& call, const Client& client, TimePoint now);
  Answer renew(const protocol::Call& call, const Client& client, TimePoint now);
  Answer get_doorbell(const protocol::Call& call, const Client& client, TimePoint now);
  Answer create(const protocol::Call& call, const Client& client, TimePoint now);
  Answer remove(const protocol::Call& call, const Client& client, TimePoint now);
  Answer list(const protocol::Call& call, const Client& client, TimePoint now);
  Answer get(const protocol::Call& call, const Client& client, TimePoint now);
  Answer revoke(const protocol::Call& call, const Client& client, TimePoint now);
  Answer resize(const protocol::Call& call, const Client& client, TimePoint now);
  Answer plan(const protocol::Call& call, const Client& client, TimePoint now);
  Answer apply(const protocol::Call& call, const Client& client, TimePoint now);
  Answer watch(const protocol::Call& call, const Client& client, TimePoint now);
  Answer check(const protocol::Call& call, const Client& client, TimePoint now);
  Answer ping(const protocol::Call& call, const Client& client, TimePoint now);
  Answer get_info(const protocol::Call& call, const Client& client, TimePoint now);
  Answer get_interface_description(const protocol::Call& call, const Client& client, TimePoint now);

  Broker& broker_;
  Events& events_;
  Surroundings around_;
};

}  // namespace zipc
