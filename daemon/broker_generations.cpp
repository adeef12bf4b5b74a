// What the broker does about the generations of a channel's memory: move.h.
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "common/test_point.h"
#include "daemon/broker.h"
#include "daemon/log.h"
#include "daemon/peer.h"

namespace zipc {
namespace {

std::string file_of(const std::string& channel, std::uint32_t generation) {
  return to_string(FormerName{.channel = channel, .generation = generation});
}

std::uint32_t notice_of(const ProcessEnd& end) {
  const auto number = static_cast<std::uint32_t>(end.number) & kNoticeNumberMask;
  return kNoticeDied | kNoticeCause | (end.by_signal ? kNoticeSignal : 0u) | number << kNoticeNumberShift;
}

}  // namespace

Result<ChannelInfo> Broker::revoke(const protocol::RevokeCall& call, const Client& client, TimePoint now) {
  const Channel* channel = find(call.name, now);
  if (channel != nullptr) settle(*channel, now);
  if (auto allowed = registry_.check_manage(call.name, client); !allowed) return allowed.failure();
  const auto& lease = channel->lease(call.role);
  if (!lease) {
    return Failure{Error::lease_not_found, "channel " + call.name + " has no " + std::string(to_string(call.role))};
  }
  log::info("channel " + call.name + ": user " + std::to_string(client.uid) + " revokes the lease of the " +
            to_string(call.role) + ", process " + std::to_string(lease->holder.pid));
  if (auto moved = move(channel->spec, call.role, now); !moved) return moved.failure();
  return describe(*channel, now);
}

Result<ChannelInfo> Broker::resize(const protocol::ResizeCall& call, const Client& client, TimePoint now) {
  const Channel* channel = find(call.name, now);
  if (auto allowed = registry_.check_manage(call.name, client); !allowed) return allowed.failure();
  if (auto fits = registry_.check_resize(*channel, call.params); !fits) return fits.failure();
  settle(*channel, now);
  ChannelSpec next = channel->spec;
  next.params = call.params;
  if (next.params == channel->spec.params) return describe(*channel, now);
  if (auto moved = move(next, std::nullopt, now); !moved) return moved.failure();
  return describe(*channel, now);
}

void Broker::expire(const std::string& name, Role role, TimePoint now) {
  const Channel& channel = *registry_.find(name);
  const pid_t holder = channel.lease(role)->holder.pid;
  log::warning("channel " + name + ": process " + std::to_string(holder) + " has not renewed its lease in time, and is " +
               to_string(role) + " no longer");
  if (auto moved = move(channel.spec, role, now); !moved) {
    log::error("channel " + name + " keeps its " + to_string(role) + ": " + moved.failure().message);
    registry_.renew(name, role, now);  // and tried again then
  }
}

Result<void> Broker::move(const ChannelSpec& next, std::optional<Role> fenced, TimePoint now) {
  auto move = Move::prepare(segments_, *registry_.find(next.name), next, fenced);
  if (!move) return move.failure();
  if (auto frozen = move->freeze(); !frozen) return frozen;
  if (auto done = move->commit(); !done) return done;
  ZIPC_TEST_POINT("move.before-noting");
  note_move(*move, now);
  ZIPC_TEST_POINT("move.after-noting");
  return {};
}

void Broker::note_move(const Move& move, TimePoint now) {
  const std::string& name = move.next().name;
  const Channel& channel = *registry_.find(name);
  const Params before = channel.spec.params;
  const auto left = segments_.look(move.file());
  liveness_.unwatch(name);
  if (left) liveness_.watch_holder(move.file(), left->fd.get());
  if (move.fenced()) {
    const auto& lease = channel.lease(*move.fenced());
    if (lease->behind) fence_behind(channel, *move.fenced());
    tell(EventKind::fenced, channel, *move.fenced(), lease->holder.pid, [&] {
      return "process " + std::to_string(lease->holder.pid) + " is the " + to_string(*move.fenced()) + " of " + name +
             " no longer: its lease was revoked, or not renewed in time";
    });
  }
  registry_.move(move.next(), move.backing(), move.former(), move.fenced(), now);
  if (move.fenced()) doorbells_.drop(name, *move.fenced());
  for (const Role role : kRoles) doorbells_.ring(name, role);
  const std::string carried = std::to_string(move.messages()) + (move.messages() == 1 ? " message" : " messages");
  log::info("channel " + name + " has other memory, with " + to_string(channel.spec.params) + "; " + carried +
            " carried over");
  if (before != channel.spec.params) {
    tell(EventKind::resized, channel, [&] {
      return "channel " + name + " has " + to_string(channel.spec.params) + " now, instead of " + to_string(before) +
             "; " + carried + " carried over";
    });
  }
  settle(channel, now);
}

void Broker::fence_behind(const Channel& channel, Role role) {
  const std::string file = file_of(channel.spec.name, *channel.lease(role)->behind);
  const auto is_there = [&](const Former& former) { return former.generation == *channel.lease(role)->behind; };
  const auto former = std::find_if(channel.formers.begin(), channel.formers.end(), is_there);
  if (former == channel.formers.end()) return;
  const auto fd = segments_.open(file, former->id);
  ZIPC_TEST_POINT("fence-behind.before-notice");
  if (!fd || !add_notice(fd->get(), role, kNoticeMoved | kNoticeFenced)) {
    return log::warning("cannot tell the " + std::string(to_string(role)) + " of " + channel.spec.name +
                        " that it is so no longer");
  }
  ZIPC_TEST_POINT("fence-behind.after-notice");
  wake(fd->get(), role);
}

bool Broker::is_held_still(const Channel& channel, Role role, const SegmentLook* look, TimePoint now) {
  const std::string& name = channel.spec.name;
  const Lease& lease = *channel.lease(role);
  if (!lease.behind) return look != nullptr ? is_held(*look, name, role) : !process_is_gone(lease.holder.pid);
  if (look != nullptr && is_held(*look, name, role)) {  // it has followed without asking us
    registry_.catch_up(name, role, lease.holder, now);
    liveness_.watch_holder(name, look->fd.get());
    return true;
  }
  const auto left = segments_.look(file_of(name, *lease.behind));
  return left && is_held(*left, name, role);
}

Result<Grant> Broker::catch_up(const Channel& channel, const protocol::AcquireCall& call, const SegmentLook& look,
                               const Client& client, TimePoint now) {
  const Lease& lease = *channel.lease(call.role);
  if (!call.resume || !Registry::may_resume(lease, client, process_is_gone(lease.holder.pid))) {
    return role_taken(call.name, call.role, lease.holder.pid);
  }
  auto segment = segments_.lease(call.name, look.id, call.role);
  if (!segment) return segment.failure();
  if (!Segments::expect(*segment, call.role)) log::debug("cannot write to the header of " + call.name);
  ZIPC_TEST_POINT("catch-up.after-lock");
  segments_.note_holder(segment->fd.get(), call.role, client.pid);
  const bool watched = liveness_.watch(call.name, segment->fd.get());
  registry_.catch_up(call.name, call.role, client, now);
  ZIPC_TEST_POINT("catch-up.after-registry");
  return Grant{.lease = lease.id,
               .params = channel.spec.params,
               .generation = look.info ? look.info->creator.generation : 1,
               .segment = std::move(*segment),
               .watched = watched};
}

void Broker::settle_formers(const Channel& channel) {
  const std::string name = channel.spec.name;
  const auto formers = channel.formers;  // a copy, for they are dropped from it
  for (const Former& former : formers) {
    const std::string file = file_of(name, former.generation);
    const auto look = segments_.look(file);
    if (!look && look.error() != Error::channel_not_found) continue;  // we know nothing new
    const bool is_there = look && look->id == former.id;
    if (is_there && (is_held(*look, name, Role::sender) || is_held(*look, name, Role::receiver))) continue;
    if (is_there) {
      ZIPC_TEST_POINT("formers.before-removing");
      if (const auto removed = segments_.remove(file, former.id); !removed) log::warning(removed.failure().message);
    }
    ZIPC_TEST_POINT("formers.after-removing");
    liveness_.unwatch(file);
    registry_.drop_former(name, former.generation);
  }
}

bool Broker::is_begun(const FormerName& former, const SegmentLook& look) const {
  return !look.info && registry_.find(former.channel) != nullptr && !is_open_elsewhere(look);
}

void Broker::take_up_formers(TimePoint now) {
  for (const FormerName& former : platform::former_names()) {
    const auto look = segments_.look(to_string(former));
    if (!look) continue;
    if (look->ours) take_up_former(former, *look, now);
    // Or what a broker that was killed had begun to make for a channel of ours.
    if (is_begun(former, *look)) static_cast<void>(segments_.discard(to_string(former), look->id, geteuid()));
  }
}

void Broker::take_up_former(const FormerName& former, const SegmentLook& look, TimePoint now) {
  const std::string file = to_string(former);
  const Channel* channel = registry_.find(former.channel);
  // The memory that a move had made, and did not live to give the channel, is of a later generation than its name says.
  const bool is_left = channel != nullptr && look.info->creator.generation == former.generation;
  ZIPC_TEST_POINT("take-up.before");
  if (const auto present = segments_.look(former.channel); is_left && present) {
    const auto usable = segments_.check_maker(look, file, present->owner);
    if (!usable) return log::warning(usable.failure().message);
  }
  if (!is_left) {
    ZIPC_TEST_POINT("take-up.before-removing");
    if (const auto removed = segments_.remove(file, look.id); !removed) log::warning(removed.failure().message);
    return;
  }
  const auto fd = segments_.open(file, look.id);  // maybe it did not live to say so, or to wake who sleeps
  for (const Role role : kRoles) {
    if (!fd || !add_notice(fd->get(), role, kNoticeMoved, kNoticeMoving)) {
      log::warning("cannot tell the " + std::string(to_string(role)) + " of " + former.channel + " that it has moved");
      continue;
    }
    ZIPC_TEST_POINT("take-up.after-notice");
    wake(fd->get(), role);
  }
  ZIPC_TEST_POINT("take-up.after-notices");
  registry_.add_former(former.channel, {.generation = former.generation,
                                        .id = look.id,
                                        .bytes = std::min(segment_size(look.info->params), look.allocated)});
  liveness_.watch_holder(file, look.fd.get());
  for (const Role role : kRoles) {
    const bool is_fenced = (look.notices[index_of(role)] & kNoticeFenced) != 0;
    if (channel->lease(role) || is_fenced) continue;
    if (!is_held(look, former.channel, role)) {
      if (look.features[index_of(role)] != 0) {  // it died while no broker was there, before it had followed
        segments_.tell_of_departure(former.channel, channel->backing->id, role, kNoticePeerGone | kNoticeDied);
      }
      continue;
    }
    Client holder;
    holder.pid = role == Role::sender ? look.info->sender_pid : look.info->receiver_pid;
    registry_.grant(former.channel, role, holder, now);
    registry_.fall_behind(former.channel, role, former.generation);
    ZIPC_TEST_POINT("take-up.after-lease");
  }
  settle_formers(*channel);
}

void Broker::end_unfinished_move(const std::string& name, const SegmentLook& look) {
  if (((look.notices[0] | look.notices[1]) & kNoticeMoving) == 0) return;
  const auto fd = segments_.open(name, look.id);
  for (const Role role : kRoles) {
    if (!fd || !add_notice(fd->get(), role, 0, kNoticeMoving | kNoticeFenced)) {
      log::warning("cannot tell the " + std::string(to_string(role)) + " of " + name + " that it has not moved");
    }
    ZIPC_TEST_POINT("end-move.after-notice");
  }
}

void Broker::tell_peer(const Channel& channel, Role role) {
  if (!channel.backing) return;
  const std::string name = channel.spec.name;
  const SegmentId id = channel.backing->id;
  segments_.tell_of_departure(name, id, role, kNoticePeerGone | kNoticeDied);
  auto process = channel.lease(role)->holder.process.lock();
  if (!process) return;
  processes_.ask(std::move(process), [this, name, id, role](const std::optional<ProcessEnd>& end) {
    if (!end) return;
    const auto fd = segments_.open(name, id);
    // Unless it has a successor by now, or its peer has been told: then only the cause is added.
    if (fd && !is_locked(fd->get(), name, lock_of(role))) add_notice(fd->get(), other(role), notice_of(*end));
  });
}

std::int64_t Broker::idle_ms(const Channel& channel, Role role, std::uint64_t count, TimePoint now) {
  auto& progress = progress_[channel.spec.name][index_of(role)];
  if (!progress || progress->count != count) {
    const bool is_first = !progress;
    progress = Progress{.count = count, .since = now};
    return is_first ? -1 : 0;
  }
  return std::chrono::duration_cast<std::chrono::milliseconds>(now - progress->since).count();
}

}  // namespace zipc
