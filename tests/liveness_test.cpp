// The kernel's word that a holder may have gone: daemon/liveness_inotify.cpp.
#include "daemon/liveness.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <utility>
#include <vector>

#include "common/unique_fd.h"

namespace zipc {
namespace {

class LivenessTest : public testing::Test {
 public:
  /// The watches of this process, as the kernel knows them.
  static int watches() {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
      std::ifstream file(entry.path());
      for (std::string line; std::getline(file, line);) count += line.starts_with("inotify wd:") ? 1 : 0;
    }
    return count;
  }
  static inline int most_watches = 0;  ///< when to refuse more, as the kernel would (see inotify_add_watch() below)

 protected:
  LivenessTest() {
    most_watches = 1000;
    liveness_.on_prompt([this](const std::string& name) {
      prompts_.push_back(name);
      return false;
    });
  }
  ~LivenessTest() override {
    liveness_.stop();
    std::filesystem::remove_all(folder_);
  }

  [[nodiscard]] UniqueFd open_file(const std::string& name) const {
    return UniqueFd(open((folder_ + "/" + name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  }
  void watch(const std::string& name) { liveness_.watch(name, open_file(name).get()); }  // prompts once it is read: it is closed
  /// What has been prompted for since the last time.
  std::vector<std::string> prompts() {
    liveness_.catch_up();
    return std::exchange(prompts_, {});
  }
  /// An open file description that could write comes to its end.
  std::vector<std::string> prompts_of_end(const std::string& name) {
    prompts();
    open_file(name).reset();
    return prompts();
  }

  std::string folder_ = std::filesystem::temp_directory_path() / ("zipc-liveness-" + std::to_string(getpid()));
  bool made_ = std::filesystem::create_directory(folder_);
  boost::asio::io_context io_;
  Liveness liveness_{io_, 2};
  std::vector<std::string> prompts_;
};

using Names = std::vector<std::string>;

TEST_F(LivenessTest, PromptsWhenADescriptionEnds) {
  watch("a");
  watch("b");
  EXPECT_EQ(prompts_of_end("a"), Names{"a"});
  EXPECT_EQ(prompts_of_end("b"), Names{"b"});
  liveness_.unwatch("a");
  EXPECT_EQ(prompts_of_end("a"), Names{});
  EXPECT_EQ(prompts_of_end("b"), Names{"b"});
}

TEST_F(LivenessTest, KeepsTheWatchOfAFileThatNobodyHolds) {
  watch("a");
  liveness_.rest("a");
  EXPECT_EQ(prompts_of_end("a"), Names{});
  EXPECT_EQ(watches(), 1);
  watch("a");
  EXPECT_EQ(prompts_of_end("a"), Names{"a"});
  EXPECT_EQ(watches(), 1);
  liveness_.rest("a");
  liveness_.unwatch("a");
  EXPECT_EQ(watches(), 0);
  liveness_.rest("never watched");
  EXPECT_EQ(watches(), 0);
}

TEST_F(LivenessTest, WatchesTheFileThatANameMeansByNow) {
  watch("a");
  liveness_.rest("a");
  std::filesystem::remove(folder_ + "/a");
  prompts();
  watch("a");  // another file
  EXPECT_EQ(prompts_of_end("a"), Names{"a"});
}

TEST_F(LivenessTest, WatchesAFileThatWasRenamed) {
  watch("a");
  liveness_.rest("a");
  std::filesystem::rename(folder_ + "/a", folder_ + "/b");
  watch("b");
  liveness_.unwatch("a");
  EXPECT_EQ(prompts_of_end("b"), Names{"b"});
  EXPECT_EQ(watches(), 1);
}

TEST_F(LivenessTest, GivesUpTheWatchesOfFilesThatNobodyHoldsForOthers) {
  most_watches = 2;
  watch("a");
  watch("b");
  liveness_.rest("a");
  watch("c");
  EXPECT_EQ(watches(), 2);
  EXPECT_EQ(prompts_of_end("b"), Names{"b"});
  EXPECT_EQ(prompts_of_end("c"), Names{"c"});
  watch("a");  // no room: logged
  EXPECT_EQ(prompts_of_end("a"), Names{});
  liveness_.rest("c");
  watch("a");
  EXPECT_EQ(prompts_of_end("a"), Names{"a"});
  EXPECT_EQ(prompts_of_end("b"), Names{"b"});
}

TEST_F(LivenessTest, KeepsSoManyWatchesOfFilesThatNobodyHolds) {
  for (const char* name : {"a", "b", "c"}) watch(name);
  for (const char* name : {"a", "b"}) liveness_.rest(name);
  liveness_.rest("b");  // again: it counts once
  EXPECT_EQ(watches(), 3);
  liveness_.rest("c");
  EXPECT_EQ(watches(), 2);
  Liveness keeps_none(io_, 0);
  const UniqueFd file = open_file("d");
  keeps_none.watch("d", file.get());
  EXPECT_EQ(watches(), 3);
  keeps_none.rest("d");
  EXPECT_EQ(watches(), 2);
  keeps_none.stop();
}

}  // namespace
}  // namespace zipc

extern "C" int inotify_add_watch(int fd, const char* path, std::uint32_t events) noexcept {
  if (zipc::LivenessTest::watches() < zipc::LivenessTest::most_watches) {
    return static_cast<int>(syscall(SYS_inotify_add_watch, fd, path, events));
  }
  errno = ENOSPC;
  return -1;
}
