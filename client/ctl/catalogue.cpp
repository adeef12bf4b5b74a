#include "client/ctl/catalogue.h"

#include <array>
#include <cstdio>

#include "client/ctl/complaint.h"
#include "client/ctl/output_json.h"
#include "client/ctl/table.h"
#include "client/ctl/units.h"

namespace zipc::ctl {
namespace {

std::string pid_of(const std::optional<Holder>& holder) { return holder ? std::to_string(holder->pid) : "-"; }
const char* kind_of(const ChannelInfo& channel) {
  if (channel.draining) return "draining";
  return channel.provisioned ? "provisioned" : "dynamic";
}
/// Also that it cannot be used as things stand.
const char* kind_in_table(const ChannelInfo& channel) { return channel.no_memory.empty() ? kind_of(channel) : "no memory"; }
std::string size_of(std::uint64_t bytes) { return format_size(static_cast<double>(bytes)); }

/// How long until the broker removes it, or that it does not.
std::string left_of(const ChannelInfo& channel) {
  return channel.reaped_in_ms < 0 ? "-" : format_duration(milliseconds{channel.reaped_in_ms});
}

std::string describe(const std::optional<Holder>& holder) {
  if (!holder) return "nobody";
  std::string text = "process " + std::to_string(holder->pid) + " of user " + std::to_string(holder->uid) + ", for " +
                     format_duration(milliseconds{holder->held_ms});
  if (holder->asleep_ms >= 0) text += ", asleep for " + format_duration(milliseconds{holder->asleep_ms});
  if (holder->idle_ms >= 0) text += ", idle for " + format_duration(milliseconds{holder->idle_ms});
  if (holder->expires_in_ms >= 0) text += ", loses it in " + format_duration(milliseconds{holder->expires_in_ms});
  if (holder->behind) text += ", in an earlier generation";
  return text;
}

std::string octal(std::uint32_t mode) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%04o", mode);
  return text.data();
}

std::string table_of(const std::vector<ChannelInfo>& channels) {
  Table table({{"NAME"},
               {"SLOTS", Align::right},
               {"SIZE", Align::right},
               {"DEPTH", Align::right},
               {"DEEPEST", Align::right},
               {"SENT", Align::right},
               {"RECEIVED", Align::right},
               {"FULL", Align::right},
               {"SENDER", Align::right},
               {"RECEIVER", Align::right},
               {"GEN", Align::right},
               {"KIND"},
               {"LEFT", Align::right}});
  for (const ChannelInfo& c : channels) {
    table.add({c.name, std::to_string(c.params.queue_size), size_of(c.params.message_size), std::to_string(c.depth),
               std::to_string(c.deepest), std::to_string(c.sent), std::to_string(c.received), std::to_string(c.full),
               pid_of(c.sender), pid_of(c.receiver), c.no_memory.empty() ? std::to_string(c.generation) : "-",
               kind_in_table(c), left_of(c)});
  }
  return table.text();
}

std::string memory_of(const ChannelInfo& c) {
  if (!c.no_memory.empty()) return "none: " + c.no_memory;
  return size_of(c.bytes) + ", generation " + std::to_string(c.generation) +
         (c.retired == 0 ? "" : ", " + std::to_string(c.retired) + " earlier still open") +
         (c.foreign ? ", made without this zipcd, which leaves it" : "");
}

std::string description_of(const ChannelInfo& c) {
  Table table({{"name"}, {c.name}});
  table.add({"kind", c.draining ? "draining: the configuration has dropped it" : kind_of(c)});
  table.add({"queue size", std::to_string(c.params.queue_size) + " slots, of which one stays free"});
  table.add({"message size", std::to_string(c.params.message_size) + " bytes at most"});
  table.add({"memory", memory_of(c)});
  table.add({"permissions",
             octal(c.mode) + ", user " + std::to_string(c.owner_uid) + ", group " + std::to_string(c.group_gid)});
  table.add({"sender", describe(c.sender)});
  table.add({"receiver", describe(c.receiver)});
  if (c.existing_peer) table.add({"existing peer", "a program that takes no lease has it open"});
  table.add({"lease lasts", c.lease_ttl_ms < 0 ? "as long as its holder"
                                               : format_duration(milliseconds{c.lease_ttl_ms}) + " unless renewed"});
  table.add({"peers wait", std::string(to_string(c.waiting)) + ", unless they choose"});
  table.add({"sent", std::to_string(c.sent) + " messages, " + size_of(c.bytes_sent)});
  table.add({"longest", std::to_string(c.largest) + " bytes"});
  table.add({"received", std::to_string(c.received) + " messages"});
  table.add({"waiting", std::to_string(c.depth) + " messages, at most " + std::to_string(c.deepest) + " so far"});
  table.add({"found full", std::to_string(c.full) + " times"});
  table.add({"linger", format_duration(milliseconds{c.linger_ms})});
  table.add({"removed in", left_of(c)});
  return table.text();
}

std::string description_of(const BrokerInfo& broker, const std::string& socket_path) {
  Table table({{"socket"}, {socket_path}});
  table.add({"version", broker.version});
  table.add({"process", std::to_string(broker.pid) + " of user " + std::to_string(broker.uid)});
  table.add({"running for", format_duration(milliseconds{broker.uptime_ms})});
  table.add({"channels", std::to_string(broker.channels)});
  table.add({"roles held", std::to_string(broker.leases)});
  table.add({"connections", std::to_string(broker.connections)});
  return table.text();
}

std::string table_of_errors() {
  Table table({{"CODE", Align::right}, {"NAME"}, {"WHAT HAPPENED"}, {"WHAT TO DO"}});
  for (int number = 1; number < kErrorCount; ++number) {
    const ErrorInfo& info = error_info(static_cast<Error>(number));
    table.add({std::to_string(number), info.name, info.summary, info.advice});
  }
  return table.text();
}

}  // namespace

Result<void> run(Access& access, const ListOptions& options) {
  auto client = access.broker();
  if (!client) return client.failure();
  const auto channels = client->get().list();
  if (!channels) return channels.failure();
  return print(options.json ? json_of(*channels) : table_of(*channels));
}

Result<void> run(Access& access, const GetOptions& options) {
  auto client = access.broker();
  if (!client) return client.failure();
  const auto channel = client->get().get(options.channel);
  if (!channel) return channel.failure();
  return print(options.json ? json_of(*channel) : description_of(*channel));
}

Result<void> run(Access& access, const PingOptions& options) {
  auto client = access.broker();
  if (!client) return client.failure();
  const auto broker = client->get().ping();
  if (!broker) return broker.failure();
  const std::string socket_path = client->get().socket_path();
  return print(options.json ? json_of(*broker, socket_path) : description_of(*broker, socket_path));
}

Result<void> run(Access&, const ErrorsOptions& options) {
  return print(options.json ? errors_as_json() : table_of_errors());
}

}  // namespace zipc::ctl
