#include "config/draft.h"

#include <string>
#include <unordered_map>
#include <zipc/layout.hpp>

namespace zipc {
namespace {

std::string bytes(std::uint64_t count) { return std::to_string(count) + " bytes"; }

void check_names(const std::vector<DraftChannel>& channels, Diagnostics& diagnostics) {
  std::unordered_map<std::string, int> lines;
  for (const DraftChannel& draft : channels) {
    if (draft.channel.name.empty()) continue;  // refused already
    const auto [first, is_new] = lines.emplace(draft.channel.name, draft.channel.line);
    if (is_new) continue;
    diagnostics.add(draft.name_at, "name: the channel " + quoted(draft.channel.name) + " exists already, on line " +
                                       std::to_string(first->second));
  }
}

void check_number(const Draft& draft, Diagnostics& diagnostics) {
  const std::size_t most = draft.config.limits.channels;
  if (most == 0 || draft.channels.size() <= most) return;
  diagnostics.add(draft.channels[most].at, "the file has " + std::to_string(draft.channels.size()) +
                                               " channels; limits.channels allows " + std::to_string(most));
}

/// The size of the channel if that by itself is possible, or 0.
std::uint64_t checked_size(const DraftChannel& draft, const Limits& limits, Diagnostics& diagnostics) {
  const Params& params = draft.channel.params;
  if (params.queue_size == 0 || params.message_size == 0) return 0;
  if (auto checked = check_params(params); !checked) {
    diagnostics.add(draft.at, checked.failure().message);
    return 0;
  }
  const std::uint64_t size = segment_size(params);
  if (limits.bytes_per_channel == 0 || size <= limits.bytes_per_channel) return size;
  diagnostics.add(
      draft.at, "the channel takes " + bytes(size) + "; limits.channel_size allows " + bytes(limits.bytes_per_channel));
  return 0;
}

void check_sizes(const Draft& draft, Diagnostics& diagnostics) {
  const Limits& limits = draft.config.limits;
  std::uint64_t left = limits.total_bytes;
  bool is_exhausted = limits.total_bytes == 0;
  for (const DraftChannel& channel : draft.channels) {
    const std::uint64_t size = checked_size(channel, limits, diagnostics);
    if (is_exhausted) continue;  // said once
    is_exhausted = size > left;
    if (is_exhausted) {
      diagnostics.add(channel.at, "the channel takes " + bytes(size) + "; the channels before it leave " + bytes(left) +
                                      " of limits.total_size, " + bytes(limits.total_bytes));
    }
    left -= is_exhausted ? 0 : size;
  }
}

}  // namespace

void check_draft(const Draft& draft, Diagnostics& diagnostics) {
  check_names(draft.channels, diagnostics);
  check_number(draft, diagnostics);
  check_sizes(draft, diagnostics);
}

}  // namespace zipc
