/// A configuration between reading and checking: the values of the file, and where the channels among them stand.
///
/// *Invariant.* A value that was refused is 0 or empty, and with it whatever takes it as its default, so that checks
/// which depend on it can be left out. A Draft with a refused value never becomes a Config.
#pragma once

#include <vector>

#include "config/config.h"
#include "config/diagnostics.h"
#include "config/document.h"

namespace zipc {

/// A channel of the file as far as it could be read.
struct DraftChannel {
  ChannelConfig channel;
  Position at;       ///< of its entry
  Position name_at;  ///< of the value of `name`
};

struct Draft {
  Config config;                       ///< all but `channels`
  std::vector<DraftChannel> channels;  ///< in the order of the file
};

/// Reads the values of a document. The tables of all keys stand in keys.cpp.
[[nodiscard]] Draft read_draft(const Node& root, Diagnostics& diagnostics);

/// Checks what no single value shows: names that are used twice, too many channels, channels that do not fit the
/// limits.
void check_draft(const Draft& draft, Diagnostics& diagnostics);

}  // namespace zipc
