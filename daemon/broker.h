/// What zipcd does about channels: the registry's decisions, carried out on segments and locks.
///
/// Requests come in from the sessions, prompts from Liveness and from the clock; every one is handled to its end before
/// the next. Nothing waits here, and nothing reads a message.
///
/// The registry remembers who holds what, the kernel knows it: wherever a lease stands in the way of a request, its
/// lock is looked at first, and a lease without a lock ends on the spot. So a role is free as soon as its holder has
/// gone, whether or not the prompt has come.
///
/// *Thread safety.* One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/protocol.h"
#include "daemon/doorbells.h"
#include "daemon/events.h"
#include "daemon/liveness.h"
#include "daemon/move.h"
#include "daemon/processes.h"
#include "daemon/refusals.h"
#include "daemon/registry.h"
#include "daemon/segments.h"

namespace zipc {

/// Longest linger that a client may ask for; the configuration has the same limit.
inline constexpr std::chrono::hours kLingerMax{1000};

/// A role handed out: to be passed to the client, and then closed here.
struct Grant {
  LeaseId lease{};
  Params params;
  std::uint32_t generation = 1;
  LeasedSegment segment;
  bool resumed = false;  ///< the client held the role already; `segment` carries no lock
  Waiting waiting = Waiting::adaptive;
  bool watched = false;  ///< its end is noticed without a Release
};

/// The number of the broker of user `uid` at the socket `path`, which is absolute. Not 0.
[[nodiscard]] std::uint32_t broker_id_of(uid_t uid, const std::string& path) noexcept;

class Broker {
 public:
  /// `liveness` outlives the broker, and prompts look_at(); so do `events`, which prompts look_at_queues(), and
  /// `processes`. Leases are numbered from `first`.
  Broker(std::uint32_t broker_id, Policy policy, LeaseId first, Liveness& liveness, Events& events,
         Processes& processes);

  /// Takes up what an earlier broker of this number has left, and makes what the policy asks for.
  void start(TimePoint now);

  // Requests. The failures are those that io.zipc.Broker.varlink documents.
  [[nodiscard]] Result<Grant> acquire(const protocol::AcquireCall& call, const Client& client, TimePoint now);
  [[nodiscard]] Result<void> release(LeaseId lease, const Client& client, TimePoint now);
  /// Extends a lease by all of its channel's lease_ttl. Returns how many milliseconds it lasts now; -1: as long as its
  /// holder.
  [[nodiscard]] Result<std::int64_t> renew(LeaseId lease, const Client& client, TimePoint now);
  /// The doorbell of a role, for who holds a role of the same channel.
  [[nodiscard]] Result<Doorbell> doorbell(const protocol::DoorbellCall& call, const Client& client, TimePoint now);
  [[nodiscard]] Result<ChannelInfo> create(const protocol::CreateCall& call, const Client& client, TimePoint now);
  [[nodiscard]] Result<void> remove(const protocol::RemoveCall& call, const Client& client, TimePoint now);
  [[nodiscard]] Result<ChannelInfo> get(const std::string& name, const Client& client, TimePoint now);
  [[nodiscard]] std::vector<ChannelInfo> list(const Client& client, TimePoint now);
  /// What is not as the registry says, in the shared memory, at the locks, or in the registry itself. `repair`: mends
  /// it where nobody is the worse for it.
  [[nodiscard]] Result<std::vector<Finding>> check(bool repair, const Client& client, TimePoint now);

  /// Takes `role` away from its holder, and moves the channel to other memory.
  [[nodiscard]] Result<ChannelInfo> revoke(const protocol::RevokeCall& call, const Client& client, TimePoint now);
  /// Moves the channel to memory of other sizes.
  [[nodiscard]] Result<ChannelInfo> resize(const protocol::ResizeCall& call, const Client& client, TimePoint now);
  /// What `next` would change, and whether it can be done as things stand.
  [[nodiscard]] Result<std::vector<PlanStep>> plan(const Policy& next, const Client& client);
  /// Other rules, and the channels that they ask for: all of it, or nothing.
  [[nodiscard]] Result<std::vector<PlanStep>> apply(Policy next, const Client& client, TimePoint now);

  // Prompts.
  /// Ends the leases whose locks are gone of the channel that has `file`, or had it. Returns whether anybody is still
  /// there.
  bool look_at(const std::string& file, TimePoint now);
  /// A connection has ended, or descriptors did not get through: looks at the leases that were granted over it.
  /// Returns whether any still stands.
  bool hang_up(SessionId session, TimePoint now);
  /// Looks at the channels that are leased, for what nobody else reports: that one is full, or drained. `is_first`:
  /// what was seen before is too old to compare with.
  void look_at_queues(bool is_first, TimePoint now);
  /// Takes roles away whose leases were not renewed in time, and removes the channels whose time has come.
  void reap(TimePoint now);
  /// When reap() has something to do next.
  [[nodiscard]] std::optional<TimePoint> next_deadline() const { return registry_.next_deadline(); }

  /// The broker ends. Removes what nobody needs: segments of ours, empty, that nobody has open. The rest waits for the
  /// next.
  void stop(TimePoint now);

  [[nodiscard]] const Registry& registry() const noexcept { return registry_; }
  [[nodiscard]] std::size_t doorbell_descriptors() const noexcept { return doorbells_.descriptors(); }

 private:
  const Channel* find(const std::string& name, TimePoint now);
  /// `for_lease`: somebody is about to have its first lease, so that it lingers and goes should nobody live to.
  Result<void> make_channel(const NewChannel& wanted, bool for_lease, const Client& client, TimePoint now);
  Result<MadeSegment> make_segment(const ChannelSpec& spec, bool for_lease, const Client& client) const;
  Result<void> make_wanted(const protocol::AcquireCall& call, const Client& client, TimePoint now);
  Result<Grant> take_role(const protocol::AcquireCall& call, const Client& client, TimePoint now);
  Result<Grant> resume(const Channel& channel, const protocol::AcquireCall& call, const Client& client, TimePoint now);
  /// Error::busy: somebody has the lock.
  Result<Grant> grant(const Channel& channel, Role role, const SegmentId& id, const Client& client, TimePoint now);
  Result<SegmentLook> memory_of(const Channel& channel, const Client& client, TimePoint now);
  Result<SegmentLook> replace_memory(const Channel& channel, const Client& client, TimePoint now);
  [[nodiscard]] ChannelInfo describe(const Channel& channel, TimePoint now);

  std::optional<SegmentLook> settle(const Channel& channel, TimePoint now);
  /// The lock of `role` has gone. `look`: the channel's segment, if it is still there.
  void end(const std::string& name, Role role, const SegmentLook* look, TimePoint now);
  void forget(const std::string& name);
  /// The leases of the channel end, or have ended.
  void drop_doorbells(const std::string& name) noexcept;
  /// Takes up the channel that an earlier broker had in the file that `look`, `ours`, shows. Errors as check_adoption().
  Result<void> adopt(const std::string& name, const SegmentLook& look, TimePoint now);
  /// Error::foreign_segment, corrupt, limit_reached: what the file that `look` shows says of itself, its owner may have made up.
  [[nodiscard]] Result<void> check_adoption(const ChannelSpec& spec, const SegmentLook& look) const;
  /// A segment that was made without a broker, and that an earlier life of this one has lent: taken up if it is in use.
  void take_up_lent(const std::string& name, const SegmentLook& look, TimePoint now);
  void adopt_holder(const std::string& name, Role role, const SegmentLook& look, TimePoint now);
  /// Notices who is there without a lease of this broker. True: somebody.
  bool notice_others(const std::string& name, const SegmentLook& look, TimePoint now);
  /// Notices how many messages wait in the channel, which `look` shows.
  void note_waiting(const std::string& name, const SegmentLook& look, TimePoint now);
  void reap_one(const std::string& name, TimePoint now);
  /// The channels that `policy` asks for, as far as they can be had.
  void provide(const Policy& policy, TimePoint now);
  void withdraw(const std::string& name, TimePoint now);
  /// nullopt: without memory, because of `why`.
  void add_provisioned(const ChannelSpec& spec, const std::optional<MadeSegment>& made, const std::string& why,
                       TimePoint now);
  void change(const ChannelSpec& spec, TimePoint now);

  // Generations of memory.
  /// Whether the lease of `role` still stands, in whatever memory. `look`: the channel's segment, if it is still there.
  bool is_held_still(const Channel& channel, Role role, const SegmentLook* look, TimePoint now);
  /// For a holder who is behind, or says so.
  Result<Grant> catch_up(const Channel& channel, const protocol::AcquireCall& call, const SegmentLook& look,
                         const Client& client, TimePoint now);
  Result<void> move(const ChannelSpec& next, std::optional<Role> fenced, TimePoint now);
  /// After the commit.
  void note_move(const Move& move, TimePoint now);
  /// Tells the holder of `role`, which it loses, in the memory of before an earlier move, which it has not followed yet.
  void fence_behind(const Channel& channel, Role role);
  /// Removes the former memory of the channel that nobody has open.
  void settle_formers(const Channel& channel);
  /// What an earlier broker has left of moves, finished or not.
  void take_up_formers(TimePoint now);
  /// Whether `look` is of a file that a broker which was killed had begun to make.
  [[nodiscard]] bool is_begun(const FormerName& former, const SegmentLook& look) const;
  void take_up_former(const FormerName& name, const SegmentLook& look, TimePoint now);
  void end_unfinished_move(const std::string& name, const SegmentLook& look);
  /// Tells the peer of `role`, whose holder has died, and how as soon as that is known.
  void tell_peer(const Channel& channel, Role role);
  /// Why the segment of `channel` cannot be removed; empty: it can.
  [[nodiscard]] std::string kept_because(const Channel& channel, const SegmentLook& look) const;
  /// The role is leased, and its holder has not renewed the lease in time.
  void expire(const std::string& name, Role role, TimePoint now);

  /// Tells who watches. `sentence()` makes the message, and is called only if somebody does. `pid` 0: unknown.
  template <class Sentence>
  void tell(EventKind kind, const Channel& channel, std::optional<Role> role, pid_t pid, Sentence sentence) {
    if (!events_.is_watched()) return;
    events_.publish({.kind = std::string(to_string(kind)),
                     .channel = channel.spec.name,
                     .role = role,
                     .pid = pid,
                     .message = sentence()},
                    channel.spec, registry_.policy());
  }
  template <class Sentence>
  void tell(EventKind kind, const Channel& channel, Sentence sentence) {
    tell(kind, channel, std::nullopt, 0, sentence);
  }
  /// Tells that the lease of `role`, which is about to end, does, and why.
  void tell_end(const Channel& channel, Role role, const SegmentLook* look);
  /// Tells how the queue has changed since the last time, while somebody watches.
  void compare_queue(const Channel& channel, const SegmentLook& look);

  /// A queue as it was seen last.
  struct QueueSeen {
    SegmentId id;
    std::uint64_t full = 0;
    std::uint32_t depth = 0;
  };
  /// A counter that grows when a side moves, as it was seen last.
  struct Progress {
    std::uint64_t count = 0;
    TimePoint since{};
  };
  /// For how long at least the counter of `role` has stood still; -1: not known yet.
  std::int64_t idle_ms(const Channel& channel, Role role, std::uint64_t count, TimePoint now);

  struct Check;
  void check_channel(const Channel& channel, Check& check);
  void check_file(const Channel& channel, const SegmentLook& look, Check& check);
  void check_locks(const Channel& channel, const SegmentLook& look, Check& check);
  void check_orphans(Check& check);
  void check_formers(Check& check);
  void check_registry(Check& check) const;
  /// False: somebody holds a role, or it cannot be made.
  bool make_memory_anew(const Channel& channel, const Check& check);

  Segments segments_;
  Registry registry_;
  Liveness& liveness_;
  Events& events_;
  Processes& processes_;
  Refusals refusals_;    ///< of channels
  Doorbells doorbells_;  ///< of roles that are leased
  std::map<std::string, std::array<std::optional<Progress>, 2>> progress_;  ///< of channels that exist
  std::map<std::string, QueueSeen> queues_seen_;  ///< of channels that exist; out of date while nobody watches
};

}  // namespace zipc
