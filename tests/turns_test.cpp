// Whose call comes next: daemon/turns.cpp.
#include "daemon/turns.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <string>

namespace zipc {
namespace {

namespace asio = boost::asio;

class TurnsTest : public testing::Test {
 protected:
  /// A connection of `uid` with `calls` calls to be served, each of which is written down as `name`.
  asio::awaitable<void> connection(uid_t uid, char name, int calls) {
    for (int i = 0; i < calls; ++i) {
      co_await turns_.next(uid);
      served_.push_back(name);
    }
  }
  void connect(uid_t uid, char name, int calls) { asio::co_spawn(io_, connection(uid, name, calls), asio::detached); }
  const std::string& serve() {
    io_.run();
    return served_;
  }

  asio::io_context io_{1};
  Turns turns_{io_};
  std::string served_;
};

TEST_F(TurnsTest, ServesOneConnectionInOneGo) {
  connect(1, 'a', 3);
  EXPECT_EQ(serve(), "aaa");
}

TEST_F(TurnsTest, GoRoundByUser) {
  connect(1, 'a', 3);
  connect(2, 'b', 3);
  connect(3, 'c', 1);
  EXPECT_EQ(serve(), "abcabab");
}

TEST_F(TurnsTest, GiveAUserOfManyConnectionsNoMoreThanOneOfOne) {
  for (const char name : {'a', 'b', 'c', 'd'}) connect(1, name, 2);
  connect(2, 'x', 2);
  EXPECT_EQ(serve(), "axbxcdabcd");
}

TEST_F(TurnsTest, GoRoundAmongTheConnectionsOfAUser) {
  connect(1, 'a', 3);
  connect(1, 'b', 2);
  EXPECT_EQ(serve(), "ababa");
}

TEST_F(TurnsTest, LetWhoComesLateWaitForOneCallOfEachOther) {
  for (const char name : {'a', 'b', 'c'}) connect(1, name, 100);
  connect(2, 'd', 100);
  connect(3, 'x', 1);
  while (served_.size() < 50) io_.run_one();
  const std::size_t before = served_.size();
  connect(4, 'y', 1);
  serve();
  EXPECT_LE(served_.find('y') - before, 3U) << served_;  // one had its turn when y came
  EXPECT_EQ(served_.size(), 402U);
}

TEST_F(TurnsTest, LetTheIoContextDoOtherThingsInBetween) {
  connect(1, 'a', 3);
  const auto other = [this](auto again, int times) -> void {
    if (times == 0) return;
    asio::post(io_, [this, again, times] {
      served_.push_back('-');
      again(again, times - 1);
    });
  };
  other(other, 3);
  serve();
  EXPECT_EQ(served_.find("aa"), std::string::npos) << served_;
}

TEST_F(TurnsTest, GoOnAfterAllHaveBeenServed) {
  connect(1, 'a', 1);
  serve();
  io_.restart();
  connect(2, 'b', 1);
  EXPECT_EQ(serve(), "ab");
}

}  // namespace
}  // namespace zipc
