/// zipcctl send: a file or standard input becomes messages.
///
/// A stream is a number of messages that are not empty, then an empty one. `receive` writes them one after the other,
/// so that the other end gets the same bytes whatever their sizes are.
#pragma once

#include <optional>
#include <string>

#include "client/ctl/access.h"
#include "client/ctl/units.h"

namespace zipc::ctl {

struct SendOptions {
  std::string channel;
  std::string file;  ///< empty: standard input
  Sizes sizes;
  std::optional<std::uint32_t> frame;  ///< bytes of each message; otherwise as many as are there
  bool lines = false;                  ///< each line, with its newline, is a message
  bool append = false;                 ///< although messages of another stream are waiting
  milliseconds timeout = kNoLimit;     ///< longest time in which the receiver takes nothing
  bool quiet = false;
  bool json = false;
};

/// Returns when the receiver has taken everything.
[[nodiscard]] Result<void> run(Access& access, const SendOptions& options);

}  // namespace zipc::ctl
