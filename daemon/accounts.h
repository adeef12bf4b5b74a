/// Users and groups of this machine: names to numbers.
///
/// *Thread safety.* Uses getpwnam(3) and its like: one thread.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "config/config.h"
#include "daemon/policy.h"

namespace zipc {

/// `name` is a name or a number; nullopt: this machine has no such user (group). Cost: may ask a directory server.
[[nodiscard]] std::optional<uid_t> find_user(const std::string& name);
[[nodiscard]] std::optional<gid_t> find_group(const std::string& name);

/// The primary group of a user; kUnknownGroup if there is none.
[[nodiscard]] gid_t primary_group(uid_t uid);

/// The configuration with its user and group names looked up; what is left out is ours. A name that has vanished since
/// the file was checked is logged and becomes nobody's: nobody gains access by it. `file`: where the configuration came
/// from.
[[nodiscard]] Policy resolve(const Config& config, const std::string& file);

}  // namespace zipc
