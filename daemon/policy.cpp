#include "daemon/policy.h"

#include <fnmatch.h>

#include <algorithm>

namespace zipc {
namespace {

constexpr std::uint32_t kReadWrite = 06;

bool is_in(gid_t group, const Client& client) noexcept {
  return client.gid == group || std::find(client.groups.begin(), client.groups.end(), group) != client.groups.end();
}

/// The three bits that apply to `client`: as for a file, the first class that fits decides.
std::uint32_t bits_for(const Client& client, const Permissions& permissions) noexcept {
  if (client.uid == permissions.owner) return (permissions.mode >> 6) & 07;
  if (permissions.group != kUnknownGroup && is_in(permissions.group, client)) return (permissions.mode >> 3) & 07;
  return permissions.mode & 07;
}

std::string group_text(gid_t group) { return group == kUnknownGroup ? "no group" : "group " + std::to_string(group); }

std::string rule_of(const ChannelSpec& channel, const Policy& policy) {
  const Permissions& p = channel.permissions;
  const std::string mode = "mode " + octal(p.mode) + ", owner " + std::to_string(p.owner) + ", " + group_text(p.group);
  return channel.provisioned ? place_of(channel, policy) + ": " + mode : "dynamic channel: " + mode;
}

Failure name_refused(const std::string& name, std::string rule) {
  return {.code = Error::permission_denied,
          .message = "clients may not create a channel " + name + ": " + rule,
          .rule = std::move(rule)};
}

}  // namespace

bool is_privileged(const Client& client, const Policy& policy) noexcept {
  return client.uid == 0 || client.uid == policy.own_uid;
}

Result<void> check_access(const ChannelSpec& channel, const Client& client, const Policy& policy) {
  if (is_privileged(client, policy)) return {};
  if ((bits_for(client, channel.permissions) & kReadWrite) == kReadWrite) return {};
  std::string rule = rule_of(channel, policy);
  return Failure{
      .code = Error::permission_denied,
      .message = "user " + std::to_string(client.uid) + " may not use channel " + channel.name + " (" + rule + ")",
      .rule = std::move(rule)};
}

Result<void> check_dynamic_name(const std::string& name, const Policy& policy) {
  if (!policy.dynamic.allow) return name_refused(name, "dynamic.allow is false");
  const auto matches = [&](const std::string& pattern) { return fnmatch(pattern.c_str(), name.c_str(), 0) == 0; };
  if (std::any_of(policy.dynamic.names.begin(), policy.dynamic.names.end(), matches)) return {};
  std::string rule = "dynamic.names allows only";
  for (const std::string& pattern : policy.dynamic.names) rule += " '" + pattern + "'";
  return name_refused(name, std::move(rule));
}

std::string place_of(const ChannelSpec& channel, const Policy& policy) {
  return policy.file + ":" + std::to_string(channel.line);
}

std::string octal(std::uint32_t mode) {
  std::string text = "0000";
  for (auto digit = text.rbegin(); digit != text.rend(); ++digit, mode >>= 3) {
    *digit = static_cast<char>('0' + (mode & 07));
  }
  return text;
}

}  // namespace zipc
