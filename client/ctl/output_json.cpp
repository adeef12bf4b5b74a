#include "client/ctl/output_json.h"

#include <boost/json/src.hpp>  // the one place of zipcctl where Boost.JSON is compiled
#include <optional>

#include "client/ctl/complaint.h"

namespace zipc::ctl {
namespace {

namespace json = boost::json;

std::string line(const json::value& value) { return json::serialize(value) + "\n"; }

json::value from(const Params& params) {
  return {{"queue_size", params.queue_size}, {"message_size", params.message_size}};
}

json::value from(const std::optional<Holder>& holder) {
  if (!holder) return nullptr;
  return {{"lease", holder->lease},
          {"pid", holder->pid},
          {"uid", holder->uid},
          {"held_ms", holder->held_ms},
          {"expires_in_ms", holder->expires_in_ms},
          {"asleep_ms", holder->asleep_ms},
          {"idle_ms", holder->idle_ms},
          {"behind", holder->behind}};
}

json::value from(const ChannelInfo& channel) {
  return {{"name", channel.name},
          {"params", from(channel.params)},
          {"provisioned", channel.provisioned},
          {"mode", channel.mode},
          {"owner", channel.owner_uid},
          {"group", channel.group_gid},
          {"linger_ms", channel.linger_ms},
          {"reaped_in_ms", channel.reaped_in_ms},
          {"bytes", channel.bytes},
          {"generation", channel.generation},
          {"draining", channel.draining},
          {"existing_peer", channel.existing_peer},
          {"lease_ttl_ms", channel.lease_ttl_ms},
          {"waiting", to_string(channel.waiting)},
          {"no_memory", channel.no_memory.empty() ? json::value() : json::value(channel.no_memory)},
          {"foreign", channel.foreign},
          {"retired", channel.retired},
          {"sender", from(channel.sender)},
          {"receiver", from(channel.receiver)},
          {"sent", channel.sent},
          {"sent_before", channel.sent_before ? json::value(*channel.sent_before) : json::value()},
          {"bytes_sent", channel.bytes_sent},
          {"received", channel.received},
          {"full", channel.full},
          {"depth", channel.depth},
          {"deepest", channel.deepest},
          {"largest", channel.largest}};
}

}  // namespace

std::string json_of(const std::vector<ChannelInfo>& channels) {
  json::array all;
  for (const ChannelInfo& channel : channels) all.push_back(from(channel));
  return line(json::object{{"channels", std::move(all)}});
}

std::string json_of(const ChannelInfo& channel) { return line(from(channel)); }

std::string json_of(const ChannelInfo& channel, const std::vector<std::string>& sentences) {
  return line(json::object{{"channel", from(channel)}, {"sentences", json::value_from(sentences)}});
}

std::string json_of(const std::vector<Advice>& advice, const std::vector<ChannelInfo>& channels) {
  json::array all;
  for (const Advice& one : advice) {
    all.push_back({{"name", one.channel},
                   {"params", from(one.present)},
                   {"advised", from(one.better)},
                   {"reasons", json::value_from(one.reasons)}});
  }
  std::uint64_t sent = 0;
  for (const ChannelInfo& channel : channels) sent += channel.sent;
  return line(json::object{{"advice", std::move(all)}, {"channels", channels.size()}, {"messages", sent}});
}

std::string json_of(const Event& event) {
  return line(json::object{{"at_ms", event.at_ms},
                           {"kind", event.kind},
                           {"channel", event.channel},
                           {"role", event.role ? json::value(to_string(*event.role)) : json::value(nullptr)},
                           {"pid", event.pid},
                           {"message", event.message},
                           {"missed", event.missed}});
}

std::string json_of(const std::vector<PlanStep>& steps) {
  json::array all;
  for (const PlanStep& step : steps) {
    all.push_back({{"action", step.action}, {"channel", step.channel}, {"details", step.details}});
  }
  return line(json::object{{"steps", std::move(all)}});
}

std::string json_of(const std::vector<Finding>& findings, const BrokerInfo& broker) {
  json::array all;
  for (const Finding& finding : findings) {
    all.push_back({{"kind", finding.kind},
                   {"subject", finding.subject},
                   {"message", finding.message},
                   {"repaired", finding.repaired}});
  }
  return line(
      json::object{{"findings", std::move(all)}, {"channels", broker.channels}, {"leases", broker.leases}});
}

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

std::string json_of(const Failure& failure, int code) {
  const Words words = words_of(failure);
  json::object object{{"error", error_info(failure.code).name},
                      {"code", code},
                      {"message", words.sentence},
                      {"advice", words.advice}};
  if (failure.holder_pid != 0) object["holder_pid"] = failure.holder_pid;
  if (failure.expected.queue_size != 0) object["params"] = from(failure.expected);
  if (!failure.rule.empty()) object["rule"] = failure.rule;
  return line(object);
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
