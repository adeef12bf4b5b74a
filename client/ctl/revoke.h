/// zipcctl revoke: takes a role away from the process that holds it.
#pragma once

#include <string>

#include "client/ctl/access.h"

namespace zipc::ctl {

struct RevokeOptions {
  std::string channel;
  Role role = Role::sender;
  bool json = false;
};

/// Error::lease_not_found when nobody holds it, channel_in_use, permission_denied.
[[nodiscard]] Result<void> run(Access& access, const RevokeOptions& options);

}  // namespace zipc::ctl
