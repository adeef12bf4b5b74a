/// zipcctl top: what goes through the channels, live.
#pragma once

#include "client/ctl/access.h"
#include "client/ctl/units.h"

namespace zipc::ctl {

inline constexpr milliseconds kTopIntervalMin{100};
inline constexpr milliseconds kTopIntervalMax{3'600'000};

struct TopOptions {
  milliseconds interval{1000};  ///< between two looks; kTopIntervalMin .. kTopIntervalMax
};

/// Goes on until q is pressed or a signal arrives; a broker that goes away is waited for. Error::unsupported where
/// there is no terminal to draw on.
[[nodiscard]] Result<void> run(Access& access, const TopOptions& options);

}  // namespace zipc::ctl
