// What the registry promises, rule by rule. registry_model_test.cpp has the same in random order.
#include "daemon/registry.h"

#include <gtest/gtest.h>

#include <string>
#include <zipc/layout.hpp>

namespace zipc {
namespace {

using namespace std::chrono_literals;

constexpr uid_t kBrokerUser = 900;
constexpr uid_t kAlice = 1000;
constexpr uid_t kBob = 1001;
constexpr gid_t kAudio = 29;
constexpr Params kSmall{.queue_size = 8, .message_size = 100};
constexpr Params kLarge{.queue_size = 64, .message_size = 4096};
constexpr LeaseId kFirst{100};

Client client(uid_t uid, pid_t pid, std::uint64_t session = 0) {
  return {.pid = pid, .uid = uid, .gid = uid, .groups = {}, .session = SessionId{session}};
}

Policy policy() {
  Policy policy;
  policy.default_params = kLarge;
  policy.dynamic.linger = 10s;
  policy.file = "zipcd.yaml";
  policy.own_uid = kBrokerUser;
  return policy;
}

ChannelSpec provisioned(const std::string& name, const Params& params = kSmall) {
  return {.name = name,
          .params = params,
          .permissions = {.mode = 0600, .owner = kAlice, .group = kAudio},
          .linger = 5s,
          .provisioned = true,
          .line = 7};
}

class RegistryTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(registry_.check_invariants(), ""); }

  /// A dynamic channel of Alice's.
  const Channel& make(const std::string& name, const Client& who = client(kAlice, 1)) {
    auto spec = registry_.admit({.name = name, .params = kSmall, .linger = {}}, who);
    EXPECT_TRUE(spec);
    return registry_.add(*spec, Backing{.id = {}, .ours = true}, false, now_);
  }
  const Channel& provide(const ChannelSpec& spec) {
    return registry_.add(spec, Backing{.id = {}, .ours = true}, false, now_);
  }
  /// A provisioned channel whose leases last 3 s.
  const Channel& provide_with_ttl(const std::string& name, LeaseTtl ttl = 3s) {
    ChannelSpec spec = provisioned(name);
    spec.lease_ttl = ttl;
    return provide(spec);
  }
  std::optional<TimePoint> expiry(const std::string& name, Role role) {
    return registry_.find(name)->lease(role)->expires;
  }
  LeaseId grant(const std::string& name, Role role, const Client& who) {
    return registry_.grant(name, role, who, now_);
  }

  Registry registry_{policy(), kFirst};
  TimePoint now_{1h};
};

using Admission = RegistryTest;
using Permission = RegistryTest;
using Leases = RegistryTest;
using Renewal = RegistryTest;
using Reaping = RegistryTest;
using Reload = RegistryTest;
using Draining = RegistryTest;
using Removal = RegistryTest;

TEST_F(Admission, GivesANewChannelTheSizesAskedForAndTheUserWhoAsked) {
  const auto spec = registry_.admit({.name = "/a", .params = kSmall, .linger = 3s}, client(kAlice, 1));
  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->params, kSmall);
  EXPECT_EQ(spec->permissions.owner, kAlice);
  EXPECT_EQ(spec->linger, 3s);
  EXPECT_FALSE(spec->provisioned);
}

TEST_F(Admission, FillsInTheDefaultsOfTheConfiguration) {
  const auto spec = registry_.admit({.name = "/a", .params = {}, .linger = {}}, client(kAlice, 1));
  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->params, kLarge);
  EXPECT_EQ(spec->linger, 10s);
  EXPECT_EQ(spec->lease_ttl, std::nullopt);
}

TEST_F(Admission, GivesTheLeasesOfADynamicChannelTheTimeToLiveOfTheConfiguration) {
  Policy with_ttl = policy();
  with_ttl.dynamic.lease_ttl = 3s;
  registry_.set_policy(with_ttl);
  make("/a");
  grant("/a", Role::sender, client(kAlice, 1));
  EXPECT_EQ(expiry("/a", Role::sender), now_ + 3s);
}

TEST_F(Admission, LetsThePeersOfADynamicChannelWaitAsTheConfigurationSays) {
  Policy next = policy();
  next.dynamic.waiting = Waiting::sleep;
  registry_.set_policy(next);
  const auto spec = registry_.admit({.name = "/a", .params = {}, .linger = {}}, client(kAlice, 1));
  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->waiting, Waiting::sleep);
}

TEST_F(Admission, RefusesANameThatExistsEvenWithTheSameSizes) {
  make("/a");
  EXPECT_EQ(registry_.admit({.name = "/a", .params = kSmall, .linger = {}}, client(kAlice, 1)).error(),
            Error::channel_exists);
}

TEST_F(Admission, RefusesImpossibleSizes) {
  const Params none{.queue_size = 1, .message_size = 100};
  EXPECT_EQ(registry_.admit({.name = "/a", .params = none, .linger = {}}, client(kAlice, 1)).error(),
            Error::invalid_params);
}

TEST_F(Admission, NamesTheRuleThatForbidsDynamicChannels) {
  Policy strict = policy();
  strict.dynamic.allow = false;
  registry_.set_policy(strict);
  const auto refused = registry_.admit({.name = "/a", .params = kSmall, .linger = {}}, client(kAlice, 1));
  ASSERT_EQ(refused.error(), Error::permission_denied);
  EXPECT_EQ(refused.failure().rule, "dynamic.allow is false");
}

TEST_F(Admission, LetsOnlyNamesThroughThatMatchAPattern) {
  Policy strict = policy();
  strict.dynamic.names = {"/tmp.*", "/x?"};
  registry_.set_policy(strict);
  EXPECT_TRUE(registry_.admit({.name = "/tmp.a", .params = kSmall, .linger = {}}, client(kAlice, 1)));
  EXPECT_TRUE(registry_.admit({.name = "/x1", .params = kSmall, .linger = {}}, client(kAlice, 1)));
  const auto refused = registry_.admit({.name = "/other", .params = kSmall, .linger = {}}, client(kAlice, 1));
  ASSERT_EQ(refused.error(), Error::permission_denied);
  EXPECT_EQ(refused.failure().rule, "dynamic.names allows only '/tmp.*' '/x?'");
}

TEST_F(Admission, KeepsEveryLimitAndNamesIt) {
  const auto refused_by = [&](auto set) {
    Policy strict = policy();
    set(strict.limits);
    registry_.set_policy(strict);
    const auto result = registry_.admit({.name = "/b", .params = kSmall, .linger = {}}, client(kAlice, 1));
    EXPECT_EQ(result.error(), Error::limit_reached);
    return result ? std::string() : result.failure().rule.substr(0, result.failure().rule.find(' '));
  };
  make("/a");
  const std::uint64_t bytes = segment_size(kSmall);
  EXPECT_EQ(refused_by([](Limits& l) { l.channels = 1; }), "limits.channels");
  EXPECT_EQ(refused_by([&](Limits& l) { l.bytes_per_channel = bytes - 1; }), "limits.channel_size");
  EXPECT_EQ(refused_by([&](Limits& l) { l.total_bytes = 2 * bytes - 1; }), "limits.total_size");
  EXPECT_EQ(refused_by([](Limits& l) { l.channels_per_user = 1; }), "limits.channels_per_user");
}

TEST_F(Admission, CountsDynamicChannelsOfOneUserOnly) {
  Policy strict = policy();
  strict.limits.channels_per_user = 1;
  registry_.set_policy(strict);
  provide(provisioned("/provided"));
  make("/bobs", client(kBob, 2));
  EXPECT_TRUE(registry_.admit({.name = "/a", .params = kSmall, .linger = {}}, client(kAlice, 1)));
}

TEST_F(Permission, FollowsTheModeLikeAFileWhereOneMustReadAndWrite) {
  ChannelSpec spec = provisioned("/a");
  Client in_group = client(kBob, 2);
  in_group.groups = {kAudio};
  const auto may = [&](std::uint32_t mode, const Client& who) {
    spec.permissions.mode = mode;
    return check_access(spec, who, registry_.policy()).has_value();
  };
  EXPECT_TRUE(may(0600, client(kAlice, 1)));
  EXPECT_FALSE(may(0400, client(kAlice, 1)));
  EXPECT_FALSE(may(0066, client(kAlice, 1))) << "the owner's bits decide about the owner";
  EXPECT_TRUE(may(0660, in_group));
  EXPECT_FALSE(may(0606, in_group)) << "the group's bits decide about the group";
  EXPECT_FALSE(may(0660, client(kBob, 2)));
  EXPECT_TRUE(may(0606, client(kBob, 2)));
}

TEST_F(Permission, IsAlwaysGivenToRootAndToTheBrokersUser) {
  ChannelSpec spec = provisioned("/a");
  spec.permissions.mode = 0;
  EXPECT_TRUE(check_access(spec, client(0, 1), registry_.policy()));
  EXPECT_TRUE(check_access(spec, client(kBrokerUser, 1), registry_.policy()));
}

TEST_F(Permission, IsRefusedWithTheLineOfTheConfiguration) {
  const auto refused = check_access(provisioned("/a"), client(kBob, 2), registry_.policy());
  ASSERT_EQ(refused.error(), Error::permission_denied);
  EXPECT_EQ(refused.failure().rule, "zipcd.yaml:7: mode 0600, owner 1000, group 29");
}

TEST_F(Permission, TellsTheSizesOnlyToThoseWhoMayUseTheChannel) {
  const Channel& channel = make("/a");
  EXPECT_EQ(registry_.check_use(channel, client(kBob, 2), kLarge).error(), Error::permission_denied);
  const auto mismatch = registry_.check_use(channel, client(kAlice, 1), kLarge);
  ASSERT_EQ(mismatch.error(), Error::params_mismatch);
  EXPECT_EQ(mismatch.failure().expected, kSmall);
  EXPECT_TRUE(registry_.check_use(channel, client(kAlice, 1), kSmall));
  EXPECT_TRUE(registry_.check_use(channel, client(kAlice, 1), {}));
}

TEST_F(Leases, AreNumberedFromTheFirstAndNeverTwice) {
  make("/a");
  EXPECT_EQ(grant("/a", Role::sender, client(kAlice, 1)), kFirst);
  registry_.end("/a", Role::sender, now_);
  EXPECT_NE(grant("/a", Role::sender, client(kAlice, 1)), kFirst);
}

TEST_F(Leases, AreGivenBackByTheProcessOrTheSessionThatGotThem) {
  make("/a");
  const LeaseId lease = grant("/a", Role::sender, client(kAlice, 1, 11));
  const LeasePlace place{.name = "/a", .role = Role::sender};
  EXPECT_EQ(*registry_.check_release(lease, client(kAlice, 1, 12)), place) << "another connection of the process";
  EXPECT_EQ(*registry_.check_release(lease, client(kAlice, 2, 11)), place) << "a child that inherited the connection";
  EXPECT_EQ(registry_.check_release(lease, client(kAlice, 2, 12)).error(), Error::lease_not_found);
  EXPECT_EQ(registry_.check_release(LeaseId{1}, client(kAlice, 1, 11)).error(), Error::lease_not_found);
}

TEST_F(Leases, MayBeGivenBackOnceAfterTheKernelHasEndedThem) {
  make("/a");
  const LeaseId lease = grant("/a", Role::sender, client(kAlice, 1));
  registry_.end("/a", Role::sender, now_);
  const auto release = registry_.check_release(lease, client(kAlice, 1));
  ASSERT_TRUE(release);
  EXPECT_FALSE(release->has_value());
  EXPECT_EQ(registry_.check_release(lease, client(kAlice, 2)).error(), Error::lease_not_found);
  registry_.forget_ended(lease);
  EXPECT_EQ(registry_.check_release(lease, client(kAlice, 1)).error(), Error::lease_not_found);
}

TEST_F(Leases, AreRememberedAfterTheirEndInABoundedNumber) {
  make("/a");
  const LeaseId oldest = grant("/a", Role::sender, client(kAlice, 1));
  registry_.end("/a", Role::sender, now_);
  for (std::size_t i = 0; i < Registry::kEndedMax; ++i) {
    grant("/a", Role::sender, client(kAlice, 1));
    registry_.end("/a", Role::sender, now_);
  }
  EXPECT_EQ(registry_.check_release(oldest, client(kAlice, 1)).error(), Error::lease_not_found);
}

TEST_F(Leases, ThatWereFencedAreRememberedForLonger) {
  make("/a");
  make("/b");
  const LeaseId fenced = grant("/a", Role::sender, client(kAlice, 1));
  const Channel& channel = *registry_.find("/a");
  Former left;
  left.generation = 1;
  registry_.move(channel.spec, *channel.backing, left, Role::sender, now_);
  for (std::size_t i = 0; i < 2 * Registry::kEndedMax; ++i) {
    grant("/b", Role::sender, client(kAlice, 1));
    registry_.end("/b", Role::sender, now_);
  }
  EXPECT_EQ(registry_.check_renew(fenced, client(kAlice, 1)).error(), Error::fenced);
}

TEST_F(Leases, AreFoundBySession) {
  make("/a");
  make("/b");
  make("/c");
  grant("/a", Role::sender, client(kAlice, 1, 11));
  grant("/b", Role::receiver, client(kAlice, 1, 11));
  grant("/c", Role::sender, client(kAlice, 1, 12));
  EXPECT_EQ(registry_.leased_over(SessionId{11}), (std::vector<std::string>{"/a", "/b"}));
}

TEST_F(Leases, AreResumedByTheSameProcess) {
  const Lease lease{.id = kFirst, .holder = client(kAlice, 1), .since = now_};
  EXPECT_TRUE(Registry::may_resume(lease, client(kAlice, 1), false));
  EXPECT_FALSE(Registry::may_resume(lease, client(kAlice, 2), false));
}

TEST_F(Leases, AreResumedByAnotherProcessOfTheUserOnlyWhenTheHolderIsGone) {
  const Lease lease{.id = kFirst, .holder = client(kAlice, 1), .since = now_};
  EXPECT_TRUE(Registry::may_resume(lease, client(kAlice, 2), true));
  EXPECT_FALSE(Registry::may_resume(lease, client(kBob, 2), true));
}

TEST_F(Leases, OfUnknownUsersAreResumedByTheSameProcessOnly) {
  const Lease adopted{.id = kFirst, .holder = {.pid = 1, .groups = {}}, .since = now_};
  EXPECT_TRUE(Registry::may_resume(adopted, client(kAlice, 1), false));
  EXPECT_FALSE(Registry::may_resume(adopted, client(kAlice, 2), true));
}

TEST_F(Leases, PassToWhoResumesThem) {
  make("/a");
  const LeaseId lease = grant("/a", Role::sender, client(kAlice, 1));
  registry_.pass_on("/a", Role::sender, client(kAlice, 2), now_);
  EXPECT_TRUE(registry_.check_release(lease, client(kAlice, 2)));
  EXPECT_EQ(registry_.find("/a")->lease(Role::sender)->holder.pid, 2);
}

TEST_F(Leases, EndWhenTheMemoryIsReplaced) {
  const Channel& channel = make("/a");
  grant("/a", Role::sender, client(kAlice, 1));
  registry_.set_backing("/a", Backing{.id = {.device = 1, .inode = 2}, .ours = true}, now_);
  EXPECT_FALSE(channel.is_leased());
  EXPECT_EQ(registry_.lease_count(), 0u);
}

TEST_F(Leases, LetWhoHoldsARoleWaitByItsDoorbellAndThePeerRingIt) {
  make("/a");
  grant("/a", Role::sender, client(kAlice, 1));
  grant("/a", Role::receiver, client(kBob, 2));
  const auto may = [&](const Client& who, Role role, bool to_ring) { return registry_.check_doorbell("/a", role, who, to_ring).error(); };
  EXPECT_EQ(may(client(kAlice, 1), Role::sender, false), Error::ok);
  EXPECT_EQ(may(client(kAlice, 3), Role::sender, false), Error::ok) << "a child";
  EXPECT_EQ(may(client(kBob, 2), Role::sender, true), Error::ok);
  EXPECT_EQ(may(client(kBob, 2), Role::sender, false), Error::lease_not_found) << "it would take the rings away";
  EXPECT_EQ(may(client(kBob + 1, 4), Role::sender, true), Error::lease_not_found) << "it has no role";
}

TEST_F(Renewal, IsNotNeededWithoutATimeToLive) {
  make("/a");
  const LeaseId lease = grant("/a", Role::sender, client(kAlice, 1));
  EXPECT_EQ(expiry("/a", Role::sender), std::nullopt);
  EXPECT_TRUE(registry_.check_renew(lease, client(kAlice, 1)));
  registry_.renew("/a", Role::sender, now_);
  EXPECT_EQ(expiry("/a", Role::sender), std::nullopt);
  EXPECT_FALSE(registry_.next_deadline());
}

TEST_F(Renewal, IsDueATimeToLiveAfterTheLeaseWasGranted) {
  provide_with_ttl("/a");
  grant("/a", Role::sender, client(kAlice, 1));
  EXPECT_EQ(registry_.next_deadline(), now_ + 3s);
  EXPECT_TRUE(registry_.expired(now_ + 3s - 1ns).empty());
  EXPECT_EQ(registry_.expired(now_ + 3s), (std::vector<LeasePlace>{{.name = "/a", .role = Role::sender}}));
}

TEST_F(Renewal, GivesTheWholeTimeToLiveAgain) {
  provide_with_ttl("/a");
  const LeaseId lease = grant("/a", Role::sender, client(kAlice, 1));
  now_ += 2s;
  const LeasePlace place{.name = "/a", .role = Role::sender};
  EXPECT_EQ(*registry_.check_renew(lease, client(kAlice, 1)), place);
  registry_.renew("/a", Role::sender, now_);
  EXPECT_EQ(registry_.next_deadline(), now_ + 3s);
}

TEST_F(Renewal, IsForTheProcessOrTheSessionThatGotTheLease) {
  provide_with_ttl("/a");
  const LeaseId lease = grant("/a", Role::sender, client(kAlice, 1, 11));
  EXPECT_TRUE(registry_.check_renew(lease, client(kAlice, 1, 12)));
  EXPECT_TRUE(registry_.check_renew(lease, client(kAlice, 2, 11)));
  EXPECT_EQ(registry_.check_renew(lease, client(kAlice, 2, 12)).error(), Error::lease_not_found);
  EXPECT_EQ(registry_.check_renew(LeaseId{1}, client(kAlice, 1, 11)).error(), Error::lease_not_found);
}

TEST_F(Renewal, OfALeaseThatHasEndedIsRefusedAsFenced) {
  provide_with_ttl("/a");
  const LeaseId lease = grant("/a", Role::sender, client(kAlice, 1));
  registry_.end("/a", Role::sender, now_ + 3s);
  const auto refused = registry_.check_renew(lease, client(kAlice, 1));
  ASSERT_EQ(refused.error(), Error::fenced);
  EXPECT_EQ(refused.failure().message, "lease 100 has ended: its role may be somebody else's by now");
  EXPECT_EQ(registry_.check_renew(lease, client(kAlice, 2)).error(), Error::lease_not_found);
  registry_.forget_ended(lease);
  EXPECT_EQ(registry_.check_renew(lease, client(kAlice, 1)).error(), Error::lease_not_found);
}

TEST_F(Renewal, ComesWithResuming) {
  provide_with_ttl("/a");
  grant("/a", Role::sender, client(kAlice, 1));
  now_ += 2s;
  registry_.pass_on("/a", Role::sender, client(kAlice, 1), now_);
  EXPECT_EQ(expiry("/a", Role::sender), now_ + 3s);
}

TEST_F(Renewal, ThatDidNotComeShowsTheLongestOverdueFirst) {
  provide_with_ttl("/a", 3s);
  provide_with_ttl("/b", 1s);
  grant("/a", Role::receiver, client(kAlice, 1));
  grant("/b", Role::sender, client(kAlice, 1));
  now_ += 1s;
  grant("/a", Role::sender, client(kAlice, 2));
  EXPECT_EQ(registry_.expired(now_ + 1h), (std::vector<LeasePlace>{{.name = "/b", .role = Role::sender},
                                                                   {.name = "/a", .role = Role::receiver},
                                                                   {.name = "/a", .role = Role::sender}}));
}

TEST_F(Renewal, IsNotExpectedAfterTheEnd) {
  provide_with_ttl("/a");
  grant("/a", Role::sender, client(kAlice, 1));
  registry_.end("/a", Role::sender, now_);
  EXPECT_FALSE(registry_.next_deadline());
  grant("/a", Role::sender, client(kAlice, 1));
  registry_.set_backing("/a", Backing{.id = {.device = 1, .inode = 2}, .ours = true}, now_);
  EXPECT_FALSE(registry_.next_deadline());
  grant("/a", Role::sender, client(kAlice, 1));
  registry_.remove("/a");
  EXPECT_FALSE(registry_.next_deadline());
}

TEST_F(Reaping, AndRenewalShareTheNextDeadline) {
  make("/a");
  grant("/a", Role::sender, client(kAlice, 1));
  registry_.end("/a", Role::sender, now_);
  provide_with_ttl("/b", 11s);
  grant("/b", Role::sender, client(kAlice, 1));
  EXPECT_EQ(registry_.next_deadline(), now_ + 10s);
  registry_.remove("/a");
  EXPECT_EQ(registry_.next_deadline(), now_ + 11s);
}

TEST_F(Reaping, ComesLingerAfterTheLastLeaseEnds) {
  make("/a");
  grant("/a", Role::sender, client(kAlice, 1));
  grant("/a", Role::receiver, client(kAlice, 2));
  registry_.end("/a", Role::sender, now_);
  EXPECT_FALSE(registry_.next_deadline());
  now_ += 1min;
  registry_.end("/a", Role::receiver, now_);
  EXPECT_EQ(registry_.next_deadline(), now_ + 10s);
  EXPECT_TRUE(registry_.due(now_ + 10s - 1ns).empty());
  EXPECT_EQ(registry_.due(now_ + 10s), std::vector<std::string>{"/a"});
}

TEST_F(Reaping, IsCalledOffByANewLease) {
  make("/a");
  grant("/a", Role::sender, client(kAlice, 1));
  registry_.end("/a", Role::sender, now_);
  grant("/a", Role::sender, client(kAlice, 1));
  EXPECT_FALSE(registry_.next_deadline());
}

TEST_F(Reaping, DoesNotTouchAChannelThatNobodyHasUsedYet) {
  make("/a");
  EXPECT_FALSE(registry_.next_deadline());
}

TEST_F(Reaping, DoesNotTouchAProvisionedChannel) {
  provide(provisioned("/a"));
  grant("/a", Role::sender, client(kAlice, 1));
  registry_.end("/a", Role::sender, now_);
  EXPECT_FALSE(registry_.next_deadline());
}

TEST_F(Reaping, NeverComesWithALingerForEver) {
  const auto spec = registry_.admit({.name = "/a", .params = kSmall, .linger = kLingerForever}, client(kAlice, 1));
  registry_.add(*spec, Backing{}, true, now_);
  EXPECT_EQ(registry_.find("/a")->state(), ChannelState::lingering);
  EXPECT_FALSE(registry_.next_deadline());
}

TEST_F(Reaping, WaitsForAnExistingPeerThatTakesNoLease) {
  const Channel& channel = make("/a");
  grant("/a", Role::sender, client(kAlice, 1));
  registry_.set_existing_peer("/a", true, now_);
  registry_.end("/a", Role::sender, now_);
  EXPECT_EQ(channel.state(), ChannelState::in_use);
  EXPECT_FALSE(registry_.next_deadline());
  now_ += 1h;
  registry_.set_existing_peer("/a", false, now_);
  EXPECT_EQ(registry_.next_deadline(), now_ + 10s);
}

TEST_F(Reaping, TakesTheLongestDueFirst) {
  for (const char* name : {"/b", "/a"}) {
    make(name);
    grant(name, Role::sender, client(kAlice, 1));
    registry_.end(name, Role::sender, now_);
    now_ += 1s;
  }
  EXPECT_EQ(registry_.due(now_ + 1h), (std::vector<std::string>{"/b", "/a"}));
}

TEST_F(Reaping, OfAnAdoptedChannelCountsFromItsAdoption) {
  registry_.add({.name = "/a", .params = kSmall, .permissions = {}, .linger = 2s}, Backing{}, true, now_);
  EXPECT_EQ(registry_.next_deadline(), now_ + 2s);
}

TEST_F(Removal, TakesLeasesAndBytesAlong) {
  make("/a");
  grant("/a", Role::sender, client(kAlice, 1));
  registry_.remove("/a");
  EXPECT_EQ(registry_.lease_count(), 0u);
  EXPECT_EQ(registry_.bytes(), 0u);
  EXPECT_EQ(registry_.find("/a"), nullptr);
}

TEST_F(Removal, IsForTheOwnerTheBrokersUserAndRoot) {
  make("/a");
  EXPECT_TRUE(registry_.check_remove("/a", false, client(kAlice, 1)));
  EXPECT_TRUE(registry_.check_remove("/a", false, client(kBrokerUser, 1)));
  EXPECT_TRUE(registry_.check_remove("/a", false, client(0, 1)));
  EXPECT_EQ(registry_.check_remove("/a", true, client(kBob, 1)).error(), Error::permission_denied);
}

TEST_F(Removal, OfAChannelInUseNeedsForce) {
  make("/a");
  grant("/a", Role::sender, client(kAlice, 1));
  EXPECT_EQ(registry_.check_remove("/a", false, client(kAlice, 1)).error(), Error::channel_in_use);
  EXPECT_TRUE(registry_.check_remove("/a", true, client(kAlice, 1)));
}

TEST_F(Removal, DoesNotReachWhatTheConfigurationProvidesOrOthersHaveMade) {
  provide(provisioned("/provided"));
  EXPECT_EQ(registry_.check_remove("/provided", true, client(0, 1)).error(), Error::channel_provisioned);
  registry_.add({.name = "/theirs", .params = kSmall, .permissions = {}, .linger = 1s},
                Backing{.id = {}, .ours = false}, true, now_);
  EXPECT_EQ(registry_.check_remove("/theirs", true, client(0, 1)).error(), Error::foreign_segment);
  EXPECT_EQ(registry_.check_remove("/none", true, client(0, 1)).error(), Error::channel_not_found);
}

TEST_F(Reload, FindsWhatIsNewChangedResizedAndGone) {
  for (const char* name : {"/same", "/moded", "/resized", "/gone"}) provide(provisioned(name));
  make("/dynamic");
  Policy next = policy();
  next.channels = {provisioned("/same"), provisioned("/moded"), provisioned("/resized", kLarge), provisioned("/new"),
                   provisioned("/dynamic")};
  next.channels[1].permissions.mode = 0660;
  const ConfigDiff diff = registry_.diff(next);
  ASSERT_EQ(diff.added.size(), 1u);
  EXPECT_EQ(diff.added[0].name, "/new");
  ASSERT_EQ(diff.changed.size(), 2u);
  EXPECT_EQ(diff.changed[0].name, "/moded");
  EXPECT_EQ(diff.changed[1].name, "/dynamic");
  ASSERT_EQ(diff.resized.size(), 1u);
  EXPECT_EQ(diff.resized[0].name, "/resized");
  EXPECT_EQ(diff.withdrawn, std::vector<std::string>{"/gone"});
}

TEST_F(Reload, FindsAnotherTimeToLive) {
  provide(provisioned("/a"));
  Policy next = policy();
  next.channels = {provisioned("/a")};
  next.channels[0].lease_ttl = 3s;
  const ConfigDiff diff = registry_.diff(next);
  ASSERT_EQ(diff.changed.size(), 1u);
  EXPECT_EQ(diff.changed[0].lease_ttl, 3s);
}

TEST_F(Reload, FindsAnotherWayToWaitAndNeedsNoOtherMemoryForIt) {
  provide(provisioned("/a"));
  Policy next = policy();
  next.channels = {provisioned("/a")};
  next.channels[0].waiting = Waiting::spin;
  const ConfigDiff diff = registry_.diff(next);
  ASSERT_EQ(diff.changed.size(), 1u);
  EXPECT_EQ(diff.changed[0].waiting, Waiting::spin);
  EXPECT_TRUE(diff.resized.empty());
}

TEST_F(Reload, GivesEveryHolderAllOfAnotherTimeToLive) {
  provide(provisioned("/a"));
  grant("/a", Role::sender, client(kAlice, 1));
  grant("/a", Role::receiver, client(kAlice, 2));
  now_ += 1h;
  ChannelSpec spec = provisioned("/a");
  spec.lease_ttl = 3s;
  registry_.configure(spec, now_);
  EXPECT_EQ(expiry("/a", Role::sender), now_ + 3s);
  EXPECT_EQ(expiry("/a", Role::receiver), now_ + 3s);
  registry_.configure(spec, now_ + 1s);
  EXPECT_EQ(expiry("/a", Role::sender), now_ + 3s) << "nothing has changed";
  registry_.configure(provisioned("/a"), now_ + 1s);
  EXPECT_EQ(expiry("/a", Role::sender), std::nullopt);
  EXPECT_FALSE(registry_.next_deadline());
}

TEST_F(Reload, LetsAChannelThatIsNoLongerProvidedLingerFromNow) {
  provide(provisioned("/a"));
  now_ += 1h;
  registry_.withdraw("/a", now_);
  EXPECT_EQ(registry_.next_deadline(), now_ + 5s);
}

TEST_F(Reload, LetsALeasedChannelThatIsNoLongerProvidedLingerFromItsEnd) {
  provide(provisioned("/a"));
  grant("/a", Role::sender, client(kAlice, 1));
  registry_.withdraw("/a", now_);
  EXPECT_FALSE(registry_.next_deadline());
  now_ += 1h;
  registry_.end("/a", Role::sender, now_);
  EXPECT_EQ(registry_.next_deadline(), now_ + 5s);
}

TEST_F(Draining, IsForWhatTheConfigurationHasDropped) {
  const Channel& channel = provide(provisioned("/a"));
  EXPECT_FALSE(channel.draining);
  registry_.withdraw("/a", now_);
  EXPECT_TRUE(channel.draining);
  EXPECT_FALSE(channel.spec.provisioned);
}

TEST_F(Draining, WaitsForMessagesHoweverLongThatTakes) {
  provide(provisioned("/a"));
  registry_.set_waiting("/a", 3, now_);
  registry_.withdraw("/a", now_);
  EXPECT_FALSE(registry_.next_deadline());
  grant("/a", Role::receiver, client(kAlice, 1));
  now_ += 1h;
  registry_.end("/a", Role::receiver, now_);
  registry_.set_waiting("/a", 1, now_);
  EXPECT_FALSE(registry_.next_deadline());
}

TEST_F(Draining, LingersFromTheEndOfTheLastLeaseOnceItIsEmpty) {
  provide(provisioned("/a"));
  registry_.set_waiting("/a", 3, now_);
  registry_.withdraw("/a", now_);
  grant("/a", Role::receiver, client(kAlice, 1));
  registry_.set_waiting("/a", 0, now_);
  EXPECT_FALSE(registry_.next_deadline()) << "in use";
  now_ += 1h;
  registry_.end("/a", Role::receiver, now_);
  EXPECT_EQ(registry_.next_deadline(), now_ + 5s);
  registry_.set_waiting("/a", 1, now_ + 1s);
  EXPECT_FALSE(registry_.next_deadline());
  registry_.set_waiting("/a", 0, now_ + 2s);
  EXPECT_EQ(registry_.next_deadline(), now_ + 5s);
}

TEST_F(Draining, IsNotForChannelsThatClientsHaveMade) {
  make("/a");
  grant("/a", Role::sender, client(kAlice, 1));
  registry_.set_waiting("/a", 3, now_);
  registry_.end("/a", Role::sender, now_);
  EXPECT_EQ(registry_.next_deadline(), now_ + 10s);
}

TEST_F(Draining, EndsWhenTheChannelIsProvidedAgain) {
  const Channel& channel = provide(provisioned("/a"));
  registry_.withdraw("/a", now_);
  ChannelSpec moded = channel.spec;
  moded.permissions.mode = 0666;
  registry_.configure(moded, now_);
  EXPECT_TRUE(channel.draining) << "its file was replaced";
  registry_.configure(provisioned("/a"), now_);
  EXPECT_FALSE(channel.draining);
  EXPECT_FALSE(registry_.next_deadline());
}

TEST_F(Draining, IsCutShortByRemoving) {
  provide(provisioned("/a"));
  registry_.set_waiting("/a", 3, now_);
  registry_.withdraw("/a", now_);
  EXPECT_TRUE(registry_.check_remove("/a", false, client(kAlice, 1)));
  EXPECT_TRUE(registry_.check_remove("/a", false, client(0, 1)));
  EXPECT_EQ(registry_.check_remove("/a", false, client(kBob, 1)).error(), Error::permission_denied);
}

TEST_F(Draining, KnowsOfNoMessagesInOtherMemory) {
  provide(provisioned("/a"));
  registry_.set_waiting("/a", 3, now_);
  registry_.withdraw("/a", now_);
  registry_.set_backing("/a", Backing{.id = {.device = 1, .inode = 2}, .ours = true}, now_);
  EXPECT_EQ(registry_.next_deadline(), now_ + 5s);
}

TEST_F(Reload, SavesALingeringChannelByProvidingIt) {
  make("/a");
  grant("/a", Role::sender, client(kAlice, 1));
  registry_.end("/a", Role::sender, now_);
  registry_.configure(provisioned("/a"), now_);
  EXPECT_FALSE(registry_.next_deadline());
}

TEST_F(Reload, AppliesANewLingerToAChannelThatLingersAlready) {
  provide(provisioned("/a"));
  registry_.withdraw("/a", now_);
  ChannelSpec spec = registry_.find("/a")->spec;
  spec.linger = 1s;
  registry_.configure(spec, now_ + 500ms);
  EXPECT_EQ(registry_.next_deadline(), now_ + 1s);
}

}  // namespace
}  // namespace zipc
