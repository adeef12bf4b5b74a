/// Which channels there are, who holds which role of them, and which are to go when.
///
/// A state machine without I/O, threads or a clock: time arrives as an argument, and what follows from a change (a file
/// to make, to remove) is the caller's to do. So every test is deterministic. Only the broker's one thread calls it.
///
/// The functions come in two kinds. Questions are const and return Results: conditions that a client can bring about.
/// Changes return nothing that can fail: that the channel exists or the role is free is the caller's promise, and
/// asserted.
///
/// *Invariants*, checked by check_invariants() after every step of registry_model_test:
///   1. A role of a channel has at most one lease. A lease stands in exactly one role of one channel, and the index of
///      leases names exactly that place.
///   2. A lease's number is never given twice.
///   3. A channel is on the schedule if and only if it is not provisioned, has been used, is not in use, lingers for a
///      finite time, and is not draining with messages in it; and then at the end of its use plus its linger.
///   4. bytes() is the sum of segment_size() over all channels, and of what their former memory takes.
///   5. A channel that is leased has been used.
///   6. A lease that has ended is remembered, kEndedMax of them at most, fenced ones for longest, and none of those is held.
///   7. A lease has an expiry if and only if its channel has a lease_ttl, and the index of expiries names exactly the
///      leases that have one.
///   8. A channel that is draining is not provisioned, and has been used.
///   9. Who is behind is so in a former memory of the channel.
///   10. without_memory() is the number of channels that have no backing.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/segment.h"
#include "daemon/policy.h"

namespace zipc {

using TimePoint = std::chrono::steady_clock::time_point;

enum class LeaseId : std::uint64_t {};

/// A process's right to one role of one channel.
struct Lease {
  LeaseId id{};
  Client holder;
  TimePoint since;
  std::optional<TimePoint> expires = {};  ///< lease_ttl after it was granted or last renewed; nullopt: never
  /// The generation whose memory the holder still uses; nullopt: the present one.
  std::optional<std::uint32_t> behind = {};
};

/// Which file holds a channel's memory.
struct Backing {
  SegmentId id;
  bool ours = false;  ///< this broker made it, now or in an earlier life: only then may it be removed

  friend bool operator==(const Backing&, const Backing&) = default;
};

/// Memory that a channel has left, and that somebody still has open.
struct Former {
  std::uint32_t generation = 0;
  SegmentId id;
  std::uint64_t bytes = 0;
};

/// What a channel is doing. Never stored: it follows from the fields of Channel.
enum class ChannelState {
  unused,     ///< nobody has held a role of it since it was made, or the configuration provides it
  in_use,     ///< leased, or an existing peer, which takes no lease, has it open
  lingering,  ///< used, not in use any more, and not provided: reaped when its linger is over, see reap_at()
};

struct Channel {
  ChannelSpec spec;
  std::optional<Backing> backing;  ///< nullopt: its memory could not be made yet
  std::string no_memory;           ///< why there is no backing, as of the last try
  bool used = false;           ///< somebody has held a role of it, or the configuration has dropped it: linger applies
  bool existing_peer = false;  ///< an existing peer, which takes no lease, has it open
  bool draining = false;       ///< the configuration has dropped it: its messages are waited for, unlike others'
  std::uint32_t waiting = 0;   ///< messages found in it when it was last looked at
  std::optional<std::uint64_t> sent_before;  ///< messages sent before its last sender came; nullopt: unknown
  TimePoint idle_since{};      ///< when it was last in use; meaningless while it is
  std::array<std::optional<Lease>, 2> leases;  ///< by index_of()
  std::vector<Former> formers;                 ///< the earliest first

  [[nodiscard]] const std::optional<Lease>& lease(Role role) const noexcept { return leases[index_of(role)]; }
  [[nodiscard]] bool is_leased() const noexcept { return leases[0] || leases[1]; }
  [[nodiscard]] ChannelState state() const noexcept;
  /// When it is to be reaped; nullopt: not as things stand.
  [[nodiscard]] std::optional<TimePoint> reap_at() const noexcept;
};

/// Where a lease stands.
struct LeasePlace {
  std::string name;
  Role role = Role::sender;

  friend bool operator==(const LeasePlace&, const LeasePlace&) = default;
};

/// What a new configuration asks for, compared with what there is.
struct ConfigDiff {
  std::vector<ChannelSpec> added;      ///< no channel of this name
  std::vector<ChannelSpec> changed;    ///< other permissions, linger, lease_ttl or waiting, or it was a dynamic one
  std::vector<ChannelSpec> resized;    ///< other sizes, and maybe the above
  std::vector<std::string> withdrawn;  ///< provisioned so far, and not any more

  [[nodiscard]] bool empty() const noexcept {
    return added.empty() && changed.empty() && resized.empty() && withdrawn.empty();
  }
};

/// A channel that a client wants to be made.
struct NewChannel {
  std::string name;
  std::optional<Params> params;                     ///< nullopt: the defaults
  std::optional<std::chrono::milliseconds> linger;  ///< nullopt: the default
};

class Registry {
 public:
  using Channels = std::map<std::string, Channel, std::less<>>;

  /// How many leases that have ended are remembered, so that a Release that comes after the kernel's word is no error.
  static constexpr std::size_t kEndedMax = 1024;

  /// `policy.channels` are not made: see diff(). Leases are numbered from `first`.
  Registry(Policy policy, LeaseId first);

  // Questions.
  [[nodiscard]] const Policy& policy() const noexcept { return policy_; }
  [[nodiscard]] const Channels& channels() const noexcept { return channels_; }
  [[nodiscard]] const Channel* find(std::string_view name) const;
  [[nodiscard]] std::size_t lease_count() const noexcept { return places_.size(); }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  /// How many channels are there whose memory could not be made.
  [[nodiscard]] std::size_t without_memory() const noexcept { return without_memory_; }
  /// The channels on which `session` was granted a lease that still stands.
  [[nodiscard]] std::vector<std::string> leased_over(SessionId session) const;

  /// The channel that would be made for `client`: Error::channel_exists, invalid_params, permission_denied
  /// (dynamic.allow, dynamic.names), limit_reached (limits.*). The name is valid.
  [[nodiscard]] Result<ChannelSpec> admit(const NewChannel& wanted, const Client& client) const;

  /// Error::limit_reached (limits.*), unless one more channel may be added.
  [[nodiscard]] Result<void> check_limits(const ChannelSpec& spec) const;

  /// Error::permission_denied, params_mismatch, unless `client` may use `channel` with these sizes (nullopt: any).
  [[nodiscard]] Result<void> check_use(const Channel& channel, const Client& client,
                                       const std::optional<Params>& params) const;

  /// Error::channel_not_found; permission_denied: `client` is neither the channel's owner nor privileged.
  [[nodiscard]] Result<void> check_manage(const std::string& name, const Client& client) const;

  /// Error::invalid_params, limit_reached, unless a channel in use may have a second segment with these sizes for a while.
  [[nodiscard]] Result<void> check_resize(const Channel& channel, const Params& params) const;

  /// Error::channel_not_found, permission_denied, channel_provisioned, channel_in_use (unless `force`),
  /// foreign_segment.
  [[nodiscard]] Result<void> check_remove(const std::string& name, bool force, const Client& client) const;

  /// Where the lease stands that `client` wants to give back; nullopt if it has ended already. It is `client`'s if the
  /// same process or the same session got it: Error::lease_not_found.
  [[nodiscard]] Result<std::optional<LeasePlace>> check_release(LeaseId id, const Client& client) const;

  /// Where the lease stands that `client` wants to renew: Error::lease_not_found as for check_release(); fenced if it
  /// has ended, so that the role may be somebody else's.
  [[nodiscard]] Result<LeasePlace> check_renew(LeaseId id, const Client& client) const;

  /// Whether `client` may have the doorbell of `role`: to ring it, or to wait by it. Error::channel_not_found; lease_not_found: nobody has
  /// `role`, or neither it nor (to ring it) the other one is held by `client`, by another process of its user (a forked child goes
  /// on where its parent was), or by one that was there before this broker.
  [[nodiscard]] Result<void> check_doorbell(const std::string& name, Role role, const Client& client, bool to_ring) const;

  /// Whether `client`, who asks to resume a role, may have the lease again: it is the same process, or one of the same
  /// user (a forked child) that outlives the process which got it.
  [[nodiscard]] static bool may_resume(const Lease& lease, const Client& client, bool holder_is_gone) noexcept;

  /// The channels whose time has come, the longest due first.
  [[nodiscard]] std::vector<std::string> due(TimePoint now) const;
  /// Where the leases stand that were not renewed in time, the longest overdue first.
  [[nodiscard]] std::vector<LeasePlace> expired(TimePoint now) const;
  /// When due() or expired() has something next; nullopt: never, as things stand.
  [[nodiscard]] std::optional<TimePoint> next_deadline() const;

  /// What `next` would change about the channels.
  [[nodiscard]] ConfigDiff diff(const Policy& next) const;

  /// What is wrong with the state, in words; empty: nothing.
  [[nodiscard]] std::string check_invariants() const;

  // Changes.
  /// There is no channel of this name. `used`: linger applies from now on.
  const Channel& add(ChannelSpec spec, std::optional<Backing> backing, bool used, TimePoint now);
  /// Ends its leases too.
  void remove(std::string_view name);
  /// Other memory for the channel; ends its leases, for their holders cannot meet anybody there.
  void set_backing(std::string_view name, std::optional<Backing> backing, TimePoint now);
  /// The channel has no backing, because of `why`.
  void note_no_memory(std::string_view name, std::string why);
  /// The role is free.
  LeaseId grant(std::string_view name, Role role, const Client& client, TimePoint now);
  /// `client` takes the place of the lease's holder, and has the whole lease_ttl before it.
  void pass_on(std::string_view name, Role role, const Client& client, TimePoint now);
  /// The role is leased: its holder has the whole lease_ttl before it again.
  void renew(std::string_view name, Role role, TimePoint now);
  /// The role is leased.
  void end(std::string_view name, Role role, TimePoint now);
  /// The channel has other memory. `fenced` loses its lease; the other one is behind, in `former`, until it follows.
  void move(const ChannelSpec& spec, const Backing& backing, const Former& former, std::optional<Role> fenced, TimePoint now);
  /// The role is leased, by a holder that uses the memory of `generation`, a former one.
  void fall_behind(std::string_view name, Role role, std::uint32_t generation);
  /// The role's holder, `client`, uses the channel's present memory now.
  void catch_up(std::string_view name, Role role, const Client& client, TimePoint now);
  void add_former(std::string_view name, const Former& former);
  void drop_former(std::string_view name, std::uint32_t generation);
  /// An ended lease was given back: another Release of it is an error.
  void forget_ended(LeaseId id);
  void set_existing_peer(std::string_view name, bool there, TimePoint now);
  /// So many messages were found waiting in the channel.
  void set_waiting(std::string_view name, std::uint32_t depth, TimePoint now);
  /// So many messages had been sent through the channel when its sender came; nullopt: unknown.
  void set_sent_before(std::string_view name, std::optional<std::uint64_t> sent);
  /// Another specification for a channel that exists, under the same name. If it is provisioned, it drains no longer.
  /// With another lease_ttl every holder has the whole of it before it.
  void configure(const ChannelSpec& spec, TimePoint now);
  /// The configuration provides it no longer: it drains, lingers and goes.
  void withdraw(std::string_view name, TimePoint now);
  /// The rules from now on. The channels stay as they are: see diff().
  void set_policy(Policy policy);

 private:
  struct Ended {
    LeaseId id{};
    pid_t pid = 0;
    SessionId session = SessionId::none;
    bool was_fenced = false;  // its holder may not know
  };

  Channel& at(std::string_view name);
  [[nodiscard]] std::uint64_t channels_of(uid_t owner) const;
  void end_lease(Channel& channel, Role role, bool is_fenced = false);
  void set_expiry(Lease& lease, std::optional<TimePoint> expires);
  void renew_lease(Channel& channel, Role role, TimePoint now);
  /// Makes `change` to the channel, and whatever it does to being idle and to the schedule.
  template <class Change>
  void update(Channel& channel, TimePoint now, Change change);

  Policy policy_;
  Channels channels_;
  std::unordered_map<LeaseId, LeasePlace> places_;        // index: invariant 1
  std::set<std::pair<TimePoint, std::string>> schedule_;  // index: invariant 3
  std::set<std::pair<TimePoint, LeaseId>> expiries_;      // index: invariant 7
  std::uint64_t bytes_ = 0;                               // sum: invariant 4
  std::size_t without_memory_ = 0;                        // count: invariant 10
  std::deque<Ended> ended_;                               // oldest first
  std::uint64_t next_lease_;
};

/// "the sender of /x is process 7", as Error::role_taken with the holder.
[[nodiscard]] Failure role_taken(const std::string& name, Role role, pid_t holder);

}  // namespace zipc
