/// What differs between two rules, in words: "mode 0600 -> 0660, linger 10000 ms -> none". Empty: nothing does.
#pragma once

#include <string>

#include "config/config.h"
#include "daemon/policy.h"

namespace zipc {

/// "8 x 1024 bytes".
[[nodiscard]] std::string sizes_of(const Params& params);

/// Other rules for a channel, but for its sizes and its place in the file.
[[nodiscard]] std::string changes(const ChannelSpec& before, const ChannelSpec& next);

// The sections of a configuration, with its keys.
[[nodiscard]] std::string changes(const SocketConfig& before, const SocketConfig& next);
[[nodiscard]] std::string changes(const Limits& before, const Limits& next);
[[nodiscard]] std::string changes(const DynamicConfig& before, const DynamicConfig& next);
/// Of `defaults`; what a channel of the file takes from there is among that channel's changes.
[[nodiscard]] std::string changes(const Params& before, const Params& next);

}  // namespace zipc
