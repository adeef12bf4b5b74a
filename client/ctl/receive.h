/// zipcctl receive: messages become a file or standard output.
#pragma once

#include <optional>
#include <string>

#include "client/ctl/access.h"
#include "client/ctl/units.h"

namespace zipc::ctl {

struct ReceiveOptions {
  std::string channel;
  std::string file;  ///< empty: standard output
  Sizes sizes;
  std::optional<std::uint32_t> frame;  ///< bytes that every message must have, but the last of a stream
  std::optional<std::uint64_t> count;  ///< messages after which to end
  bool lines = false;                  ///< a newline after each message that does not end in one
  bool follow = false;                 ///< go on with the next stream, and the next sender
  bool rest = false;                   ///< although another receiver has taken the beginning of the stream
  milliseconds timeout = kNoLimit;     ///< longest wait for a message
  bool quiet = false;
  bool json = false;
};

/// Returns at the end of the stream, or after `count` messages. A message leaves the channel when it was written; the
/// end of the stream when the file is complete. So what cannot be written stays there, and a sender that waits learns
/// of it.
[[nodiscard]] Result<void> run(Access& access, const ReceiveOptions& options);

}  // namespace zipc::ctl
