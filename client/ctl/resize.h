/// zipcctl resize: gives a channel other sizes while it is in use.
#pragma once

#include <string>

#include "client/ctl/access.h"

namespace zipc::ctl {

struct ResizeOptions {
  std::string channel;
  Sizes sizes;  ///< what is not given stays as it is
  bool json = false;
};

/// Error::invalid_argument when no size is given; invalid_params when messages that wait would not fit;
/// permission_denied.
[[nodiscard]] Result<void> run(Access& access, const ResizeOptions& options);

}  // namespace zipc::ctl
