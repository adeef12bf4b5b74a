// Files, locks and mappings, over real shared memory.
#include "common/segment.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "tests/support/processes.h"

namespace zipc {
namespace {

using test::Child;
using test::Gate;
using test::unique_name;

constexpr Params kParams{.queue_size = 4, .message_size = 16};

class SegmentTest : public testing::Test {
 protected:
  ~SegmentTest() override { static_cast<void>(remove_segment_file(name_)); }

  [[nodiscard]] std::string path() const { return "/dev/shm" + name_; }

  SegmentFile make(const Creator& creator = {.origin = Origin::direct}) {
    auto file = create_segment_file(name_, 0600);
    EXPECT_TRUE(file);
    EXPECT_TRUE(set_up_segment(*file, kParams, creator));
    return std::move(*file);
  }
  SegmentFile open() {
    auto file = open_segment_file(name_);
    EXPECT_TRUE(file);
    return std::move(*file);
  }

  const std::string name_ = unique_name("segment");
};

TEST_F(SegmentTest, AllocatesAllOfItsMemoryAtCreation) {
  make();
  struct stat status {};
  ASSERT_EQ(stat(path().c_str(), &status), 0);
  EXPECT_EQ(static_cast<std::uint64_t>(status.st_size), segment_size(kParams));
  EXPECT_GE(static_cast<std::uint64_t>(status.st_blocks) * 512, segment_size(kParams));
}

TEST_F(SegmentTest, HasTheFormatThatExistingPeersExpect) {
  const SegmentFile file = make();
  auto mapping = Mapping::map(file.fd.get(), segment_size(kParams));
  const auto* bytes = static_cast<const unsigned char*>(mapping->address());
  for (const std::size_t i : std::initializer_list<std::size_t>{0, 4, 64, 68}) EXPECT_EQ(bytes[i], 0);
  const auto* flag = bytes + init_flag_offset(kParams);
  EXPECT_EQ(std::string(flag, flag + 4), "CPIZ");
}

TEST_F(SegmentTest, SaysItsSizesAndMakerToWhoOpensIt) {
  make({.origin = Origin::dynamic, .broker_id = 77, .linger_ms = 5000, .owner_uid = 1000});
  const auto info = read_segment_info(open());
  ASSERT_TRUE(info);
  EXPECT_EQ(info->params, kParams);
  EXPECT_EQ(info->creator.origin, Origin::dynamic);
  EXPECT_EQ(info->creator.broker_id, 77u);
  EXPECT_EQ(info->creator.linger_ms, 5000u);
  EXPECT_EQ(info->creator.owner_uid, 1000u);
  EXPECT_FALSE(info->creator.leased_once);
  EXPECT_FALSE(info->existing_peer_seen);
}

TEST_F(SegmentTest, MapsAndFillsNoMoreThanItNeedsOfAFileThatSomebodyHasMadeLarger) {
  make();
  const auto blocks = [&] {
    struct stat status {};
    EXPECT_EQ(stat(path().c_str(), &status), 0);
    return status.st_blocks;
  };
  const auto before = blocks();
  for (const off_t size : {off_t{1} << 40, off_t{1} << 62}) {
    for (const auto& wanted : {std::optional(kParams), std::optional<Params>()}) {
      ASSERT_EQ(truncate(path().c_str(), size), 0);
      auto ready = set_up_segment(open(), wanted, {});
      ASSERT_TRUE(ready) << ready.failure().message;
      EXPECT_EQ(ready->mapping.size(), segment_size(kParams));
      ready->mapping.prefault();
      EXPECT_EQ(blocks(), before);
      EXPECT_TRUE(ready->mapping.make_private(kParams, Role::sender));
    }
  }
}

TEST_F(SegmentTest, RefusesOtherSizesAndSaysBoth) {
  make();
  const auto result = set_up_segment(open(), Params{.queue_size = 8, .message_size = 16}, {});
  EXPECT_EQ(result.error(), Error::params_mismatch);
  EXPECT_EQ(result.failure().expected, kParams);
  EXPECT_EQ(result.failure().message, "channel " + name_ +
                                          " has queue_size 4 and message_size 16, but queue_size 8 and message_size 16 was "
                                          "asked for");
}

TEST_F(SegmentTest, FollowsNoSymbolicLink) {
  const std::string victim = "/dev/shm" + unique_name("victim");
  const int fd = ::open(victim.c_str(), O_CREAT | O_RDWR, 0600);
  ASSERT_EQ(ftruncate(fd, 10), 0);
  close(fd);
  ASSERT_EQ(symlink(victim.c_str(), path().c_str()), 0);
  EXPECT_EQ(open_segment_file(name_).error(), Error::foreign_segment);
  EXPECT_EQ(create_segment_file(name_, 0600).error(), Error::channel_exists);
  struct stat status {};
  ASSERT_EQ(stat(victim.c_str(), &status), 0);
  EXPECT_EQ(status.st_size, 10);
  unlink(victim.c_str());
}

#ifdef __linux__
TEST_F(SegmentTest, FillsAHole) {
  constexpr Params params{.queue_size = 4, .message_size = 16384};
  auto file = create_segment_file(name_, 0600);
  ASSERT_TRUE(set_up_segment(*file, params, {.origin = Origin::direct}));
  ASSERT_EQ(fallocate(file->fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 16384, 8192), 0);
  ASSERT_LT(open().allocated, segment_size(params));
  ASSERT_TRUE(set_up_segment(open(), params, {}));
  EXPECT_GE(open().allocated, segment_size(params));
}
#endif

TEST_F(SegmentTest, FindsTheInitFlagInEitherOfItsPlaces) {
  constexpr Params params{.queue_size = 7, .message_size = 13};
  ASSERT_NE(init_flag_offset(params), aligned_init_flag_offset(params));
  std::vector<std::byte> memory(smallest_segment_size(params));
  for (const std::uint64_t offset : {init_flag_offset(params), aligned_init_flag_offset(params)}) {
    std::fill(memory.begin(), memory.end(), std::byte{0});
    std::memcpy(memory.data() + offset, &kInitFlag, sizeof kInitFlag);
    EXPECT_EQ(init_flag_in(memory.data(), params), memory.data() + offset);
  }
}

TEST_F(SegmentTest, RefusesAFileThatIsNoSegment) {
  for (const off_t size : {1, 100, 5000}) {
    auto file = create_segment_file(name_, 0600);
    ASSERT_TRUE(file);
    ASSERT_EQ(ftruncate(file->fd.get(), size), 0);
    const auto result = set_up_segment(open(), std::nullopt, {});
    EXPECT_EQ(result.error(), Error::foreign_segment) << size;
    ASSERT_TRUE(remove_segment_file(name_));
  }
  ASSERT_EQ(mkfifo(path().c_str(), 0600), 0);
  EXPECT_EQ(open_segment_file(name_).error(), Error::foreign_segment);
  unlink(path().c_str());
}

TEST_F(SegmentTest, ReportsAHeaderThatDoesNotFitItsFileAsCorrupt) {
  const SegmentFile file = make();
  auto mapping = Mapping::map(file.fd.get(), segment_size(kParams));
  mapping->header().queue_size = 5000;
  EXPECT_EQ(read_segment_info(open()).error(), Error::corrupt);
  mapping->header().queue_size = 0;
  EXPECT_EQ(read_segment_info(open()).error(), Error::corrupt);
  mapping->header().queue_size = kParams.queue_size;
  mapping->header().mark = kMark + 1;
  const auto newer = read_segment_info(open());
  EXPECT_EQ(newer.error(), Error::foreign_segment);
  EXPECT_NE(newer.failure().message.find("layout version 2"), std::string::npos) << newer.failure().message;
}

TEST_F(SegmentTest, KeepsARoleLockedWhileItIsMappedAndNotLonger) {
  SegmentFile file = make();
  ASSERT_TRUE(try_lock(file.fd.get(), name_, LockKind::sender));
  const SegmentFile other = open();
  EXPECT_TRUE(is_locked(other.fd.get(), name_, LockKind::sender));
  EXPECT_FALSE(is_locked(other.fd.get(), name_, LockKind::receiver));
  EXPECT_EQ(try_lock(other.fd.get(), name_, LockKind::sender).error(), Error::busy);
  {
    auto mapping = Mapping::map(file.fd.get(), segment_size(kParams));
    file.fd.reset();
    EXPECT_TRUE(is_locked(other.fd.get(), name_, LockKind::sender)) << "the mapping keeps it";
  }
  EXPECT_FALSE(is_locked(other.fd.get(), name_, LockKind::sender));
}

TEST_F(SegmentTest, FreesTheRolesOfAKilledProcess) {
  make();
  Gate locked;
  Child child([&] {
    const SegmentFile file = open();
    if (!try_lock(file.fd.get(), name_, LockKind::receiver)) return 1;
    locked.open();
    pause();
    return 0;
  });
  locked.wait();
  const SegmentFile file = open();
  EXPECT_TRUE(is_locked(file.fd.get(), name_, LockKind::receiver));
  EXPECT_EQ(child.kill_now(), -SIGKILL);
  EXPECT_FALSE(is_locked(file.fd.get(), name_, LockKind::receiver));
}

TEST_F(SegmentTest, DoesNotWaitForEverForAStoppedProcessThatSetsItUp) {
  const SegmentFile file = make();
  ASSERT_TRUE(try_lock(file.fd.get(), name_, LockKind::set_up));
  const SegmentFile other = open();
  EXPECT_EQ(lock_within(other.fd.get(), name_, LockKind::set_up, std::chrono::milliseconds(5)).error(), Error::busy);
}

/// An existing peer's way to attach.
void attach_as_existing_peer(const std::string& path, std::uint64_t size) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT, 0600);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(ftruncate(fd, static_cast<off_t>(size)), 0);
  close(fd);
}

TEST_F(SegmentTest, NoticesAnExistingPeerByItsTruncation) {
  for (const std::uint64_t size : {older_peer_size(kParams), newest_peer_size(kParams)}) {
    SegmentFile file = make();
    auto mapping = Mapping::map(file.fd.get(), segment_size(kParams));
    auto* tripwire = tripwire_of(mapping->address(), kParams);
    ASSERT_NE(tripwire, nullptr);
    for (int times = 0; times < 3; ++times) {  // also a second one, of the same size
      enter_role(file, *mapping, kParams, Role::sender, getpid());
      EXPECT_EQ(tripwire->load(), kTripwire);
      EXPECT_EQ(tripwire[kSenderInStepOffset].load() != 0, times == 0) << "an existing sender may still be there";
      attach_as_existing_peer(path(), size);
      EXPECT_EQ(tripwire->load(), 0);
      EXPECT_TRUE(read_segment_info(open())->existing_peer_seen);
      ASSERT_TRUE(set_up_segment(open(), kParams, {}));  // the next zipc peer
      EXPECT_TRUE(read_segment_info(open())->existing_peer_seen) << "it may still be there";
    }
    ASSERT_TRUE(remove_segment_file(name_));
  }
}

TEST_F(SegmentTest, CompletesASegmentThatAnExistingPeerHasMade) {
  attach_as_existing_peer(path(), older_peer_size(kParams));
  EXPECT_EQ(set_up_segment(open(), std::nullopt, {}).error(), Error::foreign_segment) << "it does not say its sizes";
  EXPECT_EQ(set_up_segment(open(), Params{.queue_size = 5, .message_size = 16}, {}).error(), Error::params_mismatch);
  ASSERT_TRUE(set_up_segment(open(), kParams, {.origin = Origin::direct}));
  const auto info = read_segment_info(open());
  ASSERT_TRUE(info);
  EXPECT_EQ(info->params, kParams);
  EXPECT_EQ(info->creator.origin, Origin::unknown) << "it is not ours to remove";
  EXPECT_TRUE(info->existing_peer_seen) << "it may still be there";
}

TEST_F(SegmentTest, ForgetsTheAnnouncementsOfAPeerThatWasKilled) {
  const SegmentFile file = make();
  auto mapping = Mapping::map(file.fd.get(), segment_size(kParams));
  mapping->header().receiver_features = kFeatureAnnouncesSleep;
  mapping->header().waiters = 9;
  enter_role(file, *mapping, kParams, Role::sender, getpid());
  EXPECT_EQ(mapping->header().receiver_features.load(), 0u);
  EXPECT_EQ(mapping->header().waiters.load(), 0u);
  EXPECT_NE(mapping->header().sender_features.load() & kFeatureAnnouncesSleep, 0u);
}

TEST(SegmentMemory, IsSetUpOverACallersGarbageAndChecksTheSizesAfterwards) {
  std::vector<std::uint64_t> memory(static_cast<std::size_t>(older_peer_size(kParams)) / 8 + 1, 0xA5A5A5A5A5A5A5A5);
  ASSERT_TRUE(set_up_memory(memory.data(), kParams));
  Ring ring(memory.data(), kParams, nullptr);
  EXPECT_EQ(ring.receive().error, Error::empty);
  ASSERT_EQ(ring.send("x", 1), Error::ok);
  ASSERT_TRUE(set_up_memory(memory.data(), kParams)) << "a second side";
  EXPECT_EQ(ring.receive().error, Error::ok);
}

}  // namespace
}  // namespace zipc
