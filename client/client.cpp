// zipc::Client: the broker's methods as C++ functions.
#include "client/client.h"

#include <boost/json/array.hpp>

#include "client/attachments.h"

namespace zipc {
namespace {

Failure senseless(const Failure& reason) {
  return Failure{Error::protocol, "the broker's reply makes no sense: " + reason.message};
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

Result<Client> Client::connect(std::string_view socket_path) {
  const auto paths = socket_path.empty() ? broker_sockets() : std::vector{std::string(socket_path)};
  auto broker = zipc::Connection::open(paths);
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
  auto reply = connection_->call(protocol::method::kList, {});
  if (!reply) return reply.failure();
  const auto* list = reply->if_contains("channels");
  if (list == nullptr || !list->is_array()) return senseless({Error::protocol, "it has no channels"});
  std::vector<ChannelInfo> channels;
  for (const auto& entry : list->get_array()) {
    if (!entry.is_object()) return senseless({Error::protocol, "a channel is not an object"});
    auto channel = protocol::decode_channel(entry.get_object());
    if (!channel) return senseless(channel.failure());
    channels.push_back(std::move(*channel));
  }
  return channels;
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
