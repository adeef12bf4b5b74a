/// zipcctl explain: why a channel is as it is.
#pragma once

#include <string>

#include "client/ctl/access.h"

namespace zipc::ctl {

struct ExplainOptions {
  std::string channel;
  bool json = false;
};

/// Looks twice, a moment apart. Error::channel_not_found.
[[nodiscard]] Result<void> run(Access& access, const ExplainOptions& options);

}  // namespace zipc::ctl
