// One side of a channel in tests/system/storm.py: goes on where its predecessor has stopped, until it is told to end or is
// killed, and keeps a record that outlives it.
//
//   storm_peer send|receive NAME QUEUE_SIZE MESSAGE_SIZE LONGEST SEED RECORD [--in-place] [--renew MILLISECONDS]
//
// QUEUE_SIZE 0: the channel exists. RECORD: a file of kRecordSize bytes. SIGTERM: a sender ends, a receiver does once it has
// received what waits. Exit code: 0, 1 for a wrong message, else the error.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <thread>
#include <vector>
#include <zipc/zipc.hpp>

#include "tests/support/self_checking.h"

namespace {

using zipc::Error;
using zipc::Receiver;
using zipc::Sender;
using Clock = std::chrono::steady_clock;

/// What storm.py reads, also of a process that was killed. Only this process writes it.
struct Record {
  std::atomic<std::uint64_t> attached;  ///< 1: the role was had, and `first` is valid
  std::atomic<std::uint64_t> first;     ///< the number at which it began: messages sent, or received, before
  std::atomic<std::uint64_t> next;      ///< the number behind the last that was sent, or dealt with
  std::atomic<std::uint64_t> departures;  ///< how often the peer was said to have gone
  std::atomic<std::uint64_t> renewals;
  std::atomic<std::uint64_t> moves;  ///< times that the context was found with other memory
};
constexpr std::size_t kRecordSize = 4096;

struct Options {
  std::string_view name;
  zipc::Params params;
  std::uint32_t longest = 0;
  std::uint64_t seed = 0;
  bool in_place = false;
  std::chrono::milliseconds renew{0};  // 0: not
};

volatile sig_atomic_t is_to_end = 0;

constexpr std::chrono::milliseconds kLook{50};  // at is_to_end

int complain(const char* what, const zipc::Failure& failure) {
  std::fprintf(stderr, "%s: %s: %s\n", what, zipc::error_info(failure.code).name, failure.message.c_str());
  return static_cast<int>(failure.code);
}

int complain(const char* what, Error error, std::uint64_t number) {
  std::fprintf(stderr, "%s: message %llu: %s: %s\n", what, static_cast<unsigned long long>(number),
               zipc::error_info(error).name, zipc_last_error()->message);
  return static_cast<int>(error);
}

Record* open_record(const char* path) {
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return nullptr;
  void* memory = mmap(nullptr, kRecordSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  return memory == MAP_FAILED ? nullptr : static_cast<Record*>(memory);
}

/// Takes the role, once its holder has gone: nothing tells a process that it is free.
template <class End>
zipc::Result<End> take_role(const Options& options) {
  while (true) {
    auto end = options.params.queue_size == 0 ? End::open(options.name) : End::create(options.name, options.params);
    if (end || end.error() != Error::role_taken || is_to_end != 0) return end;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

class Keeper {
 public:
  Keeper(Record& record, const Options& options) : record_(record), every_(options.renew) {}

  /// Renews the lease when it is time. That it is too late, the next call tells, too.
  Error look_after(zipc::Endpoint& end) {
    if (end.context()->queue != memory_) {
      memory_ = end.context()->queue;
      ++record_.moves;
    }
    if (every_.count() == 0 || Clock::now() < due_) return Error::ok;
    due_ = Clock::now() + every_;
    const Error error = end.renew();
    if (error == Error::ok) ++record_.renewals;
    return error == Error::fenced ? Error::ok : error;
  }

 private:
  Record& record_;
  std::chrono::milliseconds every_;
  Clock::time_point due_{};
  const void* memory_ = nullptr;
};

Error send_one(Sender& sender, std::uint64_t number, const Options& options, std::vector<std::byte>& buffer) {
  if (options.in_place) {
    const auto slot = sender.loan_blocking(kLook);
    if (!slot) return slot.error();
    return sender.publish(zipc::test::make_message(number, options.seed, slot->data.first(options.longest)).size());
  }
  return sender.send_blocking(zipc::test::make_message(number, options.seed, buffer), kLook);
}

int send(const Options& options, Record& record) {
  auto sender = take_role<Sender>(options);
  if (!sender) return is_to_end != 0 ? 0 : complain("create_sender", sender.failure());
  std::uint64_t number = sender->stats().sent;
  record.first = number;
  record.next = number;
  record.attached = 1;
  std::vector<std::byte> buffer(options.longest);
  Keeper keeper(record, options);
  while (is_to_end == 0) {
    if (const Error error = keeper.look_after(*sender); error != Error::ok) return complain("renew", error, number);
    const Error error = send_one(*sender, number, options, buffer);
    if (error == Error::peer_gone) ++record.departures;
    if (error == Error::peer_gone || error == Error::timeout) continue;
    if (error != Error::ok) return complain("send", error, number);
    record.next = ++number;
  }
  return 0;
}

int check(const zipc::Message& message, std::uint64_t number, const Options& options) {
  if (zipc::test::is_message(message.data, number, options.seed, options.longest)) return 0;
  std::uint64_t found = 0;
  std::memcpy(&found, message.data.data(), std::min(sizeof found, message.data.size()));
  const bool is_whole = zipc::test::is_message(message.data, found, options.seed, options.longest);
  std::fprintf(stderr, "receive: message %llu is wrong: it has %zu bytes, says that it is %llu, and is %s\n",
               static_cast<unsigned long long>(number), message.data.size(), static_cast<unsigned long long>(found),
               is_whole ? "whole" : "torn");
  return 1;
}

int receive(const Options& options, Record& record) {
  auto receiver = take_role<Receiver>(options);
  if (!receiver) return is_to_end != 0 ? 0 : complain("create_receiver", receiver.failure());
  std::uint64_t number = receiver->stats().received;
  record.first = number;
  record.next = number;
  record.attached = 1;
  Keeper keeper(record, options);
  while (true) {
    if (const Error error = keeper.look_after(*receiver); error != Error::ok) return complain("renew", error, number);
    const zipc::Received message = options.in_place ? receiver->peek_blocking(kLook) : receiver->receive_blocking(kLook);
    if (message.error() == Error::peer_gone) ++record.departures;
    if (message.error() == Error::timeout && is_to_end != 0) return 0;
    if (message.error() == Error::peer_gone || message.error() == Error::timeout) continue;
    if (!message) return complain("receive", message.error(), number);
    if (check(*message, number, options) != 0) return 1;
    record.next = ++number;
    if (!options.in_place) continue;
    if (const Error error = receiver->pop(); error != Error::ok) return complain("pop", error, number - 1);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 8) return 2;
  const auto number = [&](int i) { return std::strtoull(argv[i], nullptr, 10); };
  Options options{.name = argv[2],
                  .params = {.queue_size = static_cast<std::uint32_t>(number(3)),
                             .message_size = static_cast<std::uint32_t>(number(4))},
                  .longest = static_cast<std::uint32_t>(number(5)),
                  .seed = number(6)};
  for (int i = 8; i < argc; ++i) {
    const std::string_view option = argv[i];
    if (option == "--in-place") options.in_place = true;
    else if (option == "--renew" && i + 1 < argc) options.renew = std::chrono::milliseconds(number(++i));
    else return 2;
  }
  struct sigaction action {};
  action.sa_handler = [](int) { is_to_end = 1; };
  sigaction(SIGTERM, &action, nullptr);
  Record* record = open_record(argv[7]);
  if (record == nullptr) return 2;
  return std::string_view(argv[1]) == "send" ? send(options, *record) : receive(options, *record);
}
