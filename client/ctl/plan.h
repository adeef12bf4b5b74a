/// zipcctl plan and apply: what a configuration file would change at the broker, and changing it.
#pragma once

#include <string>

#include "client/ctl/access.h"

namespace zipc::ctl {

struct PlanOptions {
  std::string file;  ///< "-": standard input
  bool all = false;  ///< channels that stay as they are, too
  bool json = false;
};

struct ApplyOptions : PlanOptions {};

/// Error::invalid_config when the file has mistakes: each was printed as file:line:column: sentence. system.
[[nodiscard]] Result<void> run(Access& access, const PlanOptions& options);

/// The same, and does it: all of it, or nothing.
[[nodiscard]] Result<void> run(Access& access, const ApplyOptions& options);

}  // namespace zipc::ctl
