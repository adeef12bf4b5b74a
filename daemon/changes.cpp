#include "daemon/changes.h"

#include <array>
#include <optional>
#include <vector>

namespace zipc {
namespace {

/// The words, one change after the other.
class Changes {
 public:
  void add(const char* what, const std::string& from, const std::string& to) {
    if (from == to) return;
    if (!words_.empty()) words_ += ", ";
    words_ += std::string(what) + " " + from + " -> " + to;
  }
  void add(const char* what, std::uint32_t from, std::uint32_t to) { add(what, std::to_string(from), std::to_string(to)); }
  [[nodiscard]] std::string words() && { return std::move(words_); }

 private:
  std::string words_;
};

std::string duration(const std::optional<std::chrono::milliseconds>& duration) {
  if (!duration) return "none";
  return *duration == kLingerForever ? "for ever" : std::to_string(duration->count()) + " ms";
}

/// As a configuration would have it: "4MiB".
std::string size(std::uint64_t bytes) {
  constexpr std::array kUnits{"", "KiB", "MiB", "GiB"};
  std::size_t unit = 0;
  for (; bytes != 0 && bytes % 1024 == 0 && unit + 1 < kUnits.size(); bytes /= 1024) ++unit;
  return std::to_string(bytes) + kUnits[unit];
}

std::string group(gid_t group) { return group == kUnknownGroup ? "none" : std::to_string(group); }
std::string group(const std::string& group) { return group.empty() ? "zipcd's own" : group; }

std::string list(const std::vector<std::string>& patterns) {
  std::string text = "[";
  for (const std::string& pattern : patterns) text += (text.size() > 1 ? ", " : "") + pattern;
  return text + "]";
}

const char* allowed(bool is_allowed) { return is_allowed ? "true" : "false"; }

}  // namespace

std::string sizes_of(const Params& params) {
  return std::to_string(params.queue_size) + " x " + std::to_string(params.message_size) + " bytes";
}

std::string changes(const ChannelSpec& before, const ChannelSpec& next) {
  Changes changes;
  changes.add("made", before.provisioned ? "by the configuration" : "on request",
              next.provisioned ? "by the configuration" : "on request");
  changes.add("mode", octal(before.permissions.mode), octal(next.permissions.mode));
  changes.add("owner", before.permissions.owner, next.permissions.owner);
  changes.add("group", group(before.permissions.group), group(next.permissions.group));
  changes.add("linger", duration(before.linger), duration(next.linger));
  changes.add("lease_ttl", duration(before.lease_ttl), duration(next.lease_ttl));
  changes.add("waiting", to_string(before.waiting), to_string(next.waiting));
  return std::move(changes).words();
}

std::string changes(const SocketConfig& before, const SocketConfig& next) {
  Changes changes;
  if (before.path != next.path) changes.add("path", before.path, next.path + " at the next start");
  changes.add("mode", octal(before.mode), octal(next.mode));
  changes.add("group", group(before.group), group(next.group));
  return std::move(changes).words();
}

std::string changes(const Limits& before, const Limits& next) {
  Changes changes;
  changes.add("channels", before.channels, next.channels);
  changes.add("total_size", size(before.total_bytes), size(next.total_bytes));
  changes.add("channel_size", size(before.bytes_per_channel), size(next.bytes_per_channel));
  changes.add("connections", before.connections, next.connections);
  changes.add("connections_per_user", before.connections_per_user, next.connections_per_user);
  changes.add("channels_per_user", before.channels_per_user, next.channels_per_user);
  return std::move(changes).words();
}

std::string changes(const DynamicConfig& before, const DynamicConfig& next) {
  Changes changes;
  changes.add("allow", allowed(before.allow), allowed(next.allow));
  changes.add("names", list(before.names), list(next.names));
  changes.add("linger", duration(before.linger), duration(next.linger));
  changes.add("lease_ttl", duration(before.lease_ttl), duration(next.lease_ttl));
  changes.add("waiting", to_string(before.waiting), to_string(next.waiting));
  changes.add("mode", octal(before.access.mode), octal(next.access.mode));
  return std::move(changes).words();
}

std::string changes(const Params& before, const Params& next) {
  Changes changes;
  changes.add("queue_size", before.queue_size, next.queue_size);
  changes.add("message_size", before.message_size, next.message_size);
  return std::move(changes).words();
}

}  // namespace zipc
