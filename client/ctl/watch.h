/// zipcctl watch: what happens at the broker, as it happens.
#pragma once

#include <string>

#include "client/ctl/access.h"

namespace zipc::ctl {

struct WatchOptions {
  std::string channel;  ///< empty: all that this user may use
  bool json = false;
  bool once = false;  ///< end when the broker goes away
};

/// Goes on until a signal arrives; a restart of the broker does not end it. What happens while no broker runs is
/// nobody's to tell. Error::no_broker at the start, and with `once` at any time.
[[nodiscard]] Result<void> run(Access& access, const WatchOptions& options);

}  // namespace zipc::ctl
