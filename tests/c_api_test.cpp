// The C API in direct mode: what zipc-compatible programs rely on, and what went wrong in existing implementations.
#include <dirent.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zipc.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <set>
#include <string>
#include <thread>
#include <vector>
#include <zipc/layout.hpp>

#include "tests/support/processes.h"
#include "tests/support/self_checking.h"

namespace {

using zipc::test::Child;
using zipc::test::Gate;

const std::uint8_t* bytes(const char* text) { return reinterpret_cast<const std::uint8_t*>(text); }

class CApi : public testing::Test {
 protected:
  ~CApi() override { zipc_unlink(name_.c_str()); }
  [[nodiscard]] const char* name() const { return name_.c_str(); }
  [[nodiscard]] std::string path() const { return "/dev/shm" + name_; }

  static std::string receive(ZipcContext& receiver) {
    std::uint8_t* message = nullptr;
    const std::uint32_t size = zipc_receive(&receiver, &message);
    return message == nullptr ? "(none)" : std::string(reinterpret_cast<char*>(message), size);
  }
  static bool send(ZipcContext& sender, const std::string& text) {
    return zipc_send(&sender, bytes(text.c_str()), text.size());
  }
  static zipc_error last() { return zipc_last_error()->code; }

  const std::string name_ = zipc::test::unique_name("c");
};

TEST_F(CApi, CarriesMessagesWhicheverSideComesFirst) {
  for (const bool sender_first : {true, false}) {
    ZipcContext sender{}, receiver{};
    if (sender_first) sender = zipc_create_sender(name(), 8, 64);
    receiver = zipc_create_receiver(name(), 8, 64);
    if (!sender_first) sender = zipc_create_sender(name(), 8, 64);
    ASSERT_NE(sender.queue, nullptr);
    ASSERT_NE(receiver.queue, nullptr);
    EXPECT_TRUE(send(sender, "hello"));
    EXPECT_EQ(receive(receiver), "hello");
    EXPECT_EQ(receive(receiver), "(none)");
    zipc_destroy(&sender);
    zipc_destroy(&receiver);
  }
}

TEST_F(CApi, FillsTheContextsPublicFields) {
  ZipcContext receiver = zipc_create_receiver(name(), 8, 64);
  EXPECT_EQ(receiver.mode, ZIPC_MODE_CLIENT);
  EXPECT_STREQ(receiver.name, name());
  EXPECT_EQ(receiver.params.queue_size, 8u);
  EXPECT_EQ(receiver.params.message_size, 64u);
  EXPECT_STREQ(zipc_shm_path(name()), path().c_str());
  EXPECT_EQ(access(zipc_shm_path(name()), F_OK), 0);
}

TEST_F(CApi, OpensAnExistingChannelByNameWithItsSizes) {
  EXPECT_EQ(zipc_open_sender(name()).queue, nullptr);
  EXPECT_EQ(last(), ZIPC_ERROR_CHANNEL_NOT_FOUND);
  ZipcContext receiver = zipc_create_receiver(name(), 8, 64);
  ZipcContext sender = zipc_open_sender(name());
  ASSERT_NE(sender.queue, nullptr);
  EXPECT_EQ(sender.params.queue_size, 8u);
  EXPECT_TRUE(send(sender, "x"));
  EXPECT_EQ(receive(receiver), "x");
}

// ---- What went wrong in existing implementations --------------------------------------------------------------------

TEST_F(CApi, RefusesToSendToAFullQueueAndKeepsWhatTheReceiverReads) {
  ZipcContext sender = zipc_create_sender(name(), 4, 8);
  ZipcContext receiver = zipc_create_receiver(name(), 4, 8);
  ASSERT_TRUE(send(sender, "held"));
  std::uint8_t* held = nullptr;
  ASSERT_EQ(zipc_receive(&receiver, &held), 4u);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(send(sender, "more"));
  EXPECT_FALSE(send(sender, "lost"));
  EXPECT_EQ(last(), ZIPC_ERROR_FULL);
  EXPECT_EQ(std::string(zipc_last_error()->message),
            "channel " + name_ + " is full: 3 messages wait in its 4 slots");
  EXPECT_EQ(std::string(reinterpret_cast<char*>(held), 4), "held");
}

TEST_F(CApi, RefusesAnOversizedMessageAndKeepsTheNeighbouringSlotAndTheFlag) {
  ZipcContext sender = zipc_create_sender(name(), 2, 8);
  ZipcContext receiver = zipc_create_receiver(name(), 2, 8);
  const std::vector<std::uint8_t> huge(1 << 20, 0xEE);
  for (const std::size_t size : {std::size_t{9}, huge.size()}) {
    EXPECT_FALSE(zipc_send(&sender, huge.data(), size));
    EXPECT_EQ(last(), ZIPC_ERROR_MESSAGE_TOO_LARGE);
  }
  std::uint32_t flag = 0;
  std::memcpy(&flag, reinterpret_cast<const std::byte*>(sender.queue) + zipc::init_flag_offset({2, 8}), sizeof flag);
  EXPECT_EQ(flag, 0x5A495043u);
  EXPECT_EQ(*sender.init_flag, 0x5A495043);
  EXPECT_TRUE(send(sender, "fits"));
  EXPECT_EQ(receive(receiver), "fits");
}

TEST_F(CApi, RefusesASecondSenderAndASecondReceiverOfAnotherProcessAndSaysWhoHoldsTheRole) {
  ZipcContext sender = zipc_create_sender(name(), 4, 8);
  ZipcContext receiver = zipc_create_receiver(name(), 4, 8);
  const pid_t parent = getpid();
  Child child([&] {
    for (auto* create : {&zipc_create_sender, &zipc_create_receiver}) {
      if (create(name(), 4, 8).queue != nullptr || last() != ZIPC_ERROR_ROLE_TAKEN) return 1;
      if (zipc_last_error()->holder_pid != parent) return 2;
      if (std::string(zipc_last_error()->message).find(std::to_string(parent)) == std::string::npos) return 3;
    }
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_TRUE(send(sender, "x"));
  EXPECT_EQ(receive(receiver), "x");
}

TEST_F(CApi, RefusesOtherSizesAndLeavesTheLiveFileAlone) {
  ZipcContext sender = zipc_create_sender(name(), 1024, 4096);
  ASSERT_NE(sender.queue, nullptr);
  for (const auto& [q, m] : {std::pair{8u, 64u}, std::pair{1024u, 64u}, std::pair{2048u, 4096u}}) {
    EXPECT_EQ(zipc_create_receiver(name(), q, m).queue, nullptr);
    EXPECT_EQ(last(), ZIPC_ERROR_PARAMS_MISMATCH);
  }
  const std::string message = zipc_last_error()->message;
  EXPECT_NE(message.find("1024"), std::string::npos) << message;
  EXPECT_NE(message.find("2048"), std::string::npos) << message;
  const std::vector<std::uint8_t> full(4096, 1);
  for (int i = 0; i < 1023; ++i) ASSERT_TRUE(zipc_send(&sender, full.data(), full.size())) << "SIGBUS otherwise";
}

TEST_F(CApi, RefusesNamesThatAreNotChannelNames) {
  for (const char* bad : {"", "/", "camera", "/a/b", "/../x", "/a b", "/0123456789012345678901234567890123456789"}) {
    EXPECT_EQ(zipc_create_sender(bad, 4, 8).queue, nullptr) << bad;
    EXPECT_EQ(last(), ZIPC_ERROR_INVALID_NAME) << bad;
    EXPECT_EQ(zipc_shm_path(bad), nullptr) << bad;
    zipc_unlink(bad);
  }
  EXPECT_EQ(zipc_create_sender(nullptr, 4, 8).queue, nullptr);
  EXPECT_EQ(last(), ZIPC_ERROR_INVALID_ARGUMENT);
}

TEST_F(CApi, RefusesSizesThatCannotWork) {
  for (const auto& [q, m] : {std::pair{0u, 8u}, std::pair{1u, 8u}, std::pair{8u, 0u}, std::pair{~0u, ~0u}}) {
    EXPECT_EQ(zipc_create_sender(name(), q, m).queue, nullptr);
    EXPECT_EQ(last(), ZIPC_ERROR_INVALID_PARAMS);
    EXPECT_EQ(zipc_shared_memory_size(q, m), 0u);
  }
  EXPECT_EQ(access(path().c_str(), F_OK), -1) << "nothing was created";
}

TEST_F(CApi, WorksWithSizesWhoseProductDoesNotFit32Bits) {
  EXPECT_EQ(zipc_shared_memory_size(65536, 131072), 260 + 8 * 65536ull + 65536ull * 131072);
}

TEST_F(CApi, AnswersThatSharedMemoryIsFullAndLeavesNothingBehind) {
  EXPECT_EQ(zipc_create_sender(name(), 1u << 24, 1u << 31).queue, nullptr);  // 32 PiB
  EXPECT_EQ(last(), ZIPC_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(access(path().c_str(), F_OK), -1);
  EXPECT_NE(zipc_create_sender(name(), 4, 8).queue, nullptr) << "the name is not blocked";
}

int open_files() {
  int count = 0;
  DIR* folder = opendir("/proc/self/fd");
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}
int mappings() {
  int count = 0;
  std::FILE* maps = std::fopen("/proc/self/maps", "r");
  for (int c = 0; (c = std::fgetc(maps)) != EOF;) count += c == '\n' ? 1 : 0;
  std::fclose(maps);
  return count;
}

TEST_F(CApi, LeaksNoDescriptorAndNoMapping) {
  const auto pair = [&] {
    ZipcContext sender = zipc_create_sender(name(), 4, 8);
    ZipcContext receiver = zipc_create_receiver(name(), 4, 8);
    ASSERT_TRUE(send(sender, "x"));
    receive(receiver);
    static_cast<void>(zipc_shm_path(name()));
    zipc_destroy(&sender);
    zipc_destroy(&receiver);
  };
  pair();
  const int files = open_files();
  const int maps = mappings();
  for (int i = 0; i < 100; ++i) pair();
  EXPECT_EQ(open_files(), files);
  EXPECT_LE(mappings(), maps + 2);  // the allocator may map a little
}

TEST_F(CApi, KeepsNoDescriptorOpenForAnAttachedChannel) {
  const int files = open_files();
  ZipcContext sender = zipc_create_sender(name(), 4, 8);
  ASSERT_NE(sender.queue, nullptr);
  EXPECT_EQ(open_files(), files);
}

TEST_F(CApi, AcceptsEveryTimeoutAndKeepsItByTheMonotonicClock) {
  using std::chrono::milliseconds;
  ZipcContext receiver = zipc_create_receiver(name(), 4, 8);
  std::uint8_t* message = nullptr;
  for (const std::uint16_t timeout : std::initializer_list<std::uint16_t>{0, 1, 30, 1100}) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(zipc_receive_blocking(&receiver, &message, timeout), 0u);
    EXPECT_EQ(message, nullptr);
    EXPECT_EQ(last(), ZIPC_ERROR_TIMEOUT);
    EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(timeout));
  }
  ZipcContext sender = zipc_create_sender(name(), 4, 8);
  ASSERT_TRUE(send(sender, "x"));
  EXPECT_EQ(zipc_receive_blocking(&receiver, &message, 65535), 1u);
}

TEST_F(CApi, GivesEveryContextAnIdOfItsOwn) {
  std::set<std::uint64_t> ids;
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(ids.insert(zipc_create_sender(name(), 4, 8).id).second);
}

TEST_F(CApi, SurvivesHostileIndicesAndLengths) {
  ZipcContext sender = zipc_create_sender(name(), 4, 8);
  ZipcContext receiver = zipc_create_receiver(name(), 4, 8);
  auto* words = reinterpret_cast<volatile std::uint32_t*>(receiver.queue);
  std::uint8_t* message = nullptr;
  words[16] = 0xffffffff;  // tail
  EXPECT_EQ(zipc_receive(&receiver, &message), 0u);
  EXPECT_EQ(last(), ZIPC_ERROR_CORRUPT);
  EXPECT_EQ(zipc_receive_blocking(&receiver, &message, 65535), 0u) << "at once";
#ifdef __linux__
  EXPECT_TRUE(send(sender, "x")) << "the sender does not go by what others can write";
  EXPECT_EQ(receive(receiver), "x");
#else
  words[16] = 1;
  words[0] = 1;
#endif
  words[0] = 7;  // head
  EXPECT_EQ(zipc_receive(&receiver, &message), 0u);
  EXPECT_EQ(last(), ZIPC_ERROR_CORRUPT);
  words[0] = 1;
  ASSERT_TRUE(send(sender, "x"));
  words[34] = 9;  // length of slot 1
  EXPECT_EQ(zipc_receive(&receiver, &message), 0u);
  EXPECT_EQ(message, nullptr);
  EXPECT_EQ(last(), ZIPC_ERROR_CORRUPT);
}

// ---- What existing programs do --------------------------------------------------------------------------------------

TEST_F(CApi, LetsTheSameProcessTakeARoleAgainAndGoOnWhereItWas) {
  ZipcContext first = zipc_create_sender(name(), 8, 8);
  ZipcContext receiver = zipc_create_receiver(name(), 8, 8);
  ASSERT_TRUE(send(first, "1"));
  ZipcContext second = zipc_create_sender(name(), 8, 8);
  ASSERT_NE(second.queue, nullptr);
  ASSERT_TRUE(send(second, "2"));
  ASSERT_TRUE(send(first, "3"));
  ZipcContext receiver_again = zipc_create_receiver(name(), 8, 8);
  EXPECT_EQ(receive(receiver), "1");
  EXPECT_EQ(receive(receiver_again), "2");
  EXPECT_EQ(receive(receiver), "3");
  zipc_destroy(&first);
  EXPECT_TRUE(send(second, "4")) << "destroying one context leaves the other alive";
  EXPECT_EQ(receive(receiver_again), "4");
}

TEST_F(CApi, KeepsAnOldMappingAliveWhenTheNameIsUnlinkedAndCreatedAnew) {
  ZipcContext old_sender = zipc_create_sender(name(), 4, 8);
  ZipcContext old_receiver = zipc_create_receiver(name(), 4, 8);
  zipc_unlink(name());
  ZipcContext new_sender = zipc_create_sender(name(), 16, 32);
  ZipcContext new_receiver = zipc_create_receiver(name(), 16, 32);
  ASSERT_NE(new_receiver.queue, nullptr);
  ASSERT_TRUE(send(old_sender, "old"));
  ASSERT_TRUE(send(new_sender, "new"));
  EXPECT_EQ(receive(new_receiver), "new");
  EXPECT_EQ(receive(old_receiver), "old");
}

/// An existing peer, which goes by the header alone.
class ExistingSender {
 public:
  ExistingSender(std::string path, ZipcContext& mapped) : path_(std::move(path)), mapped_(mapped) {}
  void attach() {
#ifdef __linux__  // elsewhere it cannot, and leaves no trace
    ASSERT_EQ(truncate(path_.c_str(), static_cast<off_t>(zipc::older_peer_size(params()))), 0);
#endif
  }
  void send(char letter) {
    auto* header = reinterpret_cast<zipc::SegmentHeader*>(mapped_.queue);
    const std::uint32_t tail = header->tail;
    reinterpret_cast<volatile char*>(header)[zipc::buffers_offset(params()) + tail * params().message_size] = letter;
    reinterpret_cast<zipc::ItemLength*>(header + 1)[tail] = 1;
    header->tail = (tail + 1) % params().queue_size;
  }

 private:
  [[nodiscard]] zipc::Params params() const {
    return {.queue_size = mapped_.params.queue_size, .message_size = mapped_.params.message_size};
  }
  std::string path_;
  ZipcContext& mapped_;
};

TEST_F(CApi, GoesOnBehindAnExistingSenderThatHasSentMeanwhile) {
  for (const std::uint32_t size : {8u, 472u}) {  // which has no tripwire
    for (const bool comes_first : {false, true}) {
      for (const bool receiver_comes_again : {false, true}) {
#ifdef __linux__  // elsewhere the file's size tells nothing
        EXPECT_EQ(zipc::tripwire_usable({8, size}, 4096), size == 8);
#endif
        ZipcContext receiver = zipc_create_receiver(name(), 8, size);
        ExistingSender existing(path(), receiver);
        if (comes_first) existing.attach();
        ZipcContext sender = zipc_create_sender(name(), 8, size);
        ASSERT_TRUE(send(sender, "a"));
        if (!comes_first) existing.attach();
        existing.send('b');
        if (receiver_comes_again) {
          zipc_destroy(&receiver);
          receiver = zipc_create_receiver(name(), 8, size);
        }
        ASSERT_TRUE(send(sender, "c"));
        existing.send('d');
        ASSERT_TRUE(send(sender, "e"));
        for (const char* expected : {"a", "b", "c", "d", "e"}) EXPECT_EQ(receive(receiver), expected);
        zipc_destroy(&sender);
        zipc_destroy(&receiver);
        zipc_unlink(name());
      }
    }
  }
}

TEST_F(CApi, BelievesNoCopyThatAnExistingSenderHasMadeWrongThatWasThereUnseen) {
  ZipcContext sender = zipc_create_sender(name(), 8, 8);
  ZipcContext receiver = zipc_create_receiver(name(), 8, 8);
  for (const char* text : {"a", "b", "c", "d", "e"}) {
    ASSERT_TRUE(send(sender, text));
    ASSERT_EQ(receive(receiver), text);
  }
  zipc_destroy(&sender);
  // It resets the queue, as some do where they do not find the init flag, and goes. The next one arms the tripwire again.
  ExistingSender(path(), receiver).attach();
  auto& header = *reinterpret_cast<zipc::SegmentHeader*>(receiver.queue);
  header.head = 0;
  header.tail = 0;
  sender = zipc_create_sender(name(), 8, 8);
  ASSERT_NE(sender.queue, nullptr) << zipc_last_error()->message;
  std::uint8_t* message = nullptr;
  do zipc_receive(&receiver, &message);
  while (message == nullptr && last() == ZIPC_ERROR_PEER_GONE);
  EXPECT_EQ(message, nullptr) << "of a lap before";
  ASSERT_TRUE(send(sender, "f"));
  EXPECT_EQ(receive(receiver), "f");
  zipc_destroy(&sender);
  zipc_destroy(&receiver);
}

TEST_F(CApi, GoesOnBehindAnExistingSenderInAForkedChildWhoseParentHasLeft) {
  ZipcContext sender = zipc_create_sender(name(), 8, 8);
  Gate go;
  Child child([&] {
    go.wait();
    return send(sender, "c") ? 0 : 1;
  });
  ZipcContext receiver = zipc_create_receiver(name(), 8, 8);
  ExistingSender existing(path(), receiver);
  ASSERT_TRUE(send(sender, "a"));
  zipc_destroy(&sender);
  existing.attach();
  existing.send('b');
  zipc_destroy(&receiver);
  receiver = zipc_create_receiver(name(), 8, 8);  // arms the tripwire
  go.open();
  EXPECT_EQ(child.wait(), 0);
  for (const char* expected : {"a", "b", "c"}) EXPECT_EQ(receive(receiver), expected);
}

#ifdef __linux__
TEST_F(CApi, GoesOnWhenAnImpossibleIndexHasBeenPutRight) {
  ZipcContext receiver = zipc_create_receiver(name(), 8, 8);
  ZipcContext sender = zipc_create_sender(name(), 8, 8);
  auto& header = *reinterpret_cast<zipc::SegmentHeader*>(sender.queue);
  header.tail = 0xffffffff;
  auto* tripwire = reinterpret_cast<std::byte*>(sender.queue) + zipc::tripwire_offset({8, 8});
  tripwire[zipc::kSenderInStepOffset] = std::byte{0};  // as an existing peer does
  EXPECT_FALSE(send(sender, "x"));
  EXPECT_EQ(last(), ZIPC_ERROR_CORRUPT);
  header.tail = 0;
  EXPECT_TRUE(send(sender, "x"));
  EXPECT_EQ(receive(receiver), "x");
}
#endif

TEST_F(CApi, LetsAForkedChildGoOnWhileItsParentTakesAnotherRole) {
  const std::string other = std::string(name()) + "2";
  ZipcContext sender = zipc_create_sender(name(), 8, 8);
  ASSERT_TRUE(send(sender, "a"));
  Gate left;
  Child child([&] {
    left.wait();
    return send(sender, "b") && send(sender, "c") ? 0 : 1;
  });
  zipc_destroy(&sender);
  ZipcContext next = zipc_create_sender(other.c_str(), 4, 16);
  ASSERT_TRUE(send(next, "1"));
  left.open();
  EXPECT_EQ(child.wait(), 0);
  ASSERT_TRUE(send(next, "2"));
  ZipcContext receiver = zipc_create_receiver(name(), 8, 8);
  for (const char* expected : {"a", "b", "c"}) EXPECT_EQ(receive(receiver), expected);
  ZipcContext next_receiver = zipc_create_receiver(other.c_str(), 4, 16);
  for (const char* expected : {"1", "2"}) EXPECT_EQ(receive(next_receiver), expected);
  zipc_unlink(other.c_str());
}

// Every sender has copies of the header of its own, which nobody else may be given.
TEST_F(CApi, HasManySendersInAParentAndItsChild) {
  constexpr int kEach = 50;
  const auto name_of = [this](int number) { return std::string(name()) + std::to_string(number); };
  const auto make = [&](int first) {
    std::vector<ZipcContext> senders;
    for (int i = first; i < first + kEach; ++i) senders.push_back(zipc_create_sender(name_of(i).c_str(), 4, 8));
    return senders;
  };
  std::vector<ZipcContext> senders = make(0);
  Child child([&] {
    for (int i = 0; i < kEach / 2; ++i) zipc_destroy(&senders[static_cast<std::size_t>(i)]);  // its parent's they stay
    std::vector<ZipcContext> own = make(kEach);
    for (int round = 0; round < 3; ++round) {
      for (ZipcContext& sender : own) {
        if (!send(sender, std::to_string(round).c_str())) return 1;
      }
    }
    return 0;
  });
  ASSERT_TRUE(send(senders[0], "before"));
  EXPECT_EQ(child.wait(), 0);
  for (int round = 0; round < 2; ++round) {
    for (ZipcContext& sender : senders) ASSERT_TRUE(send(sender, std::to_string(round).c_str()));
  }
  for (int i = 0; i < 2 * kEach; ++i) {
    ZipcContext receiver = zipc_create_receiver(name_of(i).c_str(), 4, 8);
    if (i == 0) {
      EXPECT_EQ(receive(receiver), "before");
    }
    EXPECT_EQ(receive(receiver), "0");
    EXPECT_EQ(receive(receiver), "1");
    zipc_destroy(&receiver);
  }
  for (ZipcContext& sender : senders) zipc_destroy(&sender);
  for (int i = 0; i < 2 * kEach; ++i) zipc_unlink(name_of(i).c_str());
}

TEST_F(CApi, LetsAForkedChildUseAnInheritedContext) {
  ZipcContext sender = zipc_create_sender(name(), 8, 64);
  ZipcContext receiver = zipc_create_receiver(name(), 8, 64);
  ASSERT_TRUE(send(sender, "from the parent"));
  Child child([&] { return send(sender, "from the child") ? 0 : 1; });
  EXPECT_EQ(child.wait(), 0);
  ASSERT_TRUE(send(sender, "from the parent again"));
  EXPECT_EQ(receive(receiver), "from the parent");
  EXPECT_EQ(receive(receiver), "from the child");
  EXPECT_EQ(receive(receiver), "from the parent again");
}

TEST_F(CApi, KeepsTheParentsRoleWhenAChildDestroysItsInheritedContextOrEnds) {
  ZipcContext sender = zipc_create_sender(name(), 8, 64);
  Child child([&] {
    zipc_destroy(&sender);
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
  Child other([&] { return zipc_create_sender(name(), 8, 64).queue == nullptr && last() == ZIPC_ERROR_ROLE_TAKEN ? 0 : 1; });
  EXPECT_EQ(other.wait(), 0);
  EXPECT_TRUE(send(sender, "x"));
}

TEST_F(CApi, LetsAChildTakeOverTheRoleOfAParentThatIsGone) {
  Gate parent_gone;
  Gate done;
  int result[2];
  ASSERT_EQ(pipe(result), 0);
  Child parent([&] {
    ZipcContext sender = zipc_create_sender(name(), 8, 64);
    if (!send(sender, "parent")) return 1;
    if (fork() != 0) return 0;
    parent_gone.wait();
    ZipcContext again = zipc_create_sender(name(), 8, 64);
    const bool sent = again.queue != nullptr && send(again, "child");
    static_cast<void>(!write(result[1], sent ? "y" : "n", 1));
    return 0;
  });
  EXPECT_EQ(parent.wait(), 0);
  parent_gone.open();
  char answer = 0;
  ASSERT_EQ(read(result[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  ZipcContext receiver = zipc_create_receiver(name(), 8, 64);
  EXPECT_EQ(receive(receiver), "parent");
  EXPECT_EQ(receive(receiver), "child");
}

TEST_F(CApi, LetsASuccessorGoOnWhereAKilledSenderAndReceiverWere) {
  Gate sent;
  Child sender([&] {
    ZipcContext context = zipc_create_sender(name(), 8, 64);
    const bool good = send(context, "1") && send(context, "2");
    sent.open();
    pause();
    return good ? 0 : 1;
  });
  sent.wait();
  Gate peeked;
  Child receiver([&] {
    ZipcContext context = zipc_create_receiver(name(), 8, 64);
    const bool good = receive(context) == "1";
    std::uint8_t* message = nullptr;
    static_cast<void>(zipc_peek(&context, &message));
    peeked.open();
    pause();
    return good ? 0 : 1;
  });
  peeked.wait();
  sender.kill_now();
  receiver.kill_now();
  ZipcContext next_sender = zipc_create_sender(name(), 8, 64);
  ZipcContext next_receiver = zipc_create_receiver(name(), 8, 64);
  ASSERT_NE(next_sender.queue, nullptr) << zipc_last_error()->message;
  ASSERT_NE(next_receiver.queue, nullptr) << zipc_last_error()->message;
  EXPECT_TRUE(send(next_sender, "3"));
  EXPECT_EQ(receive(next_receiver), "2") << "peeked and not popped: it is delivered again";
  EXPECT_EQ(receive(next_receiver), "3");
}

// ---- The new calls --------------------------------------------------------------------------------------------------

TEST_F(CApi, DoesNothingOnADeadContext) {
  ZipcContext sender = zipc_create_sender(name(), 4, 8);
  zipc_destroy(&sender);
  zipc_destroy(&sender);
  zipc_destroy(nullptr);
  EXPECT_EQ(sender.queue, nullptr);
  EXPECT_EQ(sender.buffers, nullptr);
  EXPECT_EQ(sender.init_flag, nullptr);
  EXPECT_FALSE(send(sender, "x"));
  EXPECT_EQ(last(), ZIPC_ERROR_CLOSED);
  EXPECT_FALSE(zipc_send_blocking(&sender, bytes("x"), 1, 65535));
  EXPECT_EQ(zipc_loan(&sender), nullptr);
  EXPECT_FALSE(zipc_publish(&sender, 1));
  ZipcStats stats;
  EXPECT_FALSE(zipc_stats(&sender, &stats));
  EXPECT_EQ(zipc_dump_hex(&sender, nullptr, 0), 0u);
  ZipcContext receiver{};
  std::uint8_t* message = reinterpret_cast<std::uint8_t*>(1);
  EXPECT_EQ(zipc_receive(&receiver, &message), 0u);
  EXPECT_EQ(message, nullptr);
  EXPECT_EQ(zipc_receive_blocking(&receiver, &message, 65535), 0u);
  EXPECT_EQ(zipc_peek(&receiver, &message), 0u);
  EXPECT_FALSE(zipc_pop(&receiver));
}

TEST_F(CApi, RefusesToSendOnAReceiverAndToReceiveOnASender) {
  ZipcContext sender = zipc_create_sender(name(), 4, 8);
  ZipcContext receiver = zipc_create_receiver(name(), 4, 8);
  std::uint8_t* message = nullptr;
  EXPECT_FALSE(send(receiver, "x"));
  EXPECT_EQ(last(), ZIPC_ERROR_CLOSED);
  EXPECT_EQ(zipc_last_error()->message, "this context is the receiver of " + std::string(name()) + "; sending needs a sender");
  EXPECT_EQ(zipc_receive(&sender, &message), 0u);
  EXPECT_EQ(last(), ZIPC_ERROR_CLOSED);
  EXPECT_EQ(zipc_last_error()->message, "this context is the sender of " + std::string(name()) + "; receiving needs a receiver");
}

TEST_F(CApi, RefusesNullPointersWithAnAnswer) {
  ZipcContext sender = zipc_create_sender(name(), 4, 8);
  ZipcContext receiver = zipc_create_receiver(name(), 4, 8);
  EXPECT_FALSE(zipc_send(&sender, nullptr, 1));
  EXPECT_EQ(last(), ZIPC_ERROR_INVALID_ARGUMENT);
  EXPECT_FALSE(zipc_send(nullptr, bytes("x"), 1));
  EXPECT_EQ(zipc_receive(&receiver, nullptr), 0u);
  EXPECT_FALSE(zipc_stats(&sender, nullptr));
  EXPECT_EQ(zipc_dump_hex(&sender, nullptr, 5), 0u);
  EXPECT_EQ(zipc_init_sender(nullptr, nullptr, 4, 8, 0).queue, nullptr);
}

TEST_F(CApi, TellsAnEmptyMessageFromAnEmptyQueue) {
  ZipcContext sender = zipc_create_sender(name(), 4, 8);
  ZipcContext receiver = zipc_create_receiver(name(), 4, 8);
  std::uint8_t* message = nullptr;
  EXPECT_TRUE(zipc_send(&sender, nullptr, 0));
  EXPECT_EQ(zipc_receive(&receiver, &message), 0u);
  EXPECT_NE(message, nullptr);
  EXPECT_EQ(zipc_receive(&receiver, &message), 0u);
  EXPECT_EQ(message, nullptr);
}

TEST_F(CApi, WaitsForSpaceUntilTheReceiverMakesSome) {
  ZipcContext sender = zipc_create_sender(name(), 2, 8);
  ZipcContext receiver = zipc_create_receiver(name(), 2, 8);
  ASSERT_TRUE(send(sender, "1"));
  EXPECT_FALSE(zipc_send_blocking(&sender, bytes("2"), 1, 5));
  EXPECT_EQ(last(), ZIPC_ERROR_TIMEOUT);
  std::thread reader([&] {
    std::uint8_t* message = nullptr;
    EXPECT_EQ(zipc_receive_blocking(&receiver, &message, 65535), 1u);
  });
  EXPECT_TRUE(zipc_send_blocking(&sender, bytes("2"), 1, 65535));
  reader.join();
  EXPECT_EQ(receive(receiver), "2");
}

TEST_F(CApi, WritesAndReadsInPlace) {
  ZipcContext sender = zipc_create_sender(name(), 2, 8);
  ZipcContext receiver = zipc_create_receiver(name(), 2, 8);
  std::uint8_t* slot = zipc_loan(&sender);
  ASSERT_NE(slot, nullptr);
  std::memcpy(slot, "in place", 8);
  ASSERT_TRUE(zipc_publish(&sender, 8));
  EXPECT_EQ(zipc_loan(&sender), nullptr);
  EXPECT_EQ(last(), ZIPC_ERROR_FULL);
  std::uint8_t* message = nullptr;
  EXPECT_EQ(zipc_peek(&receiver, &message), 8u);
  EXPECT_EQ(message, slot - reinterpret_cast<std::uint8_t*>(sender.queue) + reinterpret_cast<std::uint8_t*>(receiver.queue));
  EXPECT_TRUE(zipc_pop(&receiver));
  EXPECT_FALSE(zipc_pop(&receiver));
  EXPECT_EQ(last(), ZIPC_ERROR_EMPTY);
}

TEST_F(CApi, SendsAndReceivesBatchesAlsoAroundTheEndOfTheQueue) {
  ZipcContext sender = zipc_create_sender(name_.c_str(), 8, 4);
  ZipcContext receiver = zipc_create_receiver(name_.c_str(), 8, 4);
  std::uint32_t number = 0;
  std::uint32_t expected = 0;
  for (int round = 0; round < 20; ++round) {
    for (int part = 0; part < 2; ++part) {  // the second meets the end of the queue, or the slots that are taken
      std::uint8_t* slots = nullptr;
      const std::uint32_t count = zipc_loan_batch(&sender, &slots, 5);
      if (count == 0) {
        EXPECT_EQ(zipc_last_error()->code, ZIPC_ERROR_FULL);
        break;
      }
      ASSERT_LE(count, 5u);
      std::uint32_t sizes[5];
      for (std::uint32_t i = 0; i < count; ++i) {
        std::memcpy(slots + i * 4, &number, 4);
        sizes[i] = 1 + number++ % 4;
      }
      ASSERT_EQ(zipc_publish_batch(&sender, sizes, count), count);
    }
    for (std::uint32_t take = 1; take < 5; ++take) {
      std::uint8_t* messages = nullptr;
      std::uint32_t sizes[5];
      const std::uint32_t count = zipc_peek_batch(&receiver, &messages, sizes, take);
      if (count == 0) {
        EXPECT_EQ(zipc_last_error()->code, ZIPC_ERROR_EMPTY);
        break;
      }
      ASSERT_LE(count, take);
      for (std::uint32_t i = 0; i < count; ++i, ++expected) {
        ASSERT_EQ(sizes[i], 1 + expected % 4);
        ASSERT_EQ(std::memcmp(messages + i * 4, &expected, sizes[i]), 0);
      }
      ASSERT_TRUE(zipc_pop_batch(&receiver, count));
    }
  }
  EXPECT_GT(expected, 60u);
  ZipcStats stats{};
  ASSERT_TRUE(zipc_stats(&receiver, &stats));
  EXPECT_EQ(stats.sent, number);
  EXPECT_EQ(stats.received, expected);
  EXPECT_EQ(stats.depth, number - expected);
  zipc_destroy(&sender);
  zipc_destroy(&receiver);
}

TEST_F(CApi, TakesOutMoreThanOneRunAtOnce) {
  ZipcContext sender = zipc_create_sender(name_.c_str(), 4, 1);
  ZipcContext receiver = zipc_create_receiver(name_.c_str(), 4, 1);
  for (std::uint8_t i = 0; i < 20; i = static_cast<std::uint8_t>(i + 2)) {
    for (const std::uint8_t number : {i, static_cast<std::uint8_t>(i + 1)}) ASSERT_TRUE(zipc_send(&sender, &number, 1));
    std::uint8_t* message = nullptr;
    ASSERT_EQ(zipc_peek(&receiver, &message), 1u);
    ASSERT_EQ(*message, i);
    ASSERT_TRUE(zipc_pop_batch(&receiver, 2)) << "also where they stand at both ends of the queue";
    EXPECT_EQ(zipc_peek(&receiver, &message), 0u);
    std::uint8_t odd = 0;
    ASSERT_TRUE(zipc_send(&sender, &odd, 1));
    ASSERT_TRUE(zipc_pop_batch(&receiver, 1));
  }
  zipc_destroy(&sender);
  zipc_destroy(&receiver);
}

TEST_F(CApi, RefusesBatchesThatCannotBe) {
  ZipcContext sender = zipc_create_sender(name_.c_str(), 4, 4);
  ZipcContext receiver = zipc_create_receiver(name_.c_str(), 4, 4);
  std::uint8_t* slots = nullptr;
  std::uint32_t sizes[4] = {1, 1, 1, 1};
  ASSERT_EQ(zipc_loan_batch(&sender, &slots, 100), 3u) << "one slot stays free";
  EXPECT_EQ(zipc_publish_batch(&sender, sizes, 4), 0u);
  EXPECT_EQ(zipc_last_error()->code, ZIPC_ERROR_FULL);
  sizes[1] = 5;
  EXPECT_EQ(zipc_publish_batch(&sender, sizes, 3), 0u);
  EXPECT_EQ(zipc_last_error()->code, ZIPC_ERROR_MESSAGE_TOO_LARGE);
  EXPECT_EQ(zipc_peek_batch(&receiver, &slots, sizes, 4), 0u) << "nothing was sent";
  sizes[1] = 4;
  ASSERT_EQ(zipc_publish_batch(&sender, sizes, 2), 2u);
  EXPECT_FALSE(zipc_pop_batch(&receiver, 3));
  EXPECT_EQ(zipc_last_error()->code, ZIPC_ERROR_EMPTY);
  ASSERT_EQ(zipc_peek_batch(&receiver, &slots, sizes, 4), 2u) << "nothing was taken out";
  for (const auto refused : {zipc_loan_batch(&sender, nullptr, 1), zipc_loan_batch(&sender, &slots, 0),
                             zipc_publish_batch(&sender, nullptr, 1), zipc_publish_batch(&sender, sizes, 0),
                             zipc_peek_batch(&receiver, &slots, nullptr, 1), zipc_peek_batch(&receiver, nullptr, sizes, 1)}) {
    EXPECT_EQ(refused, 0u);
    EXPECT_EQ(zipc_last_error()->code, ZIPC_ERROR_INVALID_ARGUMENT);
  }
  EXPECT_EQ(zipc_loan_batch(&receiver, &slots, 1), 0u);
  EXPECT_EQ(zipc_last_error()->code, ZIPC_ERROR_CLOSED);
  zipc_destroy(&sender);
  zipc_destroy(&receiver);
}

TEST_F(CApi, WorksOverMemoryThatTheCallerOwns) {
  std::vector<std::uint64_t> memory(zipc_shared_memory_size(4, 8) / 8 + 1, 0xDDDDDDDDDDDDDDDD);
  ZipcContext receiver = zipc_init_receiver("any name", memory.data(), 4, 8, 0);
  ZipcContext sender = zipc_init_sender(nullptr, memory.data(), 4, 8, 4711);
  ASSERT_NE(sender.queue, nullptr) << zipc_last_error()->message;
  EXPECT_EQ(sender.id, 4711u);
  EXPECT_NE(receiver.id, 0u);
  EXPECT_TRUE(send(sender, "x"));
  EXPECT_EQ(receive(receiver), "x");
  EXPECT_EQ(zipc_init_sender(nullptr, reinterpret_cast<char*>(memory.data()) + 4, 4, 8, 0).queue, nullptr);
  EXPECT_EQ(last(), ZIPC_ERROR_INVALID_ARGUMENT);
  zipc_destroy(&sender);
  zipc_destroy(&receiver);
}

TEST_F(CApi, BelievesNothingThatIsCachedInMemoryThatExistingPeersHaveUsedMeanwhile) {
  constexpr std::uint32_t slots = 8;
  std::vector<std::uint64_t> memory(zipc_shared_memory_size(slots, 8) / 8 + 1);
  const auto sender_over = [&] { return zipc_init_sender(nullptr, memory.data(), slots, 8, 0); };
  const auto receiver_over = [&] { return zipc_init_receiver(nullptr, memory.data(), slots, 8, 0); };
  ZipcContext sender = sender_over(), receiver = receiver_over();
  for (const char* text : {"a", "b", "c"}) ASSERT_TRUE(send(sender, text));
  ASSERT_EQ(receive(receiver), "a");
  zipc_destroy(&sender);
  zipc_destroy(&receiver);
  // Existing peers, which keep no copies, take out what waits, and fill the queue.
  auto& header = *reinterpret_cast<zipc::SegmentHeader*>(memory.data());
  auto* lengths = reinterpret_cast<zipc::ItemLength*>(&header + 1);
  auto* slot = reinterpret_cast<char*>(lengths + slots);
  header.head = 3;
  header.tail = 3;
  for (char text = 'A'; text != 'A' + slots - 1; ++text) {
    slot[header.tail * 8] = text;
    lengths[header.tail] = 1;
    header.tail = (header.tail + 1) % slots;
  }
  sender = sender_over();
  EXPECT_FALSE(send(sender, "x"));
  EXPECT_EQ(last(), ZIPC_ERROR_FULL);
  receiver = receiver_over();
  for (const char* text : {"A", "B", "C", "D", "E", "F", "G"}) EXPECT_EQ(receive(receiver), text);
  std::uint8_t* message = nullptr;
  zipc_receive(&receiver, &message);
  EXPECT_EQ(message, nullptr);
  zipc_destroy(&sender);
  zipc_destroy(&receiver);
}

TEST_F(CApi, CountsInItsStatistics) {
  ZipcContext sender = zipc_create_sender(name(), 4, 8);
  ZipcContext receiver = zipc_create_receiver(name(), 4, 8);
  for (int i = 0; i < 4; ++i) static_cast<void>(send(sender, "abc"));
  receive(receiver);
  ZipcStats stats;
  ASSERT_TRUE(zipc_stats(&receiver, &stats));
  EXPECT_EQ(stats.sent, 3u);
  EXPECT_EQ(stats.bytes_sent, 9u);
  EXPECT_EQ(stats.received, 1u);
  EXPECT_EQ(stats.full, 1u);
  EXPECT_EQ(stats.depth, 2u);
}

TEST_F(CApi, DumpsItsMemoryAsHexadecimalTextLikeSnprintf) {
  ZipcContext sender = zipc_create_sender(name(), 4, 8);
  ASSERT_TRUE(send(sender, "ABCDEFGH"));
  const std::size_t length = zipc_dump_hex(&sender, nullptr, 0);
  std::string text(length + 1, '?');
  ASSERT_EQ(zipc_dump_hex(&sender, text.data(), text.size()), length);
  EXPECT_EQ(text.back(), '\0');
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), (128 + 32 + 32 + 4 + 15) / 16);
  EXPECT_NE(text.find("41 42 43 44 45 46 47 48"), std::string::npos) << text;
  EXPECT_NE(text.find("|ABCDEFGH"), std::string::npos);
  EXPECT_NE(text.find("CPIZ"), std::string::npos);
  std::string part(10, '?');
  EXPECT_EQ(zipc_dump_hex(&sender, part.data(), part.size()), length);
  EXPECT_EQ(part, text.substr(0, 9) + '\0');
  const std::size_t header = zipc_dump_queue_hex(&sender, nullptr, 0);
  EXPECT_EQ(header, length / 13 * 8) << "the header is 8 of 13 lines";
}

TEST_F(CApi, TellsAReceiverOnceThatItsSenderHasLeft) {
  ZipcContext receiver = zipc_create_receiver(name(), 4, 8);
  ZipcPeer peer;
  ASSERT_TRUE(zipc_peer(&receiver, &peer));
  EXPECT_EQ(peer.state, ZIPC_PEER_NONE);
  ZipcContext sender = zipc_create_sender(name(), 4, 8);
  ASSERT_TRUE(zipc_peer(&receiver, &peer));
  EXPECT_EQ(peer.state, ZIPC_PEER_PRESENT);
  EXPECT_EQ(peer.pid, getpid());
  const std::uint8_t byte = 7;
  ASSERT_TRUE(zipc_send(&sender, &byte, 1));
  zipc_destroy(&sender);
  std::uint8_t* message = nullptr;
  EXPECT_EQ(zipc_receive_blocking(&receiver, &message, 1000), 1u);
  EXPECT_EQ(zipc_receive_blocking(&receiver, &message, 65535), 0u);
  EXPECT_EQ(last(), ZIPC_ERROR_PEER_GONE);
  ASSERT_TRUE(zipc_peer(&receiver, &peer));
  EXPECT_EQ(peer.state, ZIPC_PEER_LEFT);
  EXPECT_EQ(zipc_peek_blocking(&receiver, &message, 1), 0u);
  EXPECT_EQ(last(), ZIPC_ERROR_TIMEOUT) << "it waits for a successor";
  EXPECT_FALSE(zipc_peer(&receiver, nullptr));
  EXPECT_EQ(last(), ZIPC_ERROR_INVALID_ARGUMENT);
  zipc_destroy(&receiver);
  EXPECT_FALSE(zipc_peer(&receiver, &peer));
  EXPECT_EQ(last(), ZIPC_ERROR_CLOSED);
  EXPECT_FALSE(zipc_renew(&receiver));
  EXPECT_EQ(last(), ZIPC_ERROR_CLOSED);
}

TEST_F(CApi, LoansAndPeeksWaitingLikeTheirBlockingRelatives) {
  ZipcContext sender = zipc_create_sender(name(), 2, 8);
  ZipcContext receiver = zipc_create_receiver(name(), 2, 8);
  std::uint8_t* slot = zipc_loan_blocking(&sender, 1);
  ASSERT_NE(slot, nullptr);
  slot[0] = 9;
  ASSERT_TRUE(zipc_publish(&sender, 1));
  EXPECT_EQ(zipc_loan_blocking(&sender, 1), nullptr);
  EXPECT_EQ(last(), ZIPC_ERROR_TIMEOUT);
  std::uint8_t* message = nullptr;
  ASSERT_EQ(zipc_peek_blocking(&receiver, &message, 1), 1u);
  EXPECT_EQ(message[0], 9);
  EXPECT_TRUE(zipc_pop(&receiver));
  EXPECT_TRUE(zipc_renew(&sender)) << "what does not run out need not be renewed";
  zipc_destroy(&sender);
  zipc_destroy(&receiver);
}

// ---- Ways to wait ---------------------------------------------------------------------------------------------------

class CApiWaiting : public CApi, public testing::WithParamInterface<zipc_waiting> {};
INSTANTIATE_TEST_SUITE_P(Ways, CApiWaiting,
                         testing::Values(ZIPC_WAITING_ADAPTIVE, ZIPC_WAITING_SPIN, ZIPC_WAITING_SLEEP, ZIPC_WAITING_POLL),
                         [](const auto& way) { return std::string(zipc_waiting_name(way.param)); });

/// One side of a dialogue over the smallest queues. Who begins is two messages ahead, so that both wait for space as well.
bool pass_messages(const char* out, const char* in, zipc_waiting way, bool begins) {
  ZipcContext sender = zipc_create_sender(out, 2, 8);
  ZipcContext receiver = zipc_create_receiver(in, 2, 8);
  if (!zipc_set_waiting(&sender, way) || !zipc_set_waiting(&receiver, way)) return false;
  auto send_until = [&sender, sent = 0u](std::uint32_t end) mutable {
    for (; sent < end; ++sent) {
      if (!zipc_send_blocking(&sender, reinterpret_cast<const std::uint8_t*>(&sent), sizeof sent, 65535)) return false;
    }
    return true;
  };
  constexpr std::uint32_t kMessages = 100;
  for (std::uint32_t got = 0; got < kMessages; ++got) {
    if (begins && !send_until(std::min(got + 2, kMessages))) return false;
    std::uint8_t* message = nullptr;
    if (zipc_receive_blocking(&receiver, &message, 65535) != sizeof got) return false;
    if (std::memcmp(message, &got, sizeof got) != 0) return false;
    if (!begins && !send_until(got + 1)) return false;
  }
  return true;
}

TEST_P(CApiWaiting, PassesMessagesBothDirectionsBetweenProcesses) {
  const std::string back = zipc::test::unique_name("back");
  Child child([&] { return pass_messages(back.c_str(), name(), GetParam(), false) ? 0 : 1; });
  EXPECT_TRUE(pass_messages(name(), back.c_str(), GetParam(), true)) << zipc_last_error()->message;
  EXPECT_EQ(child.wait(), 0);
  zipc_unlink(back.c_str());
}

TEST_P(CApiWaiting, TimesOutNotBeforeItsTime) {
  ZipcContext sender = zipc_create_sender(name(), 2, 8);
  ZipcContext receiver = zipc_create_receiver(name(), 2, 8);
  ASSERT_TRUE(zipc_set_waiting(&sender, GetParam()));
  ASSERT_TRUE(zipc_set_waiting(&receiver, GetParam()));
  EXPECT_EQ(zipc_get_waiting(&sender), GetParam());
  std::uint8_t* message = nullptr;
  for (const std::uint16_t timeout : std::initializer_list<std::uint16_t>{0, 1, 130}) {  // beyond a look after the peer
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(zipc_receive_blocking(&receiver, &message, timeout), 0u);
    EXPECT_EQ(last(), ZIPC_ERROR_TIMEOUT);
    EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(timeout));
  }
  ASSERT_TRUE(send(sender, "x"));
  EXPECT_FALSE(zipc_send_blocking(&sender, nullptr, 0, 5));
  EXPECT_EQ(last(), ZIPC_ERROR_TIMEOUT);
  EXPECT_EQ(zipc_loan_blocking(&sender, 5), nullptr);
  EXPECT_EQ(last(), ZIPC_ERROR_TIMEOUT);
}

// Who waits without a broker finds this out by itself, by looking after its peer.
TEST_P(CApiWaiting, IsToldThatItsPeerWasKilled) {
  ZipcContext receiver = zipc_create_receiver(name(), 2, 8);
  ASSERT_TRUE(zipc_set_waiting(&receiver, GetParam()));
  Gate attached;
  Child child([&] {
    ZipcContext sender = zipc_create_sender(name(), 2, 8);
    if (sender.queue == nullptr) return 1;
    attached.open();
    pause();
    return 0;
  });
  attached.wait();
  child.kill_now();
  std::uint8_t* message = nullptr;
  EXPECT_EQ(zipc_receive_blocking(&receiver, &message, 65535), 0u);
  EXPECT_EQ(last(), ZIPC_ERROR_PEER_GONE);
}

TEST_F(CApi, WaitsAdaptivelyUntilItIsToldHowAndRefusesWaysThatThereAreNot) {
  ZipcContext sender = zipc_create_sender(name(), 2, 8);
  EXPECT_EQ(zipc_get_waiting(&sender), ZIPC_WAITING_ADAPTIVE);
  ASSERT_TRUE(zipc_set_waiting(&sender, ZIPC_WAITING_POLL));
  const auto number = [](unsigned any) { return static_cast<zipc_waiting>(any); };
  EXPECT_FALSE(zipc_set_waiting(&sender, number(4)));
  EXPECT_EQ(last(), ZIPC_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(zipc_get_waiting(&sender), ZIPC_WAITING_POLL) << "what is refused changes nothing";
  ZipcContext again = zipc_create_sender(name(), 2, 8);
  EXPECT_EQ(zipc_get_waiting(&again), ZIPC_WAITING_ADAPTIVE) << "each context has its own way";
  zipc_destroy(&again);
  EXPECT_FALSE(zipc_set_waiting(&again, ZIPC_WAITING_SPIN));
  EXPECT_EQ(last(), ZIPC_ERROR_CLOSED);
  EXPECT_FALSE(zipc_set_waiting(nullptr, ZIPC_WAITING_SPIN));
  EXPECT_EQ(last(), ZIPC_ERROR_CLOSED);
  EXPECT_EQ(zipc_get_waiting(nullptr), ZIPC_WAITING_ADAPTIVE);
  EXPECT_STREQ(zipc_waiting_name(ZIPC_WAITING_SLEEP), "sleep");
  EXPECT_STREQ(zipc_waiting_name(number(256)), "unknown");
}

TEST_F(CApi, RefusesAnUnknownBrokerMode) {
  setenv("ZIPC_BROKER", "maybe", 1);
  EXPECT_EQ(zipc_create_sender(name(), 4, 8).queue, nullptr);
  EXPECT_EQ(last(), ZIPC_ERROR_INVALID_ARGUMENT);
  setenv("ZIPC_BROKER", "require", 1);
  setenv("ZIPC_SOCKET", "/nonexistent/zipcd.sock", 1);
  setenv("ZIPC_BROKER_TIMEOUT", "soon", 1);
  EXPECT_EQ(zipc_create_sender(name(), 4, 8).queue, nullptr);
  EXPECT_EQ(last(), ZIPC_ERROR_INVALID_ARGUMENT);
  setenv("ZIPC_BROKER_TIMEOUT", "20", 1);
  EXPECT_EQ(zipc_create_sender(name(), 4, 8).queue, nullptr);
  EXPECT_EQ(last(), ZIPC_ERROR_NO_BROKER);
  setenv("ZIPC_BROKER", "off", 1);
  EXPECT_NE(zipc_create_sender(name(), 4, 8).queue, nullptr);
}

TEST_F(CApi, CreatesTheSameChannelFromManyThreadsAndProcessesAtOnce) {
  Gate go;
  std::vector<Child> children;
  for (int i = 0; i < 8; ++i) {
    children.emplace_back([&] {
      go.wait();
      go.open();
      ZipcContext context = zipc_create_sender(name(), 16, 64);
      if (context.queue != nullptr) return send(context, "won") ? 1 : 9;
      return last() == ZIPC_ERROR_ROLE_TAKEN ? 0 : 8;
    });
  }
  go.open();
  int winners = 0;
  for (Child& child : children) {
    const int code = child.wait();
    EXPECT_LE(code, 1);
    winners += code;
  }
  EXPECT_GE(winners, 1);  // one at a time: who comes after a winner has ended wins too
  ZipcContext receiver = zipc_create_receiver(name(), 16, 64);
  for (int i = 0; i < winners; ++i) EXPECT_EQ(receive(receiver), "won");
  EXPECT_EQ(receive(receiver), "(none)");
}

TEST(CApiNames, GivesEveryErrorANameAndAdvice) {
  EXPECT_STREQ(zipc_error_name(ZIPC_ERROR_ROLE_TAKEN), "role_taken");
  EXPECT_STRNE(zipc_error_advice(ZIPC_ERROR_ROLE_TAKEN), "");
  EXPECT_STREQ(zipc_error_name(static_cast<zipc_error>(31)), "system") << "a number that has no name yet";
  EXPECT_STREQ(zipc_version(), ZIPC_TEST_VERSION);
}

}  // namespace
