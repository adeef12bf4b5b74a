#include "client/ctl/advice.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <zipc/zipc.hpp>

#include "client/ctl/units.h"

namespace zipc::ctl {
namespace {

constexpr std::uint32_t kQueueSizeMax = 1u << 24;
constexpr std::uint64_t kSavingMin = 4096;  // bytes: memory comes in pages
constexpr std::uint32_t kSlack = 8;         // a queue this many times as large as it was ever deep is too large
constexpr std::uint32_t kQueueMargin = 4;   // what is left of that
constexpr std::uint32_t kLengthSlack = 4;   // the same for the longest message
constexpr std::uint32_t kLengthMargin = 2;
constexpr std::uint32_t kQueueSizeMin = 4;  // below, peers wait for each other at every message

std::uint32_t power_of_two(std::uint64_t at_least, std::uint32_t most) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(std::bit_ceil(at_least), most));
}

std::uint64_t memory_of(const Params& params) { return shared_memory_size(params); }

/// The receiver notes how many it finds when it has run out, which the queue may since have outgrown.
std::uint32_t deepest_of(const ChannelInfo& channel) { return std::max(channel.deepest, channel.depth); }

void enlarge_queue(const ChannelInfo& channel, Advice& advice) {
  const bool filled = deepest_of(channel) >= channel.params.queue_size - 1;
  if (channel.full == 0 && !filled) return;
  if (!channel.receiver && channel.depth >= channel.params.queue_size - 1) return;
  const std::uint32_t larger = power_of_two(2 * std::uint64_t{channel.params.queue_size}, kQueueSizeMax);
  if (larger <= channel.params.queue_size) return;
  advice.better.queue_size = larger;
  advice.reasons.push_back(channel.full > 0
                               ? "the sender met a full queue " + format_count(channel.full, "time")
                               : "all " + format_count(deepest_of(channel)) + " places were taken at a time");
}

void shrink_queue(const ChannelInfo& channel, Advice& advice) {
  const std::uint64_t deepest = deepest_of(channel);
  if (channel.full > 0 || channel.deepest == 0 || deepest * kSlack >= channel.params.queue_size) return;
  const std::uint32_t smaller = std::max(power_of_two(deepest * kQueueMargin, kQueueSizeMax), kQueueSizeMin);
  if (smaller >= channel.params.queue_size) return;
  advice.better.queue_size = smaller;
  advice.reasons.push_back("at most " + format_count(deepest, "message") + (deepest == 1 ? " waits" : " wait"));
}

void shrink_messages(const ChannelInfo& channel, Advice& advice) {
  const std::uint64_t largest = channel.largest;
  if (largest == 0 || channel.params.message_size < largest * kLengthSlack) return;
  const std::uint32_t smaller = power_of_two(largest * kLengthMargin, channel.params.message_size);
  if (smaller >= channel.params.message_size) return;
  advice.better.message_size = smaller;
  advice.reasons.push_back("the longest message has " + format_size(static_cast<double>(largest)) + " of " +
                           format_size(channel.params.message_size));
}

std::optional<Advice> advice_for(const ChannelInfo& channel) {
  Advice advice{.channel = channel.name, .present = channel.params, .better = channel.params, .reasons = {}};
  if (channel.sent >= kTrafficMin) {
    shrink_queue(channel, advice);
    shrink_messages(channel, advice);
    if (memory_of(advice.better) + kSavingMin > memory_of(channel.params)) {
      advice.better = channel.params;
      advice.reasons.clear();
    }
  }
  enlarge_queue(channel, advice);
  if (advice.reasons.empty()) return {};
  return advice;
}

}  // namespace

std::vector<Advice> advise(const std::vector<ChannelInfo>& channels) {
  std::vector<Advice> all;
  for (const ChannelInfo& channel : channels) {
    if (auto advice = advice_for(channel)) all.push_back(*std::move(advice));
  }
  return all;
}

}  // namespace zipc::ctl
