/// zipcctl check: whether everything is as the broker's registry says.
#pragma once

#include "client/ctl/access.h"

namespace zipc::ctl {

struct CheckOptions {
  bool repair = false;
  bool json = false;
};

/// Error::system when something is wrong and was not repaired.
[[nodiscard]] Result<void> run(Access& access, const CheckOptions& options);

}  // namespace zipc::ctl
