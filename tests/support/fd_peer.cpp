// One side of a channel that waits by its descriptor (zipc_fd), led step by step through its standard input.
//
//   fd_peer send|receive NAME QUEUE_SIZE MESSAGE_SIZE          QUEUE_SIZE 0: by name only
//
// A message is a number, counted from 0. Each command is answered with one line:
//   fd          "fd", and makes it; or the error's name and its message
//   ready       "yes" or "no": whether it is readable now
//   wait        waits until it is readable: "ready"
//   try         sends or receives one message: "ok NUMBER", or the error's name
//   all         does so until that fails: "COUNT ERROR"
//   block MS    sends or receives one message, waiting: as try
//   loan|peek   as try, but the message is neither sent nor taken out
//   publish     sends what was loaned: as try
//   stream N    until N messages are through: try until it fails, then wait. "done"
//   one N       the same, but waits after each message
//   fork        goes on in a child with the same context: "forked"; this process waits for it
//   orphan      the same, but this process ends at once
//   renew       "ok", or the error's name
//   leave       gives the role back, and stays: "left"
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zipc.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

ZipcContext context;
bool is_sender = false;
int descriptor = -1;
std::uint64_t next_number = 0;
std::uint8_t* loaned = nullptr;

std::string error() { return zipc_error_name(zipc_last_error()->code); }

bool is_ready(int timeout) {
  pollfd polled{.fd = descriptor, .events = POLLIN, .revents = 0};
  if (descriptor < 0 || poll(&polled, 1, timeout) < 0) {
    std::puts("cannot poll");
    std::exit(1);
  }
  return polled.revents != 0;
}

bool take(const std::uint8_t* message, std::uint32_t size) {
  if (message == nullptr) return false;
  std::uint64_t number = 0;
  std::memcpy(&number, message, std::min<std::size_t>(size, sizeof number));
  if (size != sizeof number || number != next_number) {
    std::printf("message %" PRIu64 " is wrong: it says %" PRIu64 "\n", next_number, number);
    std::exit(1);
  }
  return true;
}

/// Sends or receives the next message; a negative timeout: without waiting.
bool attempt(int timeout = -1) {
  bool done = false;
  if (is_sender) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&next_number);
    done = timeout < 0 ? zipc_send(&context, bytes, sizeof next_number)
                       : zipc_send_blocking(&context, bytes, sizeof next_number, static_cast<std::uint16_t>(timeout));
  } else {
    std::uint8_t* message = nullptr;
    const std::uint32_t size = timeout < 0
                                   ? zipc_receive(&context, &message)
                                   : zipc_receive_blocking(&context, &message, static_cast<std::uint16_t>(timeout));
    done = take(message, size);
  }
  if (done) ++next_number;
  return done;
}

bool look() {
  if (is_sender) return (loaned = zipc_loan(&context)) != nullptr;
  std::uint8_t* message = nullptr;
  const std::uint32_t size = zipc_peek(&context, &message);
  return take(message, size);
}

bool publish() {
  std::memcpy(loaned, &next_number, sizeof next_number);
  if (!zipc_publish(&context, sizeof next_number)) return false;
  ++next_number;
  return true;
}

void answer(bool done, std::uint64_t number) {
  done ? static_cast<void>(std::printf("ok %" PRIu64 "\n", number)) : static_cast<void>(std::puts(error().c_str()));
}

/// Whether to go on: nothing was there, or the peer is replaced.
void expect_nothing() {
  const auto code = zipc_last_error()->code;
  if (code == ZIPC_ERROR_EMPTY || code == ZIPC_ERROR_FULL || code == ZIPC_ERROR_PEER_GONE) return;
  std::printf("failed: %s\n", zipc_last_error()->message);
  std::exit(1);
}

void stream(std::uint64_t count, bool one_each) {
  for (const std::uint64_t end = next_number + count; next_number < end;) {
    while (next_number < end && attempt()) {
      if (one_each) is_ready(-1);
    }
    if (next_number == end) break;
    expect_nothing();
    is_ready(-1);
  }
  std::puts("done");
}

void run_in_child(bool waits) {
  const pid_t child = fork();
  if (child == 0) {
    descriptor = -1;
    std::puts("forked");
    return;
  }
  if (waits) waitpid(child, nullptr, 0);
  _exit(0);
}

void obey(const std::string& command, std::uint64_t number) {
  if (command == "fd") {
    const int given = zipc_fd(&context);
    if (given >= 0) {
      std::puts(descriptor < 0 || descriptor == given ? "fd" : "another");
      descriptor = given;
    } else {
      std::printf("%s %s\n", error().c_str(), zipc_last_error()->message);
    }
  } else if (command == "ready") {
    std::puts(is_ready(0) ? "yes" : "no");
  } else if (command == "wait") {
    is_ready(-1);
    std::puts("ready");
  } else if (command == "try") {
    const bool done = attempt();
    answer(done, next_number - (done ? 1 : 0));
  } else if (command == "block") {
    const bool done = attempt(static_cast<int>(number));
    answer(done, next_number - (done ? 1 : 0));
  } else if (command == "all") {
    const std::uint64_t before = next_number;
    while (attempt()) {
    }
    std::printf("%" PRIu64 " %s\n", next_number - before, error().c_str());
  } else if (command == "loan" || command == "peek") {
    const bool done = look();
    answer(done, next_number);
  } else if (command == "publish") {
    const bool done = publish();
    answer(done, next_number - (done ? 1 : 0));
  } else if (command == "stream" || command == "one") {
    stream(number, command == "one");
  } else if (command == "fork" || command == "orphan") {
    run_in_child(command == "fork");
  } else if (command == "renew") {
    std::puts(zipc_renew(&context) ? "ok" : error().c_str());
  } else if (command == "leave") {
    zipc_destroy(&context);
    std::puts("left");
  } else {
    std::puts("what?");
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  if (argc < 5) return 2;
  is_sender = std::strcmp(argv[1], "send") == 0;
  const auto slots = static_cast<std::uint32_t>(std::atoi(argv[3]));
  const auto size = static_cast<std::uint32_t>(std::atoi(argv[4]));
  if (is_sender) {
    context = slots == 0 ? zipc_open_sender(argv[2]) : zipc_create_sender(argv[2], slots, size);
  } else {
    context = slots == 0 ? zipc_open_receiver(argv[2]) : zipc_create_receiver(argv[2], slots, size);
  }
  if (context.queue == nullptr) {
    std::fprintf(stderr, "%s\n", zipc_last_error()->message);
    return static_cast<int>(zipc_last_error()->code);
  }
  ZipcStats stats{};
  zipc_stats(&context, &stats);
  next_number = is_sender ? stats.sent : stats.received;
  std::puts("attached");
  char line[64];
  char command[16];
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
    unsigned long long number = 0;
    if (std::sscanf(line, "%15s %llu", command, &number) < 1) continue;
    obey(command, number);
  }
  zipc_destroy(&context);
}
