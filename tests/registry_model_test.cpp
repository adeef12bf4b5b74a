// Random histories of the registry against a model that is too simple to be wrong: every channel in one list, every
// question answered by walking through it. After each step all invariants hold, and registry and model agree. Now and
// then the broker restarts: another registry is told what shared memory and locks would show.
//
// ZIPC_MODEL_SEED and ZIPC_MODEL_STEPS in the environment replace the random seed and the number of steps.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <zipc/layout.hpp>

#include "daemon/registry.h"

namespace zipc {
namespace {

using namespace std::chrono_literals;

constexpr int kNames = 12;
constexpr int kUsers = 3;
constexpr int kProcesses = 8;
constexpr Params kSizes[] = {{.queue_size = 8, .message_size = 16}, {.queue_size = 16, .message_size = 1000}};

/// What the model knows of a channel. `reap_at` is computed, not kept.
struct ModelChannel {
  std::string name;
  Params params;
  bool provisioned = false;
  bool used = false;
  bool existing_peer = false;
  bool draining = false;
  std::uint32_t waiting = 0;
  uid_t owner = 0;
  std::chrono::milliseconds linger{};
  LeaseTtl lease_ttl;
  TimePoint idle_since{};
  int holder[2] = {0, 0};  // process number; 0: free
  LeaseId lease[2] = {};
  TimePoint renewed[2] = {};  // when the lease was granted, or last renewed
  std::uint32_t generation = 1;
  std::uint32_t behind[2] = {0, 0};                          // the generation that the holder still uses; 0: the present
  std::vector<std::pair<std::uint32_t, Params>> formers{};  // generations that somebody has open, with their sizes

  [[nodiscard]] bool in_use() const { return holder[0] != 0 || holder[1] != 0 || existing_peer; }
  [[nodiscard]] bool reapable() const {
    return !provisioned && used && !in_use() && linger != kLingerForever && !(draining && waiting != 0);
  }
  [[nodiscard]] std::optional<TimePoint> expires(std::size_t role) const {
    if (holder[role] == 0 || !lease_ttl) return std::nullopt;
    return renewed[role] + *lease_ttl;
  }
};

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

/// Process p belongs to user p % kUsers + 1000, and speaks over session p.
Client process(int number) {
  const auto uid = static_cast<uid_t>(1000 + number % kUsers);
  return {
      .pid = number, .uid = uid, .gid = uid, .groups = {}, .session = SessionId{static_cast<std::uint64_t>(number)}};
}

class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed) { registry_.set_policy(policy_); }

  void step() {
    now_ += std::chrono::milliseconds(pick(200));
    switch (pick(18)) {
      case 0:
        return create();
      case 1:
      case 2:
      case 3:
        return acquire();
      case 4:
      case 5:
        return release();
      case 6:
        return die();
      case 7:
        return reap();
      case 8:
        return pick(8) == 0 ? reload() : void();
      case 9:
        return remove();
      case 10:
        return toggle_existing_peer();
      case 11:
        return renew();
      case 12:
        return set_waiting();
      case 13:
        return pick(2) == 0 ? expire() : pick(50) == 0 ? restart() : void();
      case 14:
        return move();
      case 15:
        return catch_up();
      case 16:
        return drop_former();
      default:
        return pass_on_or_replace();
    }
  }

  void check() {
    ASSERT_EQ(registry_.check_invariants(), "");
    ASSERT_EQ(registry_.channels().size(), model_.size());
    std::uint64_t bytes = 0;
    std::size_t leases = 0;
    std::optional<TimePoint> deadline;
    for (const ModelChannel& m : model_) {
      const Channel* channel = registry_.find(m.name);
      ASSERT_NE(channel, nullptr) << m.name;
      agree(m, *channel);
      bytes += segment_size(m.params);
      for (const auto& [generation, params] : m.formers) bytes += segment_size(params);
      leases += static_cast<std::size_t>((m.holder[0] != 0) + (m.holder[1] != 0));
      const auto is_due = [&](TimePoint at) { deadline = std::min(deadline.value_or(TimePoint::max()), at); };
      if (m.reapable()) is_due(m.idle_since + m.linger);
      for (const Role role : kRoles) {
        if (const auto expiry = m.expires(index_of(role))) is_due(*expiry);
      }
    }
    ASSERT_EQ(registry_.bytes(), bytes);
    ASSERT_EQ(registry_.lease_count(), leases);
    ASSERT_EQ(registry_.next_deadline(), deadline);
  }

 private:
  int pick(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }
  std::string any_name() { return "/" + std::string(1, static_cast<char>('a' + pick(kNames))); }
  Role any_role() { return kRoles[pick(2)]; }
  LeaseTtl any_ttl() { return pick(3) == 0 ? LeaseTtl() : LeaseTtl(100 + pick(1000)); }
  Client any_process() { return process(1 + pick(kProcesses)); }
  ModelChannel* any_channel() {
    return model_.empty() ? nullptr : &model_[static_cast<std::size_t>(pick(static_cast<int>(model_.size())))];
  }
  ModelChannel* find(const std::string& name) {
    const auto found = std::find_if(model_.begin(), model_.end(), [&](const auto& m) { return m.name == name; });
    return found == model_.end() ? nullptr : &*found;
  }
  void erase(const std::string& name) {
    std::erase_if(model_, [&](const ModelChannel& m) { return m.name == name; });
  }

  static void agree(const ModelChannel& m, const Channel& channel) {
    ASSERT_EQ(channel.spec.params, m.params);
    ASSERT_EQ(channel.spec.provisioned, m.provisioned);
    ASSERT_EQ(channel.draining, m.draining);
    ASSERT_EQ(channel.waiting, m.waiting);
    ASSERT_EQ(channel.formers.size(), m.formers.size());
    ASSERT_EQ(channel.state() == ChannelState::in_use, m.in_use());
    for (const Role role : kRoles) {
      const std::size_t r = index_of(role);
      ASSERT_EQ(channel.leases[r].has_value(), m.holder[r] != 0);
      if (m.holder[r] == 0) continue;
      ASSERT_EQ(channel.leases[r]->holder.pid, m.holder[r]);
      ASSERT_EQ(channel.leases[r]->behind.value_or(0), m.behind[r]);
      ASSERT_EQ(channel.leases[r]->id, m.lease[r]);
      ASSERT_EQ(channel.leases[r]->expires, m.expires(r));
    }
  }

  void create() {
    const Client who = any_process();
    const std::chrono::milliseconds linger = pick(6) == 0 ? kLingerForever : std::chrono::milliseconds(pick(2000));
    const NewChannel wanted{.name = any_name(), .params = kSizes[pick(2)], .linger = linger};
    const auto spec = registry_.admit(wanted, who);
    const auto own = std::count_if(model_.begin(), model_.end(),
                                   [&](const auto& m) { return !m.provisioned && m.owner == who.uid; });
    Error expected = Error::ok;
    if (find(wanted.name) != nullptr) {
      expected = Error::channel_exists;
    } else if (model_.size() >= policy_.limits.channels || own >= policy_.limits.channels_per_user) {
      expected = Error::limit_reached;
    }
    ASSERT_EQ(spec.error(), expected);
    if (!spec) return;
    registry_.add(*spec, Backing{.id = {}, .ours = true}, false, now_);
    ModelChannel m;
    m.name = wanted.name;
    m.params = *wanted.params;
    m.owner = who.uid;
    m.linger = linger;
    m.lease_ttl = policy_.dynamic.lease_ttl;
    model_.push_back(m);
  }

  void acquire() {
    ModelChannel* m = any_channel();
    if (m == nullptr) return;
    const Role role = any_role();
    const Client who = any_process();
    const Channel& channel = *registry_.find(m->name);
    ASSERT_EQ(registry_.check_use(channel, who, m->params).has_value(), who.uid == m->owner);
    if (who.uid != m->owner || m->holder[index_of(role)] != 0) return;
    grant(*m, role, who);
  }

  void grant(ModelChannel& m, Role role, const Client& who) {
    const LeaseId lease = registry_.grant(m.name, role, who, now_);
    ASSERT_GT(lease, last_lease_);
    last_lease_ = lease;
    m.holder[index_of(role)] = who.pid;
    m.lease[index_of(role)] = lease;
    m.renewed[index_of(role)] = now_;
    m.used = true;
  }

  void end(ModelChannel& m, Role role) {
    registry_.end(m.name, role, now_);
    m.behind[index_of(role)] = 0;
    m.holder[index_of(role)] = 0;
    m.idle_since = now_;
  }

  void release() {
    ModelChannel* m = any_channel();
    const Role role = any_role();
    if (m == nullptr || m->holder[index_of(role)] == 0) return;
    const LeaseId lease = m->lease[index_of(role)];
    const Client who = any_process();
    const bool is_its = who.pid == m->holder[index_of(role)];
    const auto place = registry_.check_release(lease, who);
    ASSERT_EQ(place.has_value(), is_its);
    if (!is_its) return;
    ASSERT_EQ(*place, (LeasePlace{.name = m->name, .role = role}));
    end(*m, role);
    ASSERT_TRUE(registry_.check_release(lease, who)) << "the kernel was faster than the client";
    ASSERT_EQ(registry_.check_renew(lease, who).error(), Error::fenced);
    registry_.forget_ended(lease);
    ASSERT_EQ(registry_.check_release(lease, who).error(), Error::lease_not_found);
    ASSERT_EQ(registry_.check_renew(lease, who).error(), Error::lease_not_found);
  }

  void renew() {
    ModelChannel* m = any_channel();
    const Role role = any_role();
    if (m == nullptr || m->holder[index_of(role)] == 0) return;
    const Client who = pick(2) == 0 ? any_process() : process(m->holder[index_of(role)]);
    const auto place = registry_.check_renew(m->lease[index_of(role)], who);
    ASSERT_EQ(place.error(), who.pid == m->holder[index_of(role)] ? Error::ok : Error::lease_not_found);
    if (!place) return;
    ASSERT_EQ(*place, (LeasePlace{.name = m->name, .role = role}));
    registry_.renew(m->name, role, now_);
    m->renewed[index_of(role)] = now_;
  }

  void expire() {
    struct Overdue {
      TimePoint since;
      LeaseId lease;
      LeasePlace place;
    };
    std::vector<Overdue> expected;
    for (const ModelChannel& m : model_) {
      for (const Role role : kRoles) {
        const auto expires = m.expires(index_of(role));
        if (expires && *expires <= now_)
          expected.push_back({*expires, m.lease[index_of(role)], {.name = m.name, .role = role}});
      }
    }
    std::sort(expected.begin(), expected.end(), [](const Overdue& a, const Overdue& b) {
      return std::pair(a.since, a.lease) < std::pair(b.since, b.lease);
    });
    const std::vector<LeasePlace> expired = registry_.expired(now_);
    ASSERT_EQ(expired.size(), expected.size());
    for (std::size_t i = 0; i < expired.size(); ++i) {
      ASSERT_EQ(expired[i], expected[i].place);
      end(*find(expired[i].name), expired[i].role);
    }
    ASSERT_TRUE(registry_.expired(now_).empty());
  }

  /// Other memory, of the same or other sizes; maybe one of the holders loses its role.
  void move() {
    ModelChannel* m = any_channel();
    if (m == nullptr) return;
    std::optional<Role> fenced;
    if (const Role role = any_role(); pick(2) == 0 && m->holder[index_of(role)] != 0) fenced = role;
    ChannelSpec next = registry_.find(m->name)->spec;
    next.params = kSizes[pick(2)];
    const Former former{.generation = m->generation, .id = {}, .bytes = segment_size(m->params)};
    registry_.move(next, Backing{.id = {}, .ours = true}, former, fenced, now_);
    m->formers.emplace_back(m->generation, m->params);
    for (const Role role : kRoles) {
      if (m->holder[index_of(role)] != 0 && m->behind[index_of(role)] == 0) m->behind[index_of(role)] = m->generation;
    }
    ++m->generation;
    m->params = next.params;
    if (!fenced) return;
    m->holder[index_of(*fenced)] = 0;
    m->behind[index_of(*fenced)] = 0;
    if (!m->in_use()) m->idle_since = now_;
  }

  void catch_up() {
    ModelChannel* m = any_channel();
    const Role role = any_role();
    if (m == nullptr || m->behind[index_of(role)] == 0) return;
    registry_.catch_up(m->name, role, process(m->holder[index_of(role)]), now_);
    m->behind[index_of(role)] = 0;
    m->renewed[index_of(role)] = now_;
  }

  /// Former memory that nobody has open any more.
  void drop_former() {
    ModelChannel* m = any_channel();
    if (m == nullptr) return;
    std::erase_if(m->formers, [&](const auto& former) {
      const std::uint32_t generation = former.first;
      if (m->behind[0] == generation || m->behind[1] == generation) return false;
      registry_.drop_former(m->name, generation);
      return true;
    });
  }

  /// All leases of a process end at once.
  void die() {
    const Client who = any_process();
    const auto names = registry_.leased_over(who.session);
    std::size_t affected = 0;
    for (ModelChannel& m : model_) {
      if (m.holder[0] == who.pid || m.holder[1] == who.pid) ++affected;
      for (const Role role : kRoles) {
        if (m.holder[index_of(role)] == who.pid) end(m, role);
      }
    }
    ASSERT_EQ(names.size(), affected);
  }

  void reap() {
    std::vector<std::string> expected;
    for (const ModelChannel& m : model_) {
      if (m.reapable() && m.idle_since + m.linger <= now_) expected.push_back(m.name);
    }
    std::vector<std::string> due = registry_.due(now_);
    for (const std::string& name : due) {
      registry_.remove(name);
      erase(name);
    }
    std::sort(due.begin(), due.end());
    std::sort(expected.begin(), expected.end());
    ASSERT_EQ(due, expected);
  }

  void reload() {
    policy_.dynamic.lease_ttl = any_ttl();
    policy_.channels.clear();
    for (int i = 0; i < kNames; ++i) {
      if (pick(3) != 0) continue;
      policy_.channels.push_back(
          {.name = "/" + std::string(1, static_cast<char>('a' + i)),
           .params = kSizes[pick(2)],
           .permissions = {.mode = 0600, .owner = static_cast<uid_t>(1000 + pick(kUsers)), .group = 0},
           .linger = std::chrono::milliseconds(pick(2000)),
           .lease_ttl = any_ttl(),
           .provisioned = true,
           .line = 1 + i});
    }
    apply();
  }

  void apply() {
    const ConfigDiff diff = registry_.diff(policy_);
    registry_.set_policy(policy_);
    for (const std::string& name : diff.withdrawn) withdraw(*find(name));
    for (const ChannelSpec& spec : diff.resized) resize(spec);
    for (const ChannelSpec& spec : diff.changed) configure(spec);
    for (const ChannelSpec& spec : diff.added) provide(spec);
    ASSERT_TRUE(std::all_of(policy_.channels.begin(), policy_.channels.end(), [&](const ChannelSpec& spec) {
      const ModelChannel* m = find(spec.name);
      return m != nullptr && m->provisioned && m->linger == spec.linger && m->lease_ttl == spec.lease_ttl;
    }));
    ASSERT_TRUE(registry_.diff(policy_).added.empty() && registry_.diff(policy_).withdrawn.empty());
  }

  /// Another registry takes up what there is: every channel as a dynamic one, whose origin and first use its memory
  /// shows; every lock as a new lease. Then it applies the configuration.
  void restart() {
    const LeaseId first{static_cast<std::uint64_t>(last_lease_) + 1};
    const std::vector<ModelChannel> before = std::move(model_);
    model_.clear();
    registry_ = Registry(policy_, first);
    for (const ModelChannel& m : before) adopt(m);
    if (!before.empty()) {
      const LeaseId old = before.front().lease[0];
      ASSERT_EQ(registry_.check_release(old, process(before.front().holder[0])).error(), Error::lease_not_found);
    }
    apply();
  }

  void adopt(const ModelChannel& before) {
    ModelChannel m = before;
    m.holder[0] = m.holder[1] = 0;
    m.behind[0] = m.behind[1] = 0;
    m.existing_peer = false;
    m.idle_since = now_;
    m.provisioned = false;
    m.draining = before.provisioned || before.draining;
    m.used = before.used || before.provisioned;
    m.lease_ttl = m.draining ? LeaseTtl() : policy_.dynamic.lease_ttl;
    registry_.add({.name = m.name,
                   .params = m.params,
                   .permissions = {.mode = 0600, .owner = m.owner, .group = 0},
                   .linger = m.linger,
                   .lease_ttl = m.lease_ttl},
                  Backing{.id = {}, .ours = true}, before.used, now_);
    if (m.draining) registry_.withdraw(m.name, now_);
    registry_.set_waiting(m.name, m.waiting, now_);
    for (const auto& [generation, params] : m.formers) {
      registry_.add_former(m.name, {.generation = generation, .id = {}, .bytes = segment_size(params)});
    }
    for (const Role role : kRoles) {
      const std::size_t r = index_of(role);
      if (before.holder[r] == 0) continue;
      grant(m, role, process(before.holder[r]));
      if (before.behind[r] == 0) continue;
      registry_.fall_behind(m.name, role, before.behind[r]);
      m.behind[r] = before.behind[r];
    }
    if (before.existing_peer) registry_.set_existing_peer(m.name, m.existing_peer = true, now_);
    model_.push_back(m);
  }

  void withdraw(ModelChannel& m) {
    registry_.withdraw(m.name, now_);
    m.provisioned = false;
    m.draining = true;
    m.used = true;
    m.idle_since = now_;
  }

  /// Made anew if nobody uses it, and kept as it is otherwise.
  void resize(const ChannelSpec& spec) {
    const ModelChannel* m = find(spec.name);
    if (m->in_use()) {
      ChannelSpec kept = spec;
      kept.params = m->params;
      return configure(kept);
    }
    registry_.remove(spec.name);
    erase(spec.name);
    provide(spec);
  }

  void provide(const ChannelSpec& spec) {
    registry_.add(spec, Backing{.id = {}, .ours = true}, false, now_);
    ModelChannel m;
    m.name = spec.name;
    model_.push_back(m);
    assign(model_.back(), spec, now_);
  }

  void configure(const ChannelSpec& spec) {
    registry_.configure(spec, now_);
    assign(*find(spec.name), spec, now_);
  }

  static void assign(ModelChannel& m, const ChannelSpec& spec, TimePoint now) {
    m.params = spec.params;
    m.provisioned = true;
    m.draining = false;
    m.owner = spec.permissions.owner;
    m.linger = spec.linger;
    if (m.lease_ttl != spec.lease_ttl) m.renewed[0] = m.renewed[1] = now;
    m.lease_ttl = spec.lease_ttl;
  }

  void remove() {
    const ModelChannel* m = any_channel();
    if (m == nullptr || pick(2) == 0) return;
    const Client who = any_process();
    const bool force = pick(4) == 0;
    Error expected = Error::ok;
    if (who.uid != m->owner) {
      expected = Error::permission_denied;
    } else if (m->provisioned) {
      expected = Error::channel_provisioned;
    } else if (m->in_use() && !force) {
      expected = Error::channel_in_use;
    }
    ASSERT_EQ(registry_.check_remove(m->name, force, who).error(), expected);
    if (expected != Error::ok) return;
    const std::string name = m->name;
    registry_.remove(name);
    erase(name);
  }

  void set_waiting() {
    ModelChannel* m = any_channel();
    if (m == nullptr) return;
    m->waiting = static_cast<std::uint32_t>(pick(3));
    registry_.set_waiting(m->name, m->waiting, now_);
  }

  void toggle_existing_peer() {
    ModelChannel* m = any_channel();
    if (m == nullptr) return;
    if (m->existing_peer) m->idle_since = now_;
    m->existing_peer = !m->existing_peer;
    registry_.set_existing_peer(m->name, m->existing_peer, now_);
  }

  void pass_on_or_replace() {
    ModelChannel* m = any_channel();
    if (m == nullptr) return;
    const Role role = any_role();
    if (int& holder = m->holder[index_of(role)]; holder != 0) {
      const Client who = any_process();
      registry_.pass_on(m->name, role, who, now_);
      holder = who.pid;
      m->renewed[index_of(role)] = now_;
    } else if (pick(10) == 0) {
      if (m->in_use()) m->idle_since = now_;
      registry_.set_backing(m->name, Backing{.id = {.device = 1, .inode = 2}, .ours = true}, now_);
      m->existing_peer = false;
      m->waiting = 0;
      m->holder[0] = m->holder[1] = 0;
      m->behind[0] = m->behind[1] = 0;
      m->formers.clear();
    }
  }

  static Policy limited() {
    Policy policy;
    policy.limits.channels = 10;
    policy.limits.channels_per_user = 4;
    policy.file = "model.yaml";
    policy.own_uid = 900;
    return policy;
  }

  std::mt19937_64 random_;
  Policy policy_ = limited();  // the configuration now
  Registry registry_{Policy{}, LeaseId{1}};
  std::vector<ModelChannel> model_;
  LeaseId last_lease_{0};
  TimePoint now_{1h};
};

TEST(RegistryModel, AgreesWithTheRegistryThroughRandomHistories) {
  const std::uint64_t seed = from_environment("ZIPC_MODEL_SEED", std::random_device()());
  const std::uint64_t steps = from_environment("ZIPC_MODEL_STEPS", 400'000);
  std::cout << "ZIPC_MODEL_SEED=" << seed << " ZIPC_MODEL_STEPS=" << steps << std::endl;
  History history(seed);
  for (std::uint64_t i = 0; i < steps; ++i) {
    history.step();
    if (testing::Test::HasFatalFailure()) FAIL() << "in step " << i << " of seed " << seed;
    history.check();
    if (testing::Test::HasFatalFailure()) FAIL() << "after step " << i << " of seed " << seed;
  }
}

}  // namespace
}  // namespace zipc
