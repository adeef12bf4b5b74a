/// zipcctl advise: better sizes for channels, as a piece of configuration.
#pragma once

#include "client/ctl/access.h"

namespace zipc::ctl {

struct AdviseOptions {
  bool json = false;
};

[[nodiscard]] Result<void> run(Access& access, const AdviseOptions& options);

}  // namespace zipc::ctl
