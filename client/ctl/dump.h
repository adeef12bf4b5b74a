/// zipcctl dump: the bytes of a channel's memory.
#pragma once

#include <string>

#include "client/ctl/access.h"

namespace zipc::ctl {

struct DumpOptions {
  std::string channel;
  bool all = false;  ///< lengths and messages as well, not only the header
};

/// Reads the channel's file and takes no role, so it can be used at any time and disturbs nobody. What the peers change
/// meanwhile may be seen half changed. Error::channel_not_found, permission_denied, unsupported where shared memory has
/// no path.
[[nodiscard]] Result<void> run(Access& access, const DumpOptions& options);

}  // namespace zipc::ctl
