#include "daemon/registry.h"

#include <algorithm>
#include <cassert>
#include <zipc/layout.hpp>

namespace zipc {
namespace {

Failure limit_reached(const std::string& key, std::uint64_t limit, const std::string& what) {
  const std::string rule = "limits." + key + " is " + std::to_string(limit);
  return {.code = Error::limit_reached, .message = what + ": " + rule, .rule = rule};
}

bool belongs_to(const Client& client, pid_t pid, SessionId session) noexcept {
  return (pid != 0 && pid == client.pid) || (session != SessionId::none && session == client.session);
}

Failure not_found(const std::string& name) { return {Error::channel_not_found, "there is no channel " + name}; }

}  // namespace

Failure role_taken(const std::string& name, Role role, pid_t holder) {
  const std::string who = holder != 0 ? "process " + std::to_string(holder) : "another process";
  return {.code = Error::role_taken,
          .message = "the " + std::string(to_string(role)) + " of channel " + name + " is " + who,
          .holder_pid = holder};
}

ChannelState Channel::state() const noexcept {
  if (is_leased() || existing_peer) return ChannelState::in_use;
  return used && !spec.provisioned ? ChannelState::lingering : ChannelState::unused;
}

std::optional<TimePoint> Channel::reap_at() const noexcept {
  if (state() != ChannelState::lingering || spec.linger == kLingerForever) return std::nullopt;
  if (draining && waiting != 0) return std::nullopt;
  return idle_since + spec.linger;
}

Registry::Registry(Policy policy, LeaseId first)
    : policy_(std::move(policy)), next_lease_(static_cast<std::uint64_t>(first)) {}

// Questions.

const Channel* Registry::find(std::string_view name) const {
  const auto found = channels_.find(name);
  return found == channels_.end() ? nullptr : &found->second;
}

std::vector<std::string> Registry::leased_over(SessionId session) const {
  std::vector<std::string> names;
  for (const auto& [name, channel] : channels_) {
    const auto is_its = [&](const auto& lease) { return lease && lease->holder.session == session; };
    if (std::any_of(channel.leases.begin(), channel.leases.end(), is_its)) names.push_back(name);
  }
  return names;
}

Result<ChannelSpec> Registry::admit(const NewChannel& wanted, const Client& client) const {
  if (const Channel* there = find(wanted.name); there != nullptr) {
    return Failure{Error::channel_exists, "channel " + wanted.name + " exists, with " + to_string(there->spec.params)};
  }
  ChannelSpec spec{.name = wanted.name,
                   .params = wanted.params.value_or(policy_.default_params),
                   .permissions = {.mode = policy_.dynamic.access.mode, .owner = client.uid, .group = client.gid},
                   .linger = wanted.linger.value_or(policy_.dynamic.linger),
                   .lease_ttl = policy_.dynamic.lease_ttl,
                   .waiting = policy_.dynamic.waiting};
  if (auto valid = check_params(spec.params); !valid) return valid.failure();
  if (auto allowed = check_dynamic_name(wanted.name, policy_); !allowed) return allowed.failure();
  if (auto fits = check_limits(spec); !fits) return fits.failure();
  return spec;
}

Result<void> Registry::check_limits(const ChannelSpec& spec) const {
  const Limits& limits = policy_.limits;
  const std::uint64_t bytes = segment_size(spec.params);
  if (channels_.size() >= limits.channels) {
    return limit_reached("channels", limits.channels, "there are " + std::to_string(channels_.size()) + " channels");
  }
  if (bytes > limits.bytes_per_channel) {
    return limit_reached("channel_size", limits.bytes_per_channel,
                         spec.name + " takes " + std::to_string(bytes) + " bytes");
  }
  if (bytes > limits.total_bytes || bytes_ > limits.total_bytes - bytes) {
    return limit_reached(
        "total_size", limits.total_bytes,
        std::to_string(bytes_) + " bytes are used, and " + spec.name + " takes " + std::to_string(bytes));
  }
  if (const auto count = channels_of(spec.permissions.owner); count >= limits.channels_per_user) {
    return limit_reached(
        "channels_per_user", limits.channels_per_user,
        "user " + std::to_string(spec.permissions.owner) + " has " + std::to_string(count) + " channels");
  }
  return {};
}

std::uint64_t Registry::channels_of(uid_t owner) const {
  return static_cast<std::uint64_t>(std::count_if(channels_.begin(), channels_.end(), [&](const auto& entry) {
    const ChannelSpec& spec = entry.second.spec;
    return !spec.provisioned && spec.permissions.owner == owner;
  }));
}

Result<void> Registry::check_use(const Channel& channel, const Client& client,
                                 const std::optional<Params>& params) const {
  if (auto allowed = check_access(channel.spec, client, policy_); !allowed) return allowed;
  if (!params || *params == channel.spec.params) return {};
  return Failure{.code = Error::params_mismatch,
                 .message = "channel " + channel.spec.name + " has " + to_string(channel.spec.params) + "; " +
                            to_string(*params) + " was asked for",
                 .expected = channel.spec.params};
}

Result<void> Registry::check_manage(const std::string& name, const Client& client) const {
  const Channel* channel = find(name);
  if (channel == nullptr) return not_found(name);
  const uid_t owner = channel->spec.permissions.owner;
  if (client.uid == owner || is_privileged(client, policy_)) return {};
  return Failure{.code = Error::permission_denied,
                 .message = "channel " + name + " belongs to user " + std::to_string(owner),
                 .rule = "only the owner, the broker's user and root may change or remove a channel"};
}

Result<void> Registry::check_resize(const Channel& channel, const Params& params) const {
  if (auto valid = check_params(params); !valid) return valid;
  const Limits& limits = policy_.limits;
  const std::uint64_t bytes = segment_size(params);
  if (bytes > limits.bytes_per_channel) {
    return limit_reached("channel_size", limits.bytes_per_channel,
                         channel.spec.name + " would take " + std::to_string(bytes) + " bytes");
  }
  if (bytes > limits.total_bytes || bytes_ > limits.total_bytes - bytes) {
    return limit_reached("total_size", limits.total_bytes,
                         std::to_string(bytes_) + " bytes are used, and " + channel.spec.name + " takes " +
                             std::to_string(bytes) + " more until nobody uses its present memory");
  }
  return {};
}

Result<void> Registry::check_remove(const std::string& name, bool force, const Client& client) const {
  if (auto allowed = check_manage(name, client); !allowed) return allowed;
  const Channel* channel = find(name);
  if (channel->spec.provisioned) {
    return Failure{Error::channel_provisioned,
                   "channel " + name + " is provided by " + place_of(channel->spec, policy_)};
  }
  if (channel->state() == ChannelState::in_use && !force) {
    return Failure{Error::channel_in_use, "channel " + name + " is in use"};
  }
  if (channel->backing && !channel->backing->ours) {
    return Failure{Error::foreign_segment,
                   "the segment of " + name + " was not made by this broker, so it does not remove it"};
  }
  return {};
}

Result<std::optional<LeasePlace>> Registry::check_release(LeaseId id, const Client& client) const {
  if (const auto place = places_.find(id); place != places_.end()) {
    const Client& holder = find(place->second.name)->lease(place->second.role)->holder;
    if (belongs_to(client, holder.pid, holder.session)) return std::optional(place->second);
  }
  const auto is_it = [&](const Ended& ended) { return ended.id == id && belongs_to(client, ended.pid, ended.session); };
  if (std::any_of(ended_.begin(), ended_.end(), is_it)) return std::optional<LeasePlace>();
  return Failure{Error::lease_not_found, "process " + std::to_string(client.pid) + " has no lease " +
                                             std::to_string(static_cast<std::uint64_t>(id))};
}

Result<LeasePlace> Registry::check_renew(LeaseId id, const Client& client) const {
  const auto place = check_release(id, client);
  if (!place) return place.failure();
  if (*place) return **place;
  return Failure{Error::fenced, "lease " + std::to_string(static_cast<std::uint64_t>(id)) +
                                    " has ended: its role may be somebody else's by now"};
}

Result<void> Registry::check_doorbell(const std::string& name, Role role, const Client& client, bool to_ring) const {
  const Channel* channel = find(name);
  if (channel == nullptr) return not_found(name);
  const auto is_its = [&](const std::optional<Lease>& lease) {
    return lease && (belongs_to(client, lease->holder.pid, lease->holder.session) || lease->holder.uid == client.uid ||
                     lease->holder.uid == kUnknownUser);
  };
  if (!is_its(channel->lease(role)) && !(to_ring && is_its(channel->lease(other(role))))) {
    const std::string held = to_ring ? "no role" : "not the " + std::string(to_string(role)) + "'s role";
    return Failure{Error::lease_not_found, "process " + std::to_string(client.pid) + " holds " + held + " of " + name};
  }
  if (channel->lease(role)) return {};
  return Failure{Error::lease_not_found, "channel " + name + " has no " + std::string(to_string(role))};
}

bool Registry::may_resume(const Lease& lease, const Client& client, bool holder_is_gone) noexcept {
  const bool same_process = lease.holder.pid != 0 && lease.holder.pid == client.pid;
  // After a restart of the broker nobody knows the user of a holder any more, but the kernel knows that the lock is
  // held.
  const bool same_user = lease.holder.uid == client.uid || lease.holder.uid == kUnknownUser;
  return same_user && (same_process || (holder_is_gone && lease.holder.uid != kUnknownUser));
}

std::vector<std::string> Registry::due(TimePoint now) const {
  std::vector<std::string> names;
  for (const auto& [deadline, name] : schedule_) {
    if (deadline > now) break;
    names.push_back(name);
  }
  return names;
}

std::vector<LeasePlace> Registry::expired(TimePoint now) const {
  std::vector<LeasePlace> places;
  for (const auto& [expiry, lease] : expiries_) {
    if (expiry > now) break;
    places.push_back(places_.at(lease));
  }
  return places;
}

std::optional<TimePoint> Registry::next_deadline() const {
  std::optional<TimePoint> next;
  if (!schedule_.empty()) next = schedule_.begin()->first;
  if (!expiries_.empty()) next = std::min(next.value_or(TimePoint::max()), expiries_.begin()->first);
  return next;
}

ConfigDiff Registry::diff(const Policy& next) const {
  ConfigDiff diff;
  std::set<std::string_view> kept;
  for (const ChannelSpec& spec : next.channels) {
    kept.insert(spec.name);
    const Channel* channel = find(spec.name);
    if (channel == nullptr) {
      diff.added.push_back(spec);
    } else if (channel->spec.params != spec.params) {
      diff.resized.push_back(spec);
    } else if (channel->spec != spec) {
      diff.changed.push_back(spec);
    }
  }
  for (const auto& [name, channel] : channels_) {
    if (channel.spec.provisioned && !kept.contains(name)) diff.withdrawn.push_back(name);
  }
  return diff;
}

// Changes.

Channel& Registry::at(std::string_view name) {
  const auto found = channels_.find(name);
  assert(found != channels_.end());
  return found->second;
}

template <class Change>
void Registry::update(Channel& channel, TimePoint now, Change change) {
  if (const auto deadline = channel.reap_at()) schedule_.erase({*deadline, channel.spec.name});
  const ChannelState before = channel.state();
  change();
  if (before != ChannelState::lingering) channel.idle_since = now;
  if (const auto deadline = channel.reap_at()) schedule_.emplace(*deadline, channel.spec.name);
}

const Channel& Registry::add(ChannelSpec spec, std::optional<Backing> backing, bool used, TimePoint now) {
  const auto [entry, is_new] = channels_.try_emplace(spec.name);
  assert(is_new);
  Channel& channel = entry->second;
  bytes_ += segment_size(spec.params);
  channel.spec = std::move(spec);
  channel.backing = backing;
  if (!backing) ++without_memory_;
  update(channel, now, [&] { channel.used = used; });
  return channel;
}

void Registry::remove(std::string_view name) {
  Channel& channel = at(name);
  if (const auto deadline = channel.reap_at()) schedule_.erase({*deadline, channel.spec.name});
  for (const Role role : kRoles) end_lease(channel, role);
  for (const Former& former : channel.formers) bytes_ -= former.bytes;
  bytes_ -= segment_size(channel.spec.params);
  if (!channel.backing) --without_memory_;
  channels_.erase(channels_.find(name));
}

void Registry::set_backing(std::string_view name, std::optional<Backing> backing, TimePoint now) {
  Channel& channel = at(name);
  update(channel, now, [&] {
    for (const Role role : kRoles) end_lease(channel, role);
    for (const Former& former : channel.formers) bytes_ -= former.bytes;
    channel.formers.clear();
    channel.existing_peer = false;
    channel.waiting = 0;
    if (!channel.backing) --without_memory_;
    if (!backing) ++without_memory_;
    channel.sent_before.reset();
    channel.backing = backing;
    channel.no_memory.clear();
  });
}

void Registry::note_no_memory(std::string_view name, std::string why) {
  Channel& channel = at(name);
  assert(!channel.backing);
  channel.no_memory = std::move(why);
}

LeaseId Registry::grant(std::string_view name, Role role, const Client& client, TimePoint now) {
  Channel& channel = at(name);
  assert(!channel.lease(role));
  const LeaseId id{next_lease_++};
  update(channel, now, [&] {
    channel.leases[index_of(role)] = Lease{.id = id, .holder = client, .since = now};
    channel.used = true;
  });
  places_.emplace(id, LeasePlace{.name = channel.spec.name, .role = role});
  renew_lease(channel, role, now);
  return id;
}

void Registry::pass_on(std::string_view name, Role role, const Client& client, TimePoint now) {
  Channel& channel = at(name);
  assert(channel.lease(role));
  channel.leases[index_of(role)]->holder = client;
  renew_lease(channel, role, now);
}

void Registry::renew(std::string_view name, Role role, TimePoint now) {
  Channel& channel = at(name);
  assert(channel.lease(role));
  renew_lease(channel, role, now);
}

void Registry::renew_lease(Channel& channel, Role role, TimePoint now) {
  if (auto& lease = channel.leases[index_of(role)]) {
    set_expiry(*lease, channel.spec.lease_ttl ? std::optional(now + *channel.spec.lease_ttl) : std::nullopt);
  }
}

void Registry::set_expiry(Lease& lease, std::optional<TimePoint> expires) {
  if (lease.expires) expiries_.erase({*lease.expires, lease.id});
  lease.expires = expires;
  if (lease.expires) expiries_.emplace(*lease.expires, lease.id);
}

void Registry::end(std::string_view name, Role role, TimePoint now) {
  Channel& channel = at(name);
  assert(channel.lease(role));
  update(channel, now, [&] { end_lease(channel, role); });
}

/// The schedule is the caller's business.
void Registry::end_lease(Channel& channel, Role role, bool is_fenced) {
  auto& lease = channel.leases[index_of(role)];
  if (!lease) return;
  places_.erase(lease->id);
  set_expiry(*lease, std::nullopt);
  ended_.push_back({.id = lease->id, .pid = lease->holder.pid, .session = lease->holder.session, .was_fenced = is_fenced});
  if (ended_.size() > kEndedMax) {
    const auto dispensable = std::find_if(ended_.begin(), ended_.end(), [](const Ended& ended) { return !ended.was_fenced; });
    ended_.erase(dispensable != ended_.end() ? dispensable : ended_.begin());
  }
  lease.reset();
}

void Registry::move(const ChannelSpec& spec, const Backing& backing, const Former& former, std::optional<Role> fenced,
                    TimePoint now) {
  add_former(spec.name, former);
  configure(spec, now);
  Channel& channel = at(spec.name);
  update(channel, now, [&] {
    channel.backing = backing;
    if (fenced) end_lease(channel, *fenced, true);
    for (auto& lease : channel.leases) {
      if (lease && !lease->behind) lease->behind = former.generation;
    }
  });
}

void Registry::fall_behind(std::string_view name, Role role, std::uint32_t generation) {
  auto& lease = at(name).leases[index_of(role)];
  assert(lease);
  lease->behind = generation;
}

void Registry::catch_up(std::string_view name, Role role, const Client& client, TimePoint now) {
  pass_on(name, role, client, now);
  at(name).leases[index_of(role)]->behind.reset();
}

void Registry::add_former(std::string_view name, const Former& former) {
  at(name).formers.push_back(former);
  bytes_ += former.bytes;
}

void Registry::drop_former(std::string_view name, std::uint32_t generation) {
  Channel& channel = at(name);
  for (const Former& former : channel.formers) {
    if (former.generation == generation) bytes_ -= former.bytes;
  }
  std::erase_if(channel.formers, [&](const Former& former) { return former.generation == generation; });
}

void Registry::forget_ended(LeaseId id) {
  std::erase_if(ended_, [&](const Ended& ended) { return ended.id == id; });
}

void Registry::set_existing_peer(std::string_view name, bool there, TimePoint now) {
  Channel& channel = at(name);
  update(channel, now, [&] { channel.existing_peer = there; });
}

void Registry::set_waiting(std::string_view name, std::uint32_t depth, TimePoint now) {
  Channel& channel = at(name);
  if (channel.waiting != depth) update(channel, now, [&] { channel.waiting = depth; });
}

void Registry::set_sent_before(std::string_view name, std::optional<std::uint64_t> sent) { at(name).sent_before = sent; }

void Registry::configure(const ChannelSpec& spec, TimePoint now) {
  Channel& channel = at(spec.name);
  const bool has_other_ttl = channel.spec.lease_ttl != spec.lease_ttl;
  update(channel, now, [&] {
    bytes_ += segment_size(spec.params) - segment_size(channel.spec.params);
    channel.spec = spec;
    if (spec.provisioned) channel.draining = false;
  });
  if (!has_other_ttl) return;
  for (const Role role : kRoles) renew_lease(channel, role, now);
}

void Registry::withdraw(std::string_view name, TimePoint now) {
  Channel& channel = at(name);
  update(channel, now, [&] {
    channel.spec.provisioned = false;
    channel.spec.line = 0;
    channel.used = true;
    channel.draining = true;
  });
}

void Registry::set_policy(Policy policy) { policy_ = std::move(policy); }

// The check of all that.

std::string Registry::check_invariants() const {
  std::uint64_t bytes = 0;
  std::size_t leases = 0;
  std::size_t expiring = 0;
  std::size_t scheduled = 0;
  std::size_t without_memory = 0;
  for (const auto& [name, channel] : channels_) {
    if (name != channel.spec.name) return name + " is filed under another name";
    bytes += segment_size(channel.spec.params);
    if (!channel.backing) ++without_memory;
    for (const Former& former : channel.formers) bytes += former.bytes;
    const auto is_former = [&](std::uint32_t generation) {
      return std::any_of(channel.formers.begin(), channel.formers.end(),
                         [&](const Former& former) { return former.generation == generation; });
    };
    for (const Role role : kRoles) {
      const auto& lease = channel.lease(role);
      if (!lease) continue;
      if (lease->behind && !is_former(*lease->behind)) return "a lease of " + name + " is behind in no former memory";
      ++leases;
      const auto place = places_.find(lease->id);
      if (place == places_.end() || place->second != LeasePlace{name, role})
        return "a lease of " + name + " is not in the index";
      if (lease->expires.has_value() != channel.spec.lease_ttl.has_value())
        return "a lease of " + name + " expires although it should not, or does not";
      if (lease->expires && !expiries_.contains({*lease->expires, lease->id}))
        return "a lease of " + name + " is not in the index of expiries";
      if (lease->expires) ++expiring;
      if (static_cast<std::uint64_t>(lease->id) >= next_lease_) return "a lease of " + name + " has a number to come";
    }
    if (channel.is_leased() && !channel.used) return name + " is leased but counts as never used";
    if (channel.draining && (channel.spec.provisioned || !channel.used))
      return name + " is draining although it is provided, or was never used";
    if (const auto deadline = channel.reap_at()) {
      ++scheduled;
      if (!schedule_.contains({*deadline, name})) return name + " is not on the schedule";
    }
  }
  if (leases != places_.size()) return "the index of leases names places that have none";
  if (expiring != expiries_.size()) return "the index of expiries names leases that do not expire";
  if (scheduled != schedule_.size()) return "the schedule names channels that are not to be reaped";
  if (without_memory != without_memory_) return "the channels without memory do not add up";
  if (bytes != bytes_) return "the bytes do not add up";
  if (ended_.size() > kEndedMax) return "too many ended leases are remembered";
  const auto is_held = [&](const Ended& ended) { return places_.contains(ended.id); };
  if (std::any_of(ended_.begin(), ended_.end(), is_held)) return "a lease that has ended is held";
  return {};
}

}  // namespace zipc
