// What the broker tells those who watch, beyond what it does itself.
#include "daemon/broker.h"

namespace zipc {
namespace {

std::string times(std::uint64_t count) { return count == 1 ? "once" : std::to_string(count) + " times"; }

}  // namespace

void Broker::tell_end(const Channel& channel, Role role, const SegmentLook* look) {
  if (!events_.is_watched()) return;
  const Client& holder = channel.lease(role)->holder;
  // Who gives a role back takes its announcement out of the header first. If the file has gone, only the end of the
  // process has brought us here.
  if (look != nullptr && look->features[index_of(role)] == 0) {
    return tell(EventKind::released, channel, role, holder.pid, [&] {
      const std::string who = holder.pid != 0 ? "process " + std::to_string(holder.pid) : "a process";
      return who + " is the " + to_string(role) + " of " + channel.spec.name + " no longer";
    });
  }
  Event death{.kind = std::string(to_string(EventKind::died)),
              .channel = channel.spec.name,
              .role = role,
              .pid = holder.pid,
              .message = {}};
  events_.publish_death(std::move(death), channel.spec, registry_.policy(), holder.process.lock());
}

void Broker::look_at_queues(bool is_first, TimePoint now) {
  if (is_first) queues_seen_.clear();
  for (const auto& [name, channel] : registry_.channels()) {
    if (channel.is_leased()) settle(channel, now);
  }
}

void Broker::compare_queue(const Channel& channel, const SegmentLook& look) {
  if (!events_.is_watched() || !look.info) return;
  const std::string& name = channel.spec.name;
  const QueueSeen now{.id = look.id, .full = look.stats.full, .depth = look.stats.depth};
  const auto [seen, is_new] = queues_seen_.try_emplace(name, now);
  const QueueSeen before = seen->second;
  seen->second = now;
  if (is_new || before.id != now.id) return;
  const bool was_full = now.full > before.full;
  if (was_full) {
    tell(EventKind::full, channel,
         [&] { return "the sender of " + name + " met a full queue " + times(now.full - before.full); });
  }
  if (now.depth == 0 && (before.depth != 0 || was_full)) {
    tell(EventKind::drained, channel, [&] { return "every message of " + name + " has been received"; });
  }
}

}  // namespace zipc
