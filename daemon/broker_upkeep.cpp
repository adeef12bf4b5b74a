// What the broker does without being asked: taking up, looking after, reaping, reloading.
#include <algorithm>
#include <utility>

#include "common/test_point.h"
#include "daemon/accounts.h"
#include "daemon/broker.h"
#include "daemon/log.h"
#include "daemon/peer.h"

namespace zipc {
namespace {

/// The permissions of a channel of an earlier broker: those of its file, if that could be given to the channel's owner.
/// Otherwise what follows from the owner, which is all that the header tells.
Permissions permissions_of(const SegmentLook& look, const Policy& policy) {
  const uid_t owner = look.info->creator.owner_uid;
  if (look.owner == owner) return {.mode = look.mode, .owner = owner, .group = look.group};
  return {.mode = policy.dynamic.access.mode, .owner = owner, .group = primary_group(owner)};
}

}  // namespace

void Broker::start(TimePoint now) {
  for (const std::string& name : segments_.unfinished()) {
    if (const auto removed = segments_.discard_unfinished(name); !removed) log::warning(removed.failure().message);
  }
  for (const std::string& name : segments_.ours()) {
    const auto look = segments_.look(name);
    if (!look || !look->ours) continue;
    if (const auto adopted = adopt(name, *look, now); !adopted) log::warning(adopted.failure().message);
  }
  take_up_formers(now);
  if (!registry_.channels().empty()) {
    log::info("found " + log::plural(registry_.channels().size(), "channel") + " of an earlier run, " +
              log::plural(registry_.lease_count(), "lease") + " held");
  }
  provide(registry_.policy(), now);
  for (const std::string& name : platform::segment_names()) {
    if (const auto look = segments_.look(name); look && look->lent) take_up_lent(name, *look, now);
  }
  const std::uint64_t wanted = registry_.policy().limits.total_bytes;
  if (const auto capacity = platform::capacity(); capacity && *capacity < wanted) {
    log::warning("limits.total_size is " + std::to_string(wanted) + " bytes, but the shared memory of this machine has only " +
                 std::to_string(*capacity) + ": channels may find none although the limit allows them");
  }
}

Result<void> Broker::check_adoption(const ChannelSpec& spec, const SegmentLook& look) const {
  const Policy& policy = registry_.policy();
  const auto entry = std::find_if(policy.channels.begin(), policy.channels.end(),
                                  [&](const ChannelSpec& provisioned) { return provisioned.name == spec.name; });
  const bool is_provisioned = entry != policy.channels.end();
  const uid_t owner = is_provisioned ? entry->permissions.owner : look.owner;
  if (auto usable = segments_.check_maker(look, spec.name, owner); !usable) return usable;
  if (look.allocated < look.size) {
    return Failure{Error::corrupt, "the file of " + spec.name + " says that it has " + std::to_string(look.size) +
                                       " bytes, but takes " + std::to_string(look.allocated)};
  }
  if (is_provisioned || look.owner == policy.own_uid) return {};
  return registry_.check_limits(spec);
}

Result<void> Broker::adopt(const std::string& name, const SegmentLook& look, TimePoint now) {
  const Creator& creator = look.info->creator;
  ChannelSpec spec{.name = name,
                   .params = look.info->params,
                   .permissions = permissions_of(look, registry_.policy()),
                   .linger = linger_from_header(creator.linger_ms)};
  if (auto usable = check_adoption(spec, look); !usable) return usable;
  // What a configuration provided then is as its entry says, if it still has one: see apply().
  if (creator.origin == Origin::dynamic) {
    spec.lease_ttl = registry_.policy().dynamic.lease_ttl;
    spec.waiting = registry_.policy().dynamic.waiting;
  }
  const Backing backing{.id = look.id, .ours = true};
  const Channel& channel = registry_.add(std::move(spec), backing, look.info->creator.leased_once, now);
  // One that a configuration provided then is as if it had just been dropped, unless apply() takes it over again.
  if (creator.origin == Origin::provisioned) registry_.withdraw(name, now);
  tell(EventKind::adopted, channel, [&] {
    return "channel " + name + " of an earlier zipcd was found, with " + to_string(channel.spec.params);
  });
  end_unfinished_move(name, look);
  notice_others(name, look, now);
  for (const Role role : kRoles) {  // who has died while no broker was there
    if (!channel.lease(role) && look.features[index_of(role)] != 0) {
      segments_.tell_of_departure(name, look.id, role, kNoticePeerGone | kNoticeDied);
    }
  }
  note_waiting(name, look, now);
  log::debug("channel " + name + " taken up");
  return {};
}

void Broker::take_up_lent(const std::string& name, const SegmentLook& look, TimePoint now) {
  if (!is_held(look, name)) return;  // it is nobody's lease, and the file is not ours
  if (registry_.find(name) == nullptr) {
    const NewChannel found{.name = name, .params = look.info->params, .linger = {}};
    if (const auto made = make_channel(found, true, {.uid = look.owner, .gid = look.group, .groups = {}}, now); !made) {
      return log::warning("channel " + name + ", made without a broker, is in use and not taken up: " + made.failure().message);
    }
  }
  const Channel& channel = *registry_.find(name);
  if (channel.backing && channel.backing->id == look.id) notice_others(name, look, now);
}

void Broker::adopt_holder(const std::string& name, Role role, const SegmentLook& look, TimePoint now) {
  Client holder;
  if (look.info) holder.pid = role == Role::sender ? look.info->sender_pid : look.info->receiver_pid;
  registry_.grant(name, role, holder, now);
  if (role == Role::sender) registry_.set_sent_before(name, std::nullopt);
  ZIPC_TEST_POINT("adopt.before-watching");
  liveness_.watch_holder(name, look.fd.get());
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
    liveness_.watch_holder(name, look.fd.get());
  }
  return channel.state() == ChannelState::in_use;
}

bool Broker::look_at(const std::string& file, TimePoint now) {
  const auto former = parse_former_name(file);
  const std::string& name = former ? former->channel : file;
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
    liveness_.rest(name);
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
    if (lease && !is_held_still(channel, role, is_there ? &*look : nullptr, now)) {
      end(name, role, is_there ? &*look : nullptr, now);
    }
  }
  settle_formers(channel);
  if (channel.existing_peer && !(is_there && is_open_elsewhere(*look))) {
    registry_.set_existing_peer(name, false, now);
    if (!channel.is_leased()) liveness_.rest(name);
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
  // Who gives a role back tells the peer itself.
  const bool has_died = look != nullptr && (look->features[index_of(role)] != 0 || channel.lease(role)->behind);
  ZIPC_TEST_POINT("end.before-telling");
  if (has_died) tell_peer(channel, role);
  ZIPC_TEST_POINT("end.before-registry");
  registry_.end(name, role, now);
  doorbells_.drop(name, role);
  doorbells_.ring(name, other(role));  // also for a departure of which the holder itself has told
  ZIPC_TEST_POINT("end.after-registry");
  if (channel.state() != ChannelState::in_use) liveness_.rest(name);
}

void Broker::drop_doorbells(const std::string& name) noexcept {
  for (const Role role : kRoles) doorbells_.drop(name, role);
}

void Broker::forget(const std::string& name) {
  drop_doorbells(name);
  liveness_.unwatch(name);
  queues_seen_.erase(name);
  progress_.erase(name);
  for (const Former& former : registry_.find(name)->formers) {
    const std::string file = to_string(FormerName{.channel = name, .generation = former.generation});
    liveness_.unwatch(file);
    ZIPC_TEST_POINT("forget.before-former");
    static_cast<void>(segments_.remove(file, former.id));  // gone is as good as removed
  }
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
  const auto look = settle(channel, now);
  const bool is_ours = !channel.backing || channel.backing->ours;
  if (look && !is_ours && is_held(*look, name) && notice_others(name, *look, now)) return;
  if (look && is_ours) {
    if (notice_others(name, *look, now)) return;
    if (channel.draining && channel.waiting != 0) return;
    ZIPC_TEST_POINT("reap.before-file");
    if (const auto removed = segments_.remove(name, look->id); !removed) {
      log::warning("channel " + name + " is forgotten, but its segment is not removed: " + removed.failure().message);
    }
  }
  ZIPC_TEST_POINT("reap.after-file");
  const std::string stays = is_ours ? "" : "; its segment, made without this broker, stays";
  log::info("channel " + name + " reaped" + stays);
  tell(EventKind::reaped, channel,
       [&] { return "channel " + name + " was reaped: nobody has used it for its linger" + stays; });
  forget(name);
}

std::string Broker::kept_because(const Channel& channel, const SegmentLook& look) const {
  if (!channel.backing || !channel.backing->ours || !look.ours) return "is in a segment that this broker did not make";
  for (const Role role : kRoles) {
    if (channel.lease(role) || is_held(look, channel.spec.name, role)) return "has a " + std::string(to_string(role));
  }
  if (look.stats.depth != 0) return "has " + log::plural(look.stats.depth, "message") + " waiting";
  if (look.info->existing_peer_seen && is_open_elsewhere(look)) return "is in use by a program that takes no lease";
  return {};
}

void Broker::stop(TimePoint now) {
  std::size_t removed = 0;
  std::size_t left = 0;
  for (const auto& [name, channel] : registry_.channels()) {
    if (!channel.backing) continue;
    const auto look = settle(channel, now);
    if (look && kept_because(channel, *look).empty() && segments_.remove(name, look->id)) {
      ++removed;
    } else if (look || segments_.look(name).error() != Error::channel_not_found) {
      ++left;
    }
  }
  log::info(log::plural(removed, "segment") + " removed, " + log::plural(left, "channel") + " left for the next run");
}

}  // namespace zipc
