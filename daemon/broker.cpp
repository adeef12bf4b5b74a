// Requests. broker_upkeep.cpp has what happens without one.
#include "daemon/broker.h"

#include <unistd.h>

#include <algorithm>
#include <utility>
#include <zipc/layout.hpp>

#include "common/name.h"
#include "common/test_point.h"
#include "daemon/log.h"
#include "daemon/peer.h"

namespace zipc {
namespace {

std::int64_t milliseconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

Result<std::optional<std::chrono::milliseconds>> linger_of(const protocol::CreateCall& call) {
  using Linger = std::optional<std::chrono::milliseconds>;
  if (!call.linger_ms) return Linger();
  if (*call.linger_ms == -1) return Linger(kLingerForever);
  const std::chrono::milliseconds most = kLingerMax;
  if (*call.linger_ms >= 0 && *call.linger_ms <= most.count()) return Linger(*call.linger_ms);
  return Failure{Error::invalid_argument, "linger_ms is " + std::to_string(*call.linger_ms) +
                                              "; it must be -1 (for ever) or 0 to " + std::to_string(most.count())};
}

/// In milliseconds; -1: never.
std::int64_t expires_in(const Lease& lease, TimePoint now) {
  return lease.expires ? std::max<std::int64_t>(0, milliseconds(*lease.expires - now)) : -1;
}

std::optional<Holder> describe(const std::optional<Lease>& lease, TimePoint now) {
  if (!lease) return std::nullopt;
  return Holder{.lease = static_cast<std::int64_t>(lease->id),
                .pid = lease->holder.pid,
                .uid = lease->holder.uid,
                .held_ms = milliseconds(now - lease->since),
                .expires_in_ms = expires_in(*lease, now),
                .behind = lease->behind.has_value()};
}

}  // namespace

std::uint32_t broker_id_of(uid_t uid, const std::string& path) noexcept {
  std::uint32_t hash = 2166136261;  // FNV-1a
  for (const char c : std::to_string(uid) + ":" + path) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619;
  return hash != 0 ? hash : 1;
}

Broker::Broker(std::uint32_t broker_id, Policy policy, LeaseId first, Liveness& liveness, Events& events,
               Processes& processes)
    : segments_(broker_id), registry_(std::move(policy), first), liveness_(liveness), events_(events), processes_(processes) {}

Result<Grant> Broker::acquire(const protocol::AcquireCall& call, const Client& client, TimePoint now) {
  if (auto valid = check_name(call.name); !valid) return valid.failure();
  const bool is_new = find(call.name, now) == nullptr;
  if (is_new) {
    if (auto made = make_wanted(call, client, now); !made) return made.failure();
  }
  ZIPC_TEST_POINT("acquire.after-making");
  auto grant = take_role(call, client, now);
  ZIPC_TEST_POINT("acquire.after-granting");
  if (grant) grant->waiting = registry_.find(call.name)->spec.waiting;
  if (!grant && is_new) reap_one(call.name, now);  // nobody shall find what was made in vain
  return grant;
}

Result<void> Broker::release(LeaseId lease, const Client& client, TimePoint now) {
  const auto place = registry_.check_release(lease, client);
  if (!place) return place.failure();
  if (*place) {
    const auto& [name, role] = **place;
    const Channel& channel = *registry_.find(name);
    ZIPC_TEST_POINT("release.before-ending");
    settle(channel, now);
    ZIPC_TEST_POINT("release.after-ending");
    if (const auto& still = channel.lease(role)) {
      Failure taken = role_taken(name, role, still->holder.pid);
      taken.message += " still: close the descriptors of the segment, and unmap it, first";
      return taken;
    }
  }
  registry_.forget_ended(lease);
  return {};
}

Result<std::int64_t> Broker::renew(LeaseId lease, const Client& client, TimePoint now) {
  auto place = registry_.check_renew(lease, client);
  if (!place) return place.failure();
  const Channel& channel = *registry_.find(place->name);
  settle(channel, now);  // a lease whose lock has gone is not to be had back
  place = registry_.check_renew(lease, client);
  if (!place) return place.failure();
  registry_.renew(place->name, place->role, now);
  return expires_in(*channel.lease(place->role), now);
}

Result<Doorbell> Broker::doorbell(const protocol::DoorbellCall& call, const Client& client, TimePoint now) {
  if (auto valid = check_name(call.name); !valid) return valid.failure();
  const Channel* channel = find(call.name, now);
  const auto end = call.ring ? Doorbells::End::to_ring : Doorbells::End::to_poll;
  if (auto allowed = registry_.check_doorbell(call.name, call.role, client, call.ring); !allowed) return allowed.failure();
  auto doorbell = doorbells_.get(channel->spec.name, call.role, end);
  if (call.ring) doorbells_.ring(channel->spec.name, call.role);  // also where there is no descriptor left for the caller
  return doorbell;
}

Result<ChannelInfo> Broker::create(const protocol::CreateCall& call, const Client& client, TimePoint now) {
  if (auto valid = check_name(call.name); !valid) return valid.failure();
  const auto linger = linger_of(call);
  if (!linger) return linger.failure();
  find(call.name, now);
  if (auto made = make_channel({.name = call.name, .params = call.params, .linger = *linger}, false, client, now); !made) {
    return made.failure();
  }
  return describe(*registry_.find(call.name), now);
}

Result<void> Broker::remove(const protocol::RemoveCall& call, const Client& client, TimePoint now) {
  if (auto valid = check_name(call.name); !valid) return valid;
  const Channel* channel = find(call.name, now);
  if (channel != nullptr) settle(*channel, now);
  if (channel == nullptr) {
    const auto look = segments_.look(call.name);
    if (look && look->info && look->info->creator.origin == Origin::direct) {
      return Failure{Error::foreign_segment,
                     "there is no channel " + call.name + ", but a segment of this name that was made without a broker"};
    }
  }
  if (auto allowed = registry_.check_remove(call.name, call.force, client); !allowed) return allowed;
  ZIPC_TEST_POINT("remove.before-file");
  if (channel->backing) {
    const auto removed = segments_.remove(call.name, channel->backing->id);
    if (!removed && removed.error() != Error::channel_not_found) return removed;  // gone is as good as removed
  }
  ZIPC_TEST_POINT("remove.after-file");
  log::info("channel " + call.name + " removed by user " + std::to_string(client.uid));
  tell(EventKind::removed, *channel,
       [&] { return "channel " + call.name + " was removed by user " + std::to_string(client.uid); });
  forget(call.name);
  ZIPC_TEST_POINT("remove.after-forgetting");
  return {};
}

Result<ChannelInfo> Broker::get(const std::string& name, const Client& client, TimePoint now) {
  if (auto valid = check_name(name); !valid) return valid.failure();
  const Channel* channel = find(name, now);
  if (channel == nullptr) return Failure{Error::channel_not_found, "there is no channel " + name};
  if (auto allowed = check_access(channel->spec, client, registry_.policy()); !allowed) return allowed.failure();
  return describe(*channel, now);
}

std::vector<ChannelInfo> Broker::list(const Client& client, TimePoint now) {
  std::vector<ChannelInfo> channels;
  for (const auto& [name, channel] : registry_.channels()) {
    if (check_access(channel.spec, client, registry_.policy())) channels.push_back(describe(channel, now));
  }
  return channels;
}

/// The channel of this name, also if it was not found at the start, because the platform cannot list segments.
const Channel* Broker::find(const std::string& name, TimePoint now) {
  if (const Channel* channel = registry_.find(name)) return channel;
  const auto look = segments_.look(name);
  if (look && look->ours) static_cast<void>(adopt(name, *look, now));  // or there is none, as far as the caller is concerned
  if (look && look->lent) take_up_lent(name, *look, now);
  return registry_.find(name);
}

Result<void> Broker::make_wanted(const protocol::AcquireCall& call, const Client& client, TimePoint now) {
  NewChannel wanted{.name = call.name, .params = call.params, .linger = {}};
  if (!wanted.params) {  // maybe its clients have met there before there was a broker
    const auto look = segments_.look(call.name);
    if (!look || !look->info) return Failure{Error::channel_not_found, "there is no channel " + call.name};
    wanted.params = look->info->params;
  }
  return make_channel(wanted, true, client, now);
}

Result<void> Broker::make_channel(const NewChannel& wanted, bool for_lease, const Client& client, TimePoint now) {
  auto spec = registry_.admit(wanted, client);
  if (!spec) {
    refusals_.refused(client.uid, spec.failure());
    return spec.failure();
  }
  refusals_.granted(client.uid);
  const auto made = make_segment(*spec, for_lease, client);
  if (!made) return made.failure();
  spec->permissions = made->permissions;
  const Channel& channel = registry_.add(*spec, made->backing, for_lease, now);
  log::info("channel " + spec->name + (made->backing.ours ? " created" : " found, made without a broker,") +
            " for user " + std::to_string(client.uid) + ": " + to_string(spec->params));
  tell(made->backing.ours ? EventKind::created : EventKind::adopted, channel, [&] {
    return "channel " + spec->name + (made->backing.ours ? " was created" : ", made without a broker, was found") +
           " for user " + std::to_string(client.uid) + ", with " + to_string(spec->params);
  });
  return {};
}

/// Makes the segment of `spec`. If one is there that others made, its own mode decides about `client`.
Result<MadeSegment> Broker::make_segment(const ChannelSpec& spec, bool for_lease, const Client& client) const {
  auto made = segments_.make(spec, for_lease);
  if (!made) return made;
  ChannelSpec as_made = spec;
  as_made.permissions = made->permissions;
  if (auto allowed = check_access(as_made, client, registry_.policy()); !allowed) return allowed.failure();
  return made;
}

Result<Grant> Broker::take_role(const protocol::AcquireCall& call, const Client& client, TimePoint now) {
  const Channel& channel = *registry_.find(call.name);
  if (auto allowed = registry_.check_use(channel, client, call.params); !allowed) return allowed.failure();
  if (channel.backing && !channel.lease(call.role)) {  // mostly all is as it was
    if (auto granted = grant(channel, call.role, channel.backing->id, client, now)) return granted;
  }
  const auto look = memory_of(channel, client, now);
  if (!look) return look.failure();
  if (channel.lease(call.role)) {
    if (is_held_still(channel, call.role, &*look, now)) {
      return channel.lease(call.role)->behind ? catch_up(channel, call, *look, client, now)
                                              : resume(channel, call, client, now);
    }
    end(call.name, call.role, &*look, now);
  }
  auto granted = grant(channel, call.role, look->id, client, now);
  if (granted.error() != Error::busy) return granted;
  adopt_holder(call.name, call.role, *look, now);  // somebody who did not ask us
  return resume(channel, call, client, now);
}

Result<Grant> Broker::resume(const Channel& channel, const protocol::AcquireCall& call, const Client& client,
                             TimePoint now) {
  const Lease& lease = *channel.lease(call.role);
  if (!call.resume || !Registry::may_resume(lease, client, process_is_gone(lease.holder.pid))) {
    return role_taken(call.name, call.role, lease.holder.pid);
  }
  auto fd = segments_.open(call.name, channel.backing->id);
  if (!fd) return fd.failure();
  const pid_t before = lease.holder.pid;
  registry_.pass_on(call.name, call.role, client, now);
  segments_.note_holder(fd->get(), call.role, client.pid);
  const bool watched = liveness_.watch(call.name, fd->get());
  if (before != client.pid) {  // a forked child
    doorbells_.ring(call.name, other(call.role));  // its parent may have been about to
    tell(EventKind::leased, channel, call.role, client.pid, [&] {
      return "process " + std::to_string(client.pid) + " goes on as the " + to_string(call.role) + " of " + call.name +
             " in place of process " + std::to_string(before);
    });
  }
  return Grant{.lease = lease.id,
               .params = channel.spec.params,
               .segment = {.fd = std::move(*fd), .lock = {}},
               .resumed = true,
               .watched = watched};
}

Result<Grant> Broker::grant(const Channel& channel, Role role, const SegmentId& id, const Client& client, TimePoint now) {
  const std::string& name = channel.spec.name;
  ZIPC_TEST_POINT("grant.before-lock");
  auto segment = segments_.lease(name, id, role);
  if (!segment) return segment.failure();
  const SegmentLook& look = segment->look;
  ZIPC_TEST_POINT("grant.after-lock");
  if (!channel.used) segments_.note_first_use(*segment, look);
  segments_.note_lent(*segment, look);
  segments_.note_holder(segment->fd.get(), role, client.pid);
  const bool watched = liveness_.watch(name, segment->fd.get());
  ZIPC_TEST_POINT("grant.before-registry");
  const LeaseId lease = registry_.grant(name, role, client, now);
  if (role == Role::sender) registry_.set_sent_before(name, look.info ? std::optional(look.stats.sent) : std::nullopt);
  ZIPC_TEST_POINT("grant.after-registry");
  compare_queue(channel, look);
  tell(EventKind::leased, channel, role, client.pid, [&] {
    return "process " + std::to_string(client.pid) + " of user " + std::to_string(client.uid) + " is the " +
           to_string(role) + " of " + name;
  });
  if (log::is_on(log::Level::debug)) {
    log::debug(name + ": process " + std::to_string(client.pid) + " of user " + std::to_string(client.uid) + " is " +
               to_string(role));
  }
  return Grant{.lease = lease, .params = channel.spec.params, .segment = std::move(*segment), .watched = watched};
}

/// The channel's segment as it is now; made anew if its file has gone from under us.
Result<SegmentLook> Broker::memory_of(const Channel& channel, const Client& client, TimePoint now) {
  auto look = segments_.look(channel.spec.name);
  if (look && channel.backing && look->id == channel.backing->id) return look;
  const bool is_gone = look || look.error() == Error::channel_not_found;
  if (channel.backing && !is_gone) return look;
  return replace_memory(channel, client, now);
}

Result<SegmentLook> Broker::replace_memory(const Channel& channel, const Client& client, TimePoint now) {
  const std::string name = channel.spec.name;
  for (const Role role : {Role::sender, Role::receiver}) {  // without the file nobody can look at the locks
    const auto& lease = channel.lease(role);
    if (!lease || lease->holder.pid == client.pid || process_is_gone(lease->holder.pid)) continue;
    Failure taken = role_taken(name, role, lease->holder.pid);
    taken.message += ", in a segment whose file was removed; end it, or remove the channel by force";
    return taken;
  }
  const auto made = make_segment(channel.spec, true, client);
  if (!made) {
    if (!channel.backing) registry_.note_no_memory(name, made.failure().message);
    return made.failure();
  }
  if (channel.backing) {
    log::warning("the segment of channel " + name + " was removed by somebody else, and is made anew");
  } else {
    log::info("channel " + name + " has memory now");
  }
  liveness_.unwatch(name);
  drop_doorbells(name);
  ChannelSpec spec = channel.spec;
  spec.permissions = made->permissions;
  registry_.configure(spec, now);
  registry_.set_backing(name, made->backing, now);
  return segments_.look(name);
}

ChannelInfo Broker::describe(const Channel& channel, TimePoint now) {
  const auto look = settle(channel, now);
  const ChannelSpec& spec = channel.spec;
  const bool can_count = look && look->info && !look->info->existing_peer_seen;  // existing peers count nothing
  ChannelInfo info{.name = spec.name,
                   .params = spec.params,
                   .provisioned = spec.provisioned,
                   .mode = spec.permissions.mode,
                   .owner_uid = spec.permissions.owner,
                   .group_gid = spec.permissions.group,
                   .linger_ms = spec.linger == kLingerForever ? -1 : spec.linger.count(),
                   .bytes = channel.backing ? segment_size(spec.params) : 0,
                   .generation = channel.backing ? 1u : 0u,
                   .draining = channel.draining,
                   .existing_peer = channel.existing_peer,
                   .lease_ttl_ms = spec.lease_ttl ? spec.lease_ttl->count() : -1,
                   .waiting = spec.waiting,
                   .no_memory = channel.no_memory,
                   .foreign = channel.backing && !channel.backing->ours,
                   .retired = static_cast<std::uint32_t>(channel.formers.size()),
                   .sender = zipc::describe(channel.lease(Role::sender), now),
                   .receiver = zipc::describe(channel.lease(Role::receiver), now),
                   .sent_before = can_count ? channel.sent_before : std::nullopt};
  if (const auto deadline = channel.reap_at())
    info.reaped_in_ms = std::max<std::int64_t>(0, milliseconds(*deadline - now));
  if (!look || !look->info) return info;
  info.generation = look->info->creator.generation;
  info.sent = look->stats.sent;
  info.bytes_sent = look->stats.bytes_sent;
  info.received = look->stats.received;
  info.full = look->stats.full;
  info.depth = look->stats.depth;
  info.deepest = std::max(look->stats.deepest, look->stats.depth);  // the receiver notes it only when it has run out
  info.largest = look->stats.largest;
  for (const Role role : {Role::sender, Role::receiver}) {
    auto& holder = role == Role::sender ? info.sender : info.receiver;
    const std::int64_t idle = idle_ms(channel, role, role == Role::sender ? info.sent : info.received, now);
    if (!holder) continue;
    holder->idle_ms = idle;
    const std::uint32_t stamp = look->waiting[index_of(role)];
    if (stamp == 0 || holder->behind) continue;
    holder->asleep_ms = (stamp & kByDoorbell) != 0 ? std::max<std::int64_t>(0, idle) : asleep_since(stamp).count();
  }
  return info;
}

}  // namespace zipc
