/// zipcctl create and remove: the life of a channel, with a broker or without one.
#pragma once

#include <optional>
#include <string>

#include "client/ctl/access.h"
#include "client/ctl/units.h"

namespace zipc::ctl {

struct CreateOptions {
  std::string channel;
  Sizes sizes;                         ///< where none is given, the broker's defaults
  std::optional<milliseconds> linger;  ///< kNoLimit: for ever. Only a broker heeds it
  bool json = false;
};

struct RemoveOptions {
  std::string channel;
  bool force = false;  ///< although somebody holds a role of it
};

/// Error::channel_exists, and whatever the broker refuses.
[[nodiscard]] Result<void> run(Access& access, const CreateOptions& options);

/// Error::channel_not_found, channel_in_use, channel_provisioned, permission_denied.
[[nodiscard]] Result<void> run(Access& access, const RemoveOptions& options);

}  // namespace zipc::ctl
