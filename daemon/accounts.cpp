#include "daemon/accounts.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <charconv>

#include "daemon/log.h"

namespace zipc {
namespace {

template <class Id>
std::optional<Id> parse_id(const std::string& text) {
  Id id{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, id);
  if (error != std::errc() || stop != end) return std::nullopt;
  return id;
}

uid_t owner_of(const Access& access) {
  if (access.owner.empty()) return geteuid();
  const auto uid = find_user(access.owner);
  if (!uid) log::error("there is no user " + log::printable(access.owner) + " any more");
  return uid.value_or(kUnknownUser);
}

gid_t group_of(const Access& access) {
  if (access.group.empty()) return getegid();
  const auto gid = find_group(access.group);
  if (!gid) log::error("there is no group " + log::printable(access.group) + " any more");
  return gid.value_or(kUnknownGroup);
}

}  // namespace

std::optional<uid_t> find_user(const std::string& name) {
  if (const auto number = parse_id<uid_t>(name)) return number;
  const passwd* entry = getpwnam(name.c_str());
  return entry != nullptr ? std::optional(entry->pw_uid) : std::nullopt;
}

std::optional<gid_t> find_group(const std::string& name) {
  if (const auto number = parse_id<gid_t>(name)) return number;
  const group* entry = getgrnam(name.c_str());
  return entry != nullptr ? std::optional(entry->gr_gid) : std::nullopt;
}

gid_t primary_group(uid_t uid) {
  const passwd* entry = getpwuid(uid);
  return entry != nullptr ? entry->pw_gid : kUnknownGroup;
}

Policy resolve(const Config& config, const std::string& file) {
  Policy policy{.limits = config.limits,
                .default_params = config.defaults.params,
                .dynamic = config.dynamic,
                .channels = {},
                .file = file,
                .own_uid = geteuid()};
  for (const ChannelConfig& channel : config.channels) {
    policy.channels.push_back({.name = channel.name,
                               .params = channel.params,
                               .permissions = {.mode = channel.access.mode,
                                               .owner = owner_of(channel.access),
                                               .group = group_of(channel.access)},
                               .linger = channel.linger,
                               .lease_ttl = channel.lease_ttl,
                               .waiting = channel.waiting,
                               .provisioned = true,
                               .line = channel.line});
  }
  return policy;
}

}  // namespace zipc
