// The kernel's word that a holder may have gone: daemon/liveness_inotify.cpp.
#include "daemon/liveness.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <utility>
#include <vector>

#include "common/unique_fd.h"

namespace zipc {
namespace {

class LivenessTest : public testing::Test {
 protected:
  LivenessTest() {
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
  static int watches() {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
      std::ifstream file(entry.path());
      for (std::string line; std::getline(file, line);) count += line.starts_with("inotify wd:") ? 1 : 0;
    }
    return count;
  }

  std::string folder_ = std::filesystem::temp_directory_path() / ("zipc-liveness-" + std::to_string(getpid()));
  bool made_ = std::filesystem::create_directory(folder_);
  boost::asio::io_context io_;
  Liveness liveness_{io_};
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

/// Runs `body` in a child that may watch `most` files; the kernel's refusal to let it be set, or nothing.
std::string with_limit_of_watches(int most, const std::function<void()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWUSER) != 0) _exit(77);
    std::ofstream limit("/proc/sys/user/max_inotify_watches");
    if (!(limit << most << std::flush)) _exit(77);
    body();
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) return "no user namespaces here, or no limit of watches in them";
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "in the child; see above";
  return {};
}

TEST(LimitedLivenessTest, GivesUpTheWatchesOfFilesThatNobodyHoldsForOthers) {
  class Limited : public LivenessTest {
   public:
    void TestBody() override {
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
  };
  const std::string refused = with_limit_of_watches(2, [] { Limited().TestBody(); });
  if (!refused.empty()) GTEST_SKIP() << refused;
}

}  // namespace
}  // namespace zipc
