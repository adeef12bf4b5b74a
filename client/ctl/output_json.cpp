#include "client/ctl/output_json.h"

#include <boost/json/src.hpp>  // the one place of zipcctl where Boost.JSON is compiled
#include <optional>

namespace zipc::ctl {
namespace {

namespace json = boost::json;

std::string line(const json::value& value) { return json::serialize(value) + "\n"; }

json::value from(const std::optional<Holder>& holder) {
  if (!holder) return nullptr;
  return {{"lease", holder->lease}, {"pid", holder->pid}, {"uid", holder->uid}, {"held_ms", holder->held_ms}};
}

json::value from(const ChannelInfo& channel) {
  return {{"name", channel.name},
          {"params", {{"queue_size", channel.params.queue_size}, {"message_size", channel.params.message_size}}},
          {"provisioned", channel.provisioned},
          {"mode", channel.mode},
          {"owner", channel.owner_uid},
          {"group", channel.group_gid},
          {"linger_ms", channel.linger_ms},
          {"reaped_in_ms", channel.reaped_in_ms},
          {"bytes", channel.bytes},
          {"generation", channel.generation},
          {"sender", from(channel.sender)},
          {"receiver", from(channel.receiver)},
          {"sent", channel.sent},
          {"bytes_sent", channel.bytes_sent},
          {"received", channel.received},
          {"full", channel.full},
          {"depth", channel.depth},
          {"deepest", channel.deepest}};
}

}  // namespace

std::string json_of(const std::vector<ChannelInfo>& channels) {
  json::array all;
  for (const ChannelInfo& channel : channels) all.push_back(from(channel));
  return line(json::object{{"channels", std::move(all)}});
}

std::string json_of(const ChannelInfo& channel) { return line(from(channel)); }

std::string json_of(const BrokerInfo& broker, std::string_view socket_path) {
  return line(json::object{{"socket", socket_path},
                           {"version", broker.version},
                           {"pid", broker.pid},
                           {"uid", broker.uid},
                           {"channels", broker.channels},
                           {"leases", broker.leases},
                           {"connections", broker.connections},
                           {"uptime_ms", broker.uptime_ms}});
}

std::string json_of(std::string_view channel, const Tally& tally) {
  return line(json::object{{"channel", channel},
                           {"bytes", tally.bytes()},
                           {"messages", tally.messages()},
                           {"seconds", tally.seconds()},
                           {"bytes_per_second", static_cast<std::uint64_t>(tally.bytes_per_second())}});
}

std::string errors_as_json() {
  json::array all;
  for (int number = 0; number < kErrorCount; ++number) {
    const ErrorInfo& info = error_info(static_cast<Error>(number));
    all.push_back({{"number", number}, {"name", info.name}, {"summary", info.summary}, {"advice", info.advice}});
  }
  return line(json::object{{"errors", std::move(all)}});
}

}  // namespace zipc::ctl
