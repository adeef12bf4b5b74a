/// Which sizes would suit channels better, going by what has gone through them. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>
#include <zipc/channel.hpp>

namespace zipc::ctl {

/// Other sizes for one channel.
struct Advice {
  std::string channel;
  Params present;
  Params better;
  std::vector<std::string> reasons;
};

/// Fewer messages say nothing about what else may come: nothing is made smaller for them.
inline constexpr std::uint64_t kTrafficMin = 5'000;

/// Larger where the queue was ever full: the next power of two that is at least twice as large. Smaller where much has
/// gone through, and it would save memory: a queue that never held an eighth of its slots, to four times what it held;
/// messages that never were longer than a quarter, to twice the longest; both rounded up to a power of two.
/// Four times, because the deepest is what the receiver found when it had run out: in between it may have been twice
/// that. A channel without a receiver is full for another reason than its size. Those that are fine are left out.
[[nodiscard]] std::vector<Advice> advise(const std::vector<ChannelInfo>& channels);

}  // namespace zipc::ctl
