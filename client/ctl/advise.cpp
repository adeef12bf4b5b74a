#include "client/ctl/advise.h"

#include <algorithm>
#include <array>
#include <vector>

#include "client/ctl/advice.h"
#include "client/ctl/complaint.h"
#include "client/ctl/output_json.h"
#include "client/ctl/units.h"

namespace zipc::ctl {
namespace {

/// As the configuration reads it, exactly: "8MiB", "4096".
std::string yaml_size(std::uint32_t bytes) {
  static constexpr std::array<const char*, 4> kUnits{"", "KiB", "MiB", "GiB"};
  std::size_t unit = 0;
  while (bytes % 1024 == 0 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  return std::to_string(bytes) + kUnits[unit];
}

/// A name may have any printable character; plain are those that mean nothing to YAML.
std::string yaml_name(const std::string& name) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-";
  if (name.find_first_not_of(kPlain) == std::string::npos) return name;
  std::string quoted = "'";
  for (const char c : name) quoted.append(c == '\'' ? 2 : 1, c);
  return quoted + "'";
}

std::string yaml_of(const Advice& advice) {
  std::string text = "  # ";
  for (const std::string& reason : advice.reasons) text += (&reason == &advice.reasons.front() ? "" : "; ") + reason;
  text += "\n  # now queue_size: " + std::to_string(advice.present.queue_size) +
          ", message_size: " + yaml_size(advice.present.message_size) + "\n";
  return text + "  - {name: " + yaml_name(advice.channel) +
         ", queue_size: " + std::to_string(advice.better.queue_size) +
         ", message_size: " + yaml_size(advice.better.message_size) + "}\n";
}

/// "3 channels and the 12,345 messages that went through them".
std::string basis_of(const std::vector<ChannelInfo>& channels) {
  std::uint64_t sent = 0;
  for (const ChannelInfo& channel : channels) sent += channel.sent;
  return format_count(channels.size(), "channel") + " and " + format_count(sent, "message") + " through " +
         (channels.size() == 1 ? "it" : "them");
}

std::string yaml_of(const std::vector<Advice>& advice, const std::vector<ChannelInfo>& channels) {
  const std::string part = "# Only a part: change these entries of the configuration. As a whole one it would drain all other channels.\n";
  if (advice.empty()) return part + "channels: []\n";
  std::string text =
      "# From " + basis_of(channels) + ". As good as that traffic stands for what is to come.\n" + part + "channels:\n";
  for (const Advice& one : advice) text += yaml_of(one);
  return text;
}

}  // namespace

Result<void> run(Access& access, const AdviseOptions& options) {
  auto client = access.broker();
  if (!client) return client.failure();
  const auto channels = client->get().list();
  if (!channels) return channels.failure();
  const auto advice = advise(*channels);
  if (options.json) return print(json_of(advice, *channels));
  if (advice.empty()) {
    print_aside("zipcctl: nothing to advise, from " + basis_of(*channels) + "; nothing is made smaller for less than " +
                format_count(kTrafficMin, "message") + "\n");
  }
  return print(yaml_of(advice, *channels));
}

}  // namespace zipc::ctl
