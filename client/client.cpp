// zipc::Client: the broker's methods as C++ functions.
#include "client/client.h"

#include <boost/json/array.hpp>

#include "client/attachments.h"

namespace zipc {
namespace {

Failure senseless(const Failure& reason) {
  return Failure{Error::protocol, "the broker's reply makes no sense: " + reason.message};
}

/// The objects of the array `member`, each through `decode`.
template <class T>
Result<std::vector<T>> array_in(const Result<protocol::json::object>& reply, std::string_view member,
                                Result<T> (*decode)(const protocol::json::object&)) {
  if (!reply) return reply.failure();
  const auto* list = reply->if_contains(member);
  if (list == nullptr || !list->is_array()) return senseless({Error::protocol, "it has no " + std::string(member)});
  std::vector<T> values;
  for (const auto& entry : list->get_array()) {
    if (!entry.is_object()) return senseless({Error::protocol, "an element of " + std::string(member) + " is not an object"});
    auto value = decode(entry.get_object());
    if (!value) return senseless(value.failure());
    values.push_back(std::move(*value));
  }
  return values;
}

Result<ChannelInfo> channel_in(const Result<protocol::json::object>& reply) {
  if (!reply) return reply.failure();
  const auto* channel = reply->if_contains("channel");
  if (channel == nullptr || !channel->is_object()) return senseless({Error::protocol, "it has no channel"});
  auto info = protocol::decode_channel(channel->get_object());
  if (!info) return senseless(info.failure());
  return info;
}

}  // namespace

// The lock is taken in this order everywhere: connection, then table.
Result<ZipcContext> Client::Connection::attach(std::string_view name, Role role, const std::optional<Params>& params) {
  const std::scoped_lock lock(mutex_);
  return Attachments::of_process().attach_through(*broker_, {.name = std::string(name), .role = role, .params = params});
}

Client::Client(std::unique_ptr<Connection> connection) noexcept : connection_(std::move(connection)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Result<Client> Client::connect(std::string_view socket_path, std::chrono::milliseconds patience) {
  const auto paths = socket_path.empty() ? broker_sockets() : std::vector{std::string(socket_path)};
  auto broker = zipc::Connection::open(paths, patience);
  if (!broker) return broker.failure();
  return Client(std::make_unique<Connection>(std::move(*broker)));
}

std::string Client::socket_path() const { return connection_->socket_path(); }

Result<Sender> Client::create_sender(std::string_view name, const Params& params) {
  return Access::sender(connection_->attach(name, Role::sender, params));
}

Result<Receiver> Client::create_receiver(std::string_view name, const Params& params) {
  return Access::receiver(connection_->attach(name, Role::receiver, params));
}

Result<Sender> Client::open_sender(std::string_view name) {
  return Access::sender(connection_->attach(name, Role::sender, std::nullopt));
}

Result<Receiver> Client::open_receiver(std::string_view name) {
  return Access::receiver(connection_->attach(name, Role::receiver, std::nullopt));
}

Result<ChannelInfo> Client::create(std::string_view name, const std::optional<Params>& params,
                                   std::optional<std::chrono::milliseconds> linger) {
  protocol::CreateCall call{.name = std::string(name), .params = params, .linger_ms = {}};
  if (linger) call.linger_ms = linger == std::chrono::milliseconds::max() ? -1 : linger->count();
  return channel_in(connection_->call(protocol::method::kCreate, protocol::encode(call)));
}

Result<void> Client::remove(std::string_view name, bool force) {
  const protocol::RemoveCall call{.name = std::string(name), .force = force};
  auto reply = connection_->call(protocol::method::kRemove, protocol::encode(call));
  if (!reply) return reply.failure();
  return {};
}

Result<std::vector<ChannelInfo>> Client::list() {
  return array_in(connection_->call(protocol::method::kList, {}), "channels", &protocol::decode_channel);
}

Result<ChannelInfo> Client::revoke(std::string_view name, Role role) {
  const protocol::RevokeCall call{.name = std::string(name), .role = role};
  return channel_in(connection_->call(protocol::method::kRevoke, protocol::encode(call)));
}

Result<ChannelInfo> Client::resize(std::string_view name, const Params& params) {
  const protocol::ResizeCall call{.name = std::string(name), .params = params};
  return channel_in(connection_->call(protocol::method::kResize, protocol::encode(call)));
}

Result<std::vector<PlanStep>> Client::plan(std::string_view text, std::string_view file) {
  const protocol::ConfigCall call{.config = std::string(text), .file = std::string(file)};
  return array_in(connection_->call(protocol::method::kPlan, protocol::encode(call)), "steps",
                  &protocol::decode_plan_step);
}

Result<std::vector<PlanStep>> Client::apply(std::string_view text, std::string_view file) {
  const protocol::ConfigCall call{.config = std::string(text), .file = std::string(file)};
  return array_in(connection_->call(protocol::method::kApply, protocol::encode(call)), "steps",
                  &protocol::decode_plan_step);
}

Result<std::vector<Finding>> Client::check(bool repair) {
  const protocol::CheckCall call{.repair = repair};
  return array_in(connection_->call(protocol::method::kCheck, protocol::encode(call)), "findings",
                  &protocol::decode_finding);
}

Result<Watch> Client::watch(std::string_view name) {
  auto broker = zipc::Connection::open({connection_->socket_path()}, std::chrono::milliseconds(0));
  if (!broker) return broker.failure();
  protocol::WatchCall call;
  if (!name.empty()) call.name = name;
  if (auto sent = (*broker)->send_call(protocol::method::kWatch, protocol::encode(call)); !sent) return sent.failure();
  return Watch(std::make_unique<Watch::Stream>(std::move(*broker)));
}

Watch::Watch(std::unique_ptr<Stream> stream) noexcept : stream_(std::move(stream)) {}
Watch::Watch(Watch&&) noexcept = default;
Watch& Watch::operator=(Watch&&) noexcept = default;
Watch::~Watch() = default;

Result<std::optional<Event>> Watch::next(std::chrono::milliseconds timeout) {
  auto reply = stream_->broker->next_reply(timeout);
  if (!reply) return reply.failure();
  if (!*reply) return std::optional<Event>{};
  if (!(*reply)->error.empty()) return from_reply(**reply);
  const auto* event = (*reply)->parameters.if_contains("event");
  if (event == nullptr || !event->is_object()) return senseless({Error::protocol, "it has no event"});
  auto decoded = protocol::decode_event(event->get_object());
  if (!decoded) return senseless(decoded.failure());
  return std::optional<Event>(std::move(*decoded));
}

Result<ChannelInfo> Client::get(std::string_view name) {
  const protocol::GetCall call{.name = std::string(name)};
  return channel_in(connection_->call(protocol::method::kGet, protocol::encode(call)));
}

Result<BrokerInfo> Client::ping() {
  auto parameters = connection_->call(protocol::method::kPing, {});
  if (!parameters) return parameters.failure();
  auto reply = protocol::decode_ping_reply(*parameters);
  if (!reply) return senseless(reply.failure());
  return BrokerInfo{.version = std::move(reply->version),
                    .pid = static_cast<int>(reply->pid),
                    .uid = static_cast<std::uint32_t>(reply->uid),
                    .channels = reply->channels,
                    .leases = reply->leases,
                    .connections = reply->connections,
                    .uptime_ms = reply->uptime_ms};
}

}  // namespace zipc
