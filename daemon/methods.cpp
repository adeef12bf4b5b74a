#include "daemon/methods.h"

#include <unistd.h>

#include <boost/json/array.hpp>
#include <chrono>
#include <utility>
#include <variant>

#include "config/config.h"
#include "daemon/accounts.h"

#include "common/name.h"
#include "daemon/self.h"

namespace zipc {
namespace {

namespace json = boost::json;
namespace method = protocol::method;

// Of the Varlink specification, https://varlink.org/Service; only the comments are ours.
constexpr std::string_view kServiceDescription = R"(# The interface that every Varlink service has.
interface org.varlink.service

# What the service is, and which interfaces it has.
method GetInfo() -> (
  vendor: string,
  product: string,
  version: string,
  url: string,
  interfaces: []string
)

# The definition of an interface, as this one.
method GetInterfaceDescription(interface: string) -> (description: string)

# The service has no such interface.
error InterfaceNotFound (interface: string)

# The interface has no such method.
error MethodNotFound (method: string)

# The interface has the method, the service does not.
error MethodNotImplemented (method: string)

# A parameter is missing or wrong.
error InvalidParameter (parameter: string)

# The caller may not do that.
error PermissionDenied ()

# The method gives several replies, so the call must say "more".
error ExpectedMore ()
)";

Answer failed(const Failure& failure) { return {protocol::to_reply(failure), {}}; }
Answer done(json::object parameters) { return {{.error = {}, .parameters = std::move(parameters)}, {}}; }

/// Error::invalid_config: every mistake is a line of the message.
Result<Config> parse(const protocol::ConfigCall& call) {
  ConfigResult result = parse_config(call.config, call.file);
  if (auto* config = std::get_if<Config>(&result)) return std::move(*config);
  const auto& mistakes = std::get<std::vector<Diagnostic>>(result);
  std::string message;
  for (const Diagnostic& mistake : mistakes) message.append(message.empty() ? "" : "\n").append(to_string(mistake));
  return Failure{Error::invalid_config, message};
}

/// `socket`: what changes about it.
Answer steps_or_failure(const Result<std::vector<PlanStep>>& steps, const std::string& socket) {
  if (!steps) return failed(steps.failure());
  json::array encoded;
  if (!socket.empty()) {
    encoded.push_back(protocol::encode(PlanStep{.action = "change", .channel = "socket", .details = socket}));
  }
  for (const PlanStep& step : *steps) encoded.push_back(protocol::encode(step));
  return done({{"steps", std::move(encoded)}});
}

/// An error of org.varlink.service, whose one parameter is called `member`.
Answer service_error(std::string_view error, std::string_view member, std::string_view value) {
  return {{.error = std::string(protocol::kService).append(".").append(error), .parameters = {{member, value}}}, {}};
}

Answer unknown(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  const std::string_view interface = name.substr(0, dot == std::string_view::npos ? 0 : dot);
  const bool is_ours = interface == protocol::kInterface || interface == protocol::kService;
  return is_ours ? service_error("MethodNotFound", "method", name)
                 : service_error("InterfaceNotFound", "interface", interface);
}

}  // namespace

struct Methods::Method {
  std::string_view name;
  Answer (Methods::*handler)(const protocol::Call&, const Client&, TimePoint);
};

const Methods::Method Methods::kMethods[] = {
    {method::kAcquire, &Methods::acquire},
    {method::kRelease, &Methods::release},
    {method::kRenew, &Methods::renew},
    {method::kGetDoorbell, &Methods::get_doorbell},
    {method::kCreate, &Methods::create},
    {method::kRemove, &Methods::remove},
    {method::kList, &Methods::list},
    {method::kGet, &Methods::get},
    {method::kWatch, &Methods::watch},
    {method::kRevoke, &Methods::revoke},
    {method::kResize, &Methods::resize},
    {method::kPlan, &Methods::plan},
    {method::kApply, &Methods::apply},
    {method::kCheck, &Methods::check},
    {method::kPing, &Methods::ping},
    {method::kGetInfo, &Methods::get_info},
    {method::kGetInterfaceDescription, &Methods::get_interface_description},
};

Answer Methods::answer(const protocol::Call& call, const Client& client, TimePoint now) {
  for (const Method& method : kMethods) {
    if (method.name == call.method) return (this->*method.handler)(call, client, now);
  }
  return unknown(call.method);
}

Answer Methods::acquire(const protocol::Call& call, const Client& client, TimePoint now) {
  const auto wanted = protocol::decode_acquire(call.parameters);
  if (!wanted) return failed(wanted.failure());
  auto grant = broker_.acquire(*wanted, client, now);
  if (!grant) return failed(grant.failure());
  protocol::AcquireReply reply{.lease = static_cast<std::int64_t>(grant->lease),
                               .params = grant->params,
                               .generation = grant->generation,
                               .segment = 0,
                               .lock = {},
                               .resumed = grant->resumed,
                               .waiting = grant->waiting,
                               .watched = grant->watched};
  std::vector<UniqueFd> fds;
  fds.push_back(std::move(grant->segment.fd));
  if (grant->segment.lock) {
    reply.lock = 1;
    fds.push_back(std::move(grant->segment.lock));
  }
  return {{.error = {}, .parameters = protocol::encode(reply, call.parameters.storage())}, std::move(fds)};
}

Answer Methods::release(const protocol::Call& call, const Client& client, TimePoint now) {
  const auto wanted = protocol::decode_release(call.parameters);
  if (!wanted) return failed(wanted.failure());
  const auto released = broker_.release(LeaseId{static_cast<std::uint64_t>(wanted->lease)}, client, now);
  return released ? done({}) : failed(released.failure());
}

Answer Methods::renew(const protocol::Call& call, const Client& client, TimePoint now) {
  const auto wanted = protocol::decode_renew(call.parameters);
  if (!wanted) return failed(wanted.failure());
  const auto expires_in_ms = broker_.renew(LeaseId{static_cast<std::uint64_t>(wanted->lease)}, client, now);
  return expires_in_ms ? done({{"expires_in_ms", *expires_in_ms}}) : failed(expires_in_ms.failure());
}

Answer Methods::get_doorbell(const protocol::Call& call, const Client& client, TimePoint now) {
  const auto wanted = protocol::decode_doorbell(call.parameters);
  if (!wanted) return failed(wanted.failure());
  auto doorbell = broker_.doorbell(*wanted, client, now);
  if (!doorbell) return failed(doorbell.failure());
  std::vector<UniqueFd> fds;
  fds.push_back(std::move(doorbell->fd));
  return {{.error = {}, .parameters = protocol::encode(protocol::DoorbellReply{.doorbell = 0, .serial = doorbell->serial})},
          std::move(fds)};
}

Answer Methods::create(const protocol::Call& call, const Client& client, TimePoint now) {
  const auto wanted = protocol::decode_create(call.parameters);
  if (!wanted) return failed(wanted.failure());
  const auto created = broker_.create(*wanted, client, now);
  return created ? done({{"channel", protocol::encode(*created)}}) : failed(created.failure());
}

Answer Methods::remove(const protocol::Call& call, const Client& client, TimePoint now) {
  const auto wanted = protocol::decode_remove(call.parameters);
  if (!wanted) return failed(wanted.failure());
  const auto removed = broker_.remove(*wanted, client, now);
  return removed ? done({}) : failed(removed.failure());
}

Answer Methods::list(const protocol::Call&, const Client& client, TimePoint now) {
  json::array channels;
  for (const ChannelInfo& channel : broker_.list(client, now)) channels.push_back(protocol::encode(channel));
  return done({{"channels", std::move(channels)}});
}

Answer Methods::get(const protocol::Call& call, const Client& client, TimePoint now) {
  const auto wanted = protocol::decode_get(call.parameters);
  if (!wanted) return failed(wanted.failure());
  const auto channel = broker_.get(wanted->name, client, now);
  return channel ? done({{"channel", protocol::encode(*channel)}}) : failed(channel.failure());
}

Answer Methods::watch(const protocol::Call& call, const Client& client, TimePoint) {
  const auto wanted = protocol::decode_watch(call.parameters);
  if (!wanted) return failed(wanted.failure());
  if (!call.more || call.oneway) {
    return {{.error = std::string(protocol::kService) + ".ExpectedMore", .parameters = {}}, {}};
  }
  if (wanted->name) {
    if (auto valid = check_name(*wanted->name); !valid) return failed(valid.failure());
  }
  return {.reply = {}, .fds = {}, .events = events_.subscribe(client, wanted->name)};
}

Answer Methods::revoke(const protocol::Call& call, const Client& client, TimePoint now) {
  const auto wanted = protocol::decode_revoke(call.parameters);
  if (!wanted) return failed(wanted.failure());
  const auto channel = broker_.revoke(*wanted, client, now);
  return channel ? done({{"channel", protocol::encode(*channel)}}) : failed(channel.failure());
}

Answer Methods::resize(const protocol::Call& call, const Client& client, TimePoint now) {
  const auto wanted = protocol::decode_resize(call.parameters);
  if (!wanted) return failed(wanted.failure());
  const auto channel = broker_.resize(*wanted, client, now);
  return channel ? done({{"channel", protocol::encode(*channel)}}) : failed(channel.failure());
}

Answer Methods::plan(const protocol::Call& call, const Client& client, TimePoint) {
  const auto wanted = protocol::decode_config(call.parameters);
  if (!wanted) return failed(wanted.failure());
  const auto config = parse(*wanted);
  if (!config) return failed(config.failure());
  return steps_or_failure(broker_.plan(resolve(*config, wanted->file), client), around_.socket_changes(config->socket));
}

Answer Methods::apply(const protocol::Call& call, const Client& client, TimePoint now) {
  const auto wanted = protocol::decode_config(call.parameters);
  if (!wanted) return failed(wanted.failure());
  const auto config = parse(*wanted);
  if (!config) return failed(config.failure());
  const std::string socket = around_.socket_changes(config->socket);
  const auto applied = broker_.apply(resolve(*config, wanted->file), client, now);
  if (applied) {
    if (auto followed = around_.follow(*config); !followed) return failed(followed.failure());
  }
  return steps_or_failure(applied, socket);
}

Answer Methods::check(const protocol::Call& call, const Client& client, TimePoint now) {
  const auto wanted = protocol::decode_check(call.parameters);
  if (!wanted) return failed(wanted.failure());
  const auto found = broker_.check(wanted->repair, client, now);
  if (!found) return failed(found.failure());
  json::array findings;
  for (const Finding& finding : *found) findings.push_back(protocol::encode(finding));
  for (const Finding& finding : check_self(around_.descriptors())) findings.push_back(protocol::encode(finding));
  return done({{"findings", std::move(findings)}});
}

Answer Methods::ping(const protocol::Call&, const Client&, TimePoint now) {
  const auto uptime = std::chrono::duration_cast<std::chrono::milliseconds>(now - around_.started);
  return done(
      protocol::encode(protocol::PingReply{.version = ZIPC_VERSION,
                                           .pid = getpid(),
                                           .uid = geteuid(),
                                           .channels = static_cast<std::int64_t>(broker_.registry().channels().size()),
                                           .leases = static_cast<std::int64_t>(broker_.registry().lease_count()),
                                           .connections = static_cast<std::int64_t>(around_.connections()),
                                           .uptime_ms = uptime.count()}));
}

Answer Methods::get_info(const protocol::Call&, const Client&, TimePoint) {
  return done({{"vendor", "zipc"},
               {"product", "zipcd"},
               {"version", ZIPC_VERSION},
               {"url", ZIPC_URL},
               {"interfaces", json::array{protocol::kService, protocol::kInterface}}});
}

Answer Methods::get_interface_description(const protocol::Call& call, const Client&, TimePoint) {
  const json::value* name = call.parameters.if_contains("interface");
  if (name == nullptr || !name->is_string()) return service_error("InvalidParameter", "parameter", "interface");
  const std::string_view interface = name->get_string();
  if (interface == protocol::kInterface) return done({{"description", protocol::interface_description()}});
  if (interface == protocol::kService) return done({{"description", kServiceDescription}});
  return service_error("InterfaceNotFound", "interface", interface);
}

}  // namespace zipc
