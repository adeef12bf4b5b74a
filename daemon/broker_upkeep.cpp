// What the broker does without being asked: taking up, looking after, reaping, reloading.
#include <utility>

#include "daemon/accounts.h"
#include "daemon/broker.h"
#include "daemon/log.h"
#include "daemon/peer.h"

namespace zipc {
namespace {

constexpr Role kRoles[] = {Role::sender, Role::receiver};

std::string plural(std::size_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

/// The permissions of a channel of an earlier broker: those of its file, if that could be given to the channel's owner.
/// Otherwise what follows from the owner, which is all that the header tells.
Permissions permissions_of(const SegmentLook& look, const Policy& policy) {
  const uid_t owner = look.info->creator.owner_uid;
  if (look.owner == owner) return {.mode = look.mode, .owner = owner, .group = look.group};
  return {.mode = policy.dynamic.access.mode, .owner = owner, .group = primary_group(owner)};
}

}  // namespace

void Broker::start(TimePoint now) {
  for (const std::string& name : segments_.ours()) {
    if (const auto look = segments_.look(name); look && look->ours) adopt(name, *look, now);
  }
  if (!registry_.channels().empty()) {
    log::info("found " + plural(registry_.channels().size(), "channel") + " of an earlier run, " +
              plural(registry_.lease_count(), "lease") + " held");
  }
  apply(registry_.policy(), now);
}

void Broker::adopt(const std::string& name, const SegmentLook& look, TimePoint now) {
  const Creator& creator = look.info->creator;
  ChannelSpec spec{.name = name,
                   .params = look.info->params,
                   .permissions = permissions_of(look, registry_.policy()),
                   .linger = linger_from_header(creator.linger_ms)};
  // What a configuration provided then has the lease_ttl of its entry, if it still has one: see apply().
  if (creator.origin == Origin::dynamic) spec.lease_ttl = registry_.policy().dynamic.lease_ttl;
  const Channel& channel = registry_.add(std::move(spec), Backing{.id = look.id, .ours = true}, look.info->leased_once, now);
  // One that a configuration provided then is as if it had just been dropped, unless apply() takes it over again.
  if (creator.origin == Origin::provisioned) registry_.withdraw(name, now);
  tell(EventKind::adopted, channel, [&] {
    return "channel " + name + " of an earlier zipcd was found, with " + to_string(channel.spec.params);
  });
  notice_others(name, look, now);
  note_waiting(name, look, now);
  log::debug("channel " + name + " taken up");
}

void Broker::adopt_holder(const std::string& name, Role role, const SegmentLook& look, TimePoint now) {
  Client holder;
  if (look.info) holder.pid = role == Role::sender ? look.info->sender_pid : look.info->receiver_pid;
  registry_.grant(name, role, holder, now);
  liveness_.watch(name, look.fd.get());
  const Channel& channel = *registry_.find(name);
  compare_queue(channel, look);
  tell(EventKind::leased, channel, role, holder.pid, [&] {
    const std::string who = holder.pid != 0 ? "process " + std::to_string(holder.pid) : "a process";
    return who + ", which did not ask zipcd, was found to be the " + to_string(role) + " of " + name;
  });
}

bool Broker::notice_others(const std::string& name, const SegmentLook& look, TimePoint now) {
  const Channel& channel = *registry_.find(name);
  for (const Role role : kRoles) {
    if (!channel.lease(role) && is_held(look, name, role)) adopt_holder(name, role, look, now);
  }
  // Existing peers hold no lock. That one has been there, the header says; that one still is, the kernel.
  const bool may_be_there = !look.info || look.info->existing_peer_seen;
  if (!channel.is_leased() && may_be_there && is_open_elsewhere(look)) {
    registry_.set_existing_peer(name, true, now);
    liveness_.watch(name, look.fd.get());
  }
  return channel.state() == ChannelState::in_use;
}

bool Broker::look_at(const std::string& name, TimePoint now) {
  const Channel* channel = registry_.find(name);
  if (channel == nullptr) return false;
  const auto look = settle(*channel, now);
  // Whoever empties it may not have asked us; while its lock is there, we are to look again.
  if (look && channel->draining) notice_others(name, *look, now);
  return channel->state() == ChannelState::in_use;
}

void Broker::note_waiting(const std::string& name, const SegmentLook& look, TimePoint now) {
  registry_.set_waiting(name, look.stats.depth, now);
  const Channel& channel = *registry_.find(name);
  if (!channel.draining || channel.state() == ChannelState::in_use) return;
  // Watched although nobody holds it: its messages may be received by somebody who does not ask us.
  if (channel.waiting != 0) {
    liveness_.watch(name, look.fd.get());
  } else {
    liveness_.unwatch(name);
  }
}

/// Ends what has ended on its own; returns how the segment looks, if it still is the channel's.
std::optional<SegmentLook> Broker::settle(const Channel& channel, TimePoint now) {
  const std::string& name = channel.spec.name;
  auto look = segments_.look(name);
  const bool is_there = look && channel.backing && look->id == channel.backing->id;
  if (!look && look.error() != Error::channel_not_found)
    return std::nullopt;  // no descriptor free: we know nothing new
  if (is_there) compare_queue(channel, *look);
  for (const Role role : kRoles) {
    const auto& lease = channel.lease(role);
    if (lease && !(is_there ? is_held(*look, name, role) : !process_is_gone(lease->holder.pid))) {
      end(name, role, is_there ? &*look : nullptr, now);
    }
  }
  if (channel.existing_peer && !(is_there && is_open_elsewhere(*look))) {
    registry_.set_existing_peer(name, false, now);
    if (!channel.is_leased()) liveness_.unwatch(name);
  }
  if (!is_there) {
    registry_.set_waiting(name, 0, now);
    return std::nullopt;
  }
  note_waiting(name, *look, now);
  return std::move(*look);
}

bool Broker::hang_up(SessionId session, TimePoint now) {
  for (const std::string& name : registry_.leased_over(session)) look_at(name, now);
  return !registry_.leased_over(session).empty();
}

void Broker::end(const std::string& name, Role role, const SegmentLook* look, TimePoint now) {
  const Channel& channel = *registry_.find(name);
  if (log::is_on(log::Level::debug)) {
    log::debug(name + ": process " + std::to_string(channel.lease(role)->holder.pid) + " is " + to_string(role) +
               " no longer");
  }
  tell_end(channel, role, look);
  registry_.end(name, role, now);
  if (channel.state() != ChannelState::in_use) liveness_.unwatch(name);
}

void Broker::forget(const std::string& name) {
  liveness_.unwatch(name);
  queues_seen_.erase(name);
  registry_.remove(name);
}

void Broker::reap(TimePoint now) {
  for (const auto& [name, role] : registry_.expired(now)) {
    const Channel* channel = registry_.find(name);
    if (channel == nullptr) continue;
    settle(*channel, now);
    const auto& lease = channel->lease(role);
    if (lease && lease->expires && *lease->expires <= now) expire(name, role, now);
  }
  for (const std::string& name : registry_.due(now)) reap_one(name, now);
}

void Broker::reap_one(const std::string& name, TimePoint now) {
  const Channel& channel = *registry_.find(name);
  if (const auto look = settle(channel, now); look && channel.backing->ours) {
    if (notice_others(name, *look, now)) return;
    if (channel.draining && channel.waiting != 0) return;
    if (const auto removed = segments_.remove(name, look->id); !removed) {
      log::warning("channel " + name + " is forgotten, but its segment is not removed: " + removed.failure().message);
    }
  }
  log::info("channel " + name + " reaped");
  tell(EventKind::reaped, channel,
       [&] { return "channel " + name + " was reaped: nobody has used it for its linger"; });
  forget(name);
}

void Broker::apply(Policy next, TimePoint now) {
  const ConfigDiff diff = registry_.diff(next);
  registry_.set_policy(std::move(next));
  for (const std::string& name : diff.withdrawn) {
    registry_.withdraw(name, now);
    const Channel& channel = *registry_.find(name);
    settle(channel, now);
    log::info("channel " + name + " is no longer provided by the configuration" +
              (channel.waiting != 0 ? "; it stays for now: " + plural(channel.waiting, "message") + " waiting" : ""));
    tell(EventKind::withdrawn, *registry_.find(name),
         [&] { return "channel " + name + " is no longer provided by the configuration"; });
  }
  for (const ChannelSpec& spec : diff.resized) resize(spec, now);
  for (const ChannelSpec& spec : diff.changed) change(spec, now);
  for (const ChannelSpec& spec : diff.added) add_provisioned(spec, now);
}

void Broker::add_provisioned(const ChannelSpec& spec, TimePoint now) {
  const auto made = segments_.make(spec);
  if (!made) {  // kept without memory: whoever asks for it makes us try again
    log::error("channel " + spec.name + " (" + place_of(spec, registry_.policy()) + "): " + made.failure().message);
    const Channel& channel = registry_.add(spec, std::nullopt, false, now);
    tell(EventKind::created, channel, [&] {
      return "channel " + spec.name +
             " is provided by the configuration, but without memory: " + made.failure().message;
    });
    return;
  }
  const Channel& channel = registry_.add(spec, made->backing, false, now);
  log::info("channel " + spec.name + " provided: " + to_string(spec.params));
  tell(made->backing.ours ? EventKind::created : EventKind::adopted, channel,
       [&] { return "channel " + spec.name + " is provided by the configuration, with " + to_string(spec.params); });
}

void Broker::change(const ChannelSpec& spec, TimePoint now) {
  const Channel& channel = *registry_.find(spec.name);
  const ChannelSpec before = channel.spec;
  registry_.configure(spec, now);
  if (channel.backing) segments_.describe(spec, channel.backing->id);
  if (!before.provisioned) log::info("channel " + spec.name + " taken over by the configuration");
  if (channel.state() != ChannelState::in_use) liveness_.unwatch(spec.name);  // it may have been draining
  if (before.permissions != spec.permissions) {
    log::info("channel " + spec.name + " has mode " + octal(spec.permissions.mode) + " now, owner " +
              std::to_string(spec.permissions.owner) + ", group " + std::to_string(spec.permissions.group));
  }
  if (before.provisioned && before.linger != spec.linger) log::info("channel " + spec.name + " has another linger now");
  if (before.lease_ttl != spec.lease_ttl) log::info("channel " + spec.name + " has another lease_ttl now");
}

void Broker::resize(const ChannelSpec& spec, TimePoint now) {
  const Channel& channel = *registry_.find(spec.name);
  const auto look = settle(channel, now);
  const std::string obstacle = look ? kept_because(channel, *look) : "";
  if (obstacle.empty()) {
    log::info("channel " + spec.name + " has other sizes now, so it is made anew");
    if (look) static_cast<void>(segments_.remove(spec.name, look->id));  // if it fails, so does making it, and says why
    forget(spec.name);
    return add_provisioned(spec, now);
  }
  log::warning("channel " + spec.name + " keeps " + to_string(channel.spec.params) + " although " +
               place_of(spec, registry_.policy()) + " says " + to_string(spec.params) + ": it " + obstacle);
  ChannelSpec kept = spec;
  kept.params = channel.spec.params;
  if (kept != channel.spec) change(kept, now);
}

std::string Broker::kept_because(const Channel& channel, const SegmentLook& look) const {
  if (!channel.backing || !channel.backing->ours || !look.ours) return "is in a segment that this broker did not make";
  for (const Role role : kRoles) {
    if (is_held(look, channel.spec.name, role)) return "has a " + std::string(to_string(role));
  }
  if (look.stats.depth != 0) return "has " + plural(look.stats.depth, "message") + " waiting";
  if (look.info->existing_peer_seen && is_open_elsewhere(look)) return "is in use by a program that takes no lease";
  return {};
}

void Broker::stop(TimePoint now) {
  std::size_t removed = 0;
  for (const auto& [name, channel] : registry_.channels()) {
    const auto look = settle(channel, now);
    if (!look || !kept_because(channel, *look).empty()) continue;
    if (segments_.remove(name, look->id)) ++removed;
  }
  log::info(plural(removed, "segment") + " removed, " + plural(registry_.channels().size() - removed, "channel") +
            " left for the next run");
}

void Broker::expire(const std::string& name, Role role, TimePoint now) {
  const Lease& lease = *registry_.find(name)->lease(role);
  log::warning("channel " + name + ": process " + std::to_string(lease.holder.pid) +
               " has not renewed its lease in time, and is " + std::string(to_string(role)) + " no longer");
  end(name, role, now);
}

}  // namespace zipc
