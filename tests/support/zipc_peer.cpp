// One side of a channel, for tests that need real processes: self-checking messages, as in tests/interop/old_peer.c.
//
//   zipc_peer send|receive NAME QUEUE_SIZE MESSAGE_SIZE [--count N] [--first N] [--seed S] [--in-place] [--batches] [--spin]
//             [--waiting WAY] [--hold] [--announce] [--tell] [--paced] [--renew] [--longest BYTES] [--resume] [--log]
//
// QUEUE_SIZE 0: by name only. --batches: up to seven messages at once; it spins. --spin: never sleeps, retries when full or empty.
// --waiting: how its blocking calls wait; otherwise as the broker says. --announce: prints "attached" and how it waits
// before the first message. --tell: prints "peer gone: STATE PID SIGNAL" when it learns that, and in any case goes on. --paced: before each
// message it waits for a byte of its standard input, and prints the message's number afterwards. --renew: renews its lease
// before each message. --hold: stays attached afterwards until its standard input ends. --resume: goes on behind what the
// channel has counted, up to message COUNT. --log: prints "got NUMBER" for each message, before it is popped. Exit code: 0, 1
// for a wrong message, else the error.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>
#include <zipc/zipc.hpp>

#include "tests/support/self_checking.h"

namespace {

using zipc::Error;
using zipc::Receiver;
using zipc::Sender;

struct Options {
  std::string_view name;
  zipc::Params params;
  std::uint64_t count = 1000;
  std::uint64_t first = 0;
  std::uint64_t seed = 0;
  bool in_place = false;
  bool batches = false;
  bool spin = false;
  std::optional<zipc::Waiting> waiting;
  bool hold = false;
  std::uint32_t longest = 0;  // message; of the channel's sizes when it was attached to, for they may change
  bool announce = false;
  bool tell = false;
  bool paced = false;
  bool renew = false;
  bool resume = false;
  bool log = false;
};

std::optional<zipc::Waiting> waiting_of(std::string_view name) {
  for (const zipc::Waiting waiting : zipc::kWaitings) {
    if (name == to_string(waiting)) return waiting;
  }
  return std::nullopt;
}

int complain(const zipc::Failure& failure) {
  std::fprintf(stderr, "zipc_peer: %s\n", failure.message.c_str());
  return static_cast<int>(failure.code);
}

int complain(Error error, std::uint64_t number) {
  std::fprintf(stderr, "zipc_peer: message %llu: %s\n", static_cast<unsigned long long>(number),
               zipc::error_info(error).summary);
  return static_cast<int>(error);
}

/// Whether to try again after `error`.
bool goes_on(const zipc::Endpoint& endpoint, Error error, Error nothing, const Options& options) {
  if (error == Error::peer_gone && options.tell) {
    const ZipcPeer peer = endpoint.peer();
    std::printf("peer gone: %d %d %d\n", static_cast<int>(peer.state), peer.pid, peer.signal);
  }
  return error == nothing || error == Error::peer_gone;
}

/// When it is attached, and before the first message.
void prepare(zipc::Endpoint& endpoint, const Options& options) {
  if (options.waiting) static_cast<void>(endpoint.set_waiting(*options.waiting));
  if (options.announce) std::printf("attached %s\n", to_string(endpoint.waiting()));
}

void resume_at(std::uint64_t number, Options& options) {
  if (!options.resume) return;
  options.first = std::min(number, options.count);
  options.count -= options.first;
}

Error send_one(Sender& sender, std::uint64_t number, const Options& options, std::vector<std::byte>& buffer) {
  if (options.in_place) {
    const auto slot = options.spin ? sender.loan() : sender.loan_blocking();
    if (!slot) return slot.error();
    return sender.publish(zipc::test::make_message(number, options.seed, slot->data.first(options.longest)).size());
  }
  const auto message = zipc::test::make_message(number, options.seed, buffer);
  return options.spin ? sender.send(message) : sender.send_blocking(message);
}

constexpr std::size_t kBatch = 7;

/// Sends `count` messages from `first` on.
Error send_batches(Sender& sender, const Options& options) {
  for (std::uint64_t sent = sender.stats().sent, end = sent + options.count, i = 0; i < options.count;) {
    const zipc::Batch slots = sender.loan_batch(std::min<std::uint64_t>(kBatch, options.count - i));
    if (!slots && goes_on(sender, slots.error(), Error::full, options)) continue;
    if (!slots) return slots.error();
    std::uint32_t sizes[kBatch];
    for (std::size_t k = 0; k < slots.size(); ++k) {
      const auto slot = slots[k].first(std::min<std::size_t>(options.longest, slots[k].size()));
      sizes[k] = static_cast<std::uint32_t>(zipc::test::make_message(options.first + i + k, options.seed, slot).size());
    }
    const Error published = sender.publish_batch({sizes, slots.size()});
    if (published != Error::ok && !goes_on(sender, published, Error::full, options)) return published;
    i = options.count - (end - sender.stats().sent);  // after a move it may have been a part
  }
  return Error::ok;
}

/// Receives `count` messages from `first` on; the number of the first wrong one is left in `number`.
Error receive_batches(Receiver& receiver, const Options& options, std::uint64_t& number) {
  for (number = options.first; number < options.first + options.count;) {
    std::uint32_t sizes[kBatch];
    const auto most = std::min<std::uint64_t>(kBatch, options.first + options.count - number);
    const zipc::Batch messages = receiver.peek_batch({sizes, static_cast<std::size_t>(most)});
    if (!messages && goes_on(receiver, messages.error(), Error::empty, options)) continue;
    if (!messages) return messages.error();
    for (std::size_t k = 0; k < messages.size(); ++k) {
      if (!zipc::test::is_message(messages[k].first(sizes[k]), number + k, options.seed, options.longest)) return Error::corrupt;
    }
    const std::uint64_t received = receiver.stats().received;
    if (const Error popped = receiver.pop_batch(messages.size()); popped != Error::ok) return popped;
    number += receiver.stats().received - received;  // after a move it may have been a part: the rest comes again
  }
  return Error::ok;
}

int send(Options options) {
  auto sender = options.params.queue_size == 0 ? Sender::open(options.name) : Sender::create(options.name, options.params);
  if (!sender) return complain(sender.failure());
  resume_at(sender->stats().sent, options);
  prepare(*sender, options);
  if (options.longest == 0) options.longest = sender->params().message_size;
  std::vector<std::byte> buffer(options.longest);
  if (options.batches) {
    if (const Error sent = send_batches(*sender, options); sent != Error::ok) return complain(sent, options.first);
    options.count = 0;
  }
  for (std::uint64_t i = 0; i < options.count; ++i) {
    if (char byte = 0; options.paced && read(0, &byte, 1) <= 0) break;
    if (const Error renewed = options.renew ? sender->renew() : Error::ok; renewed != Error::ok) return complain(renewed, i);
    Error error = Error::full;
    while (goes_on(*sender, error, Error::full, options)) error = send_one(*sender, options.first + i, options, buffer);
    if (error != Error::ok) return complain(error, options.first + i);
    if (options.paced) std::printf("%llu\n", static_cast<unsigned long long>(i + 1));
  }
  std::printf("sent %llu\n", static_cast<unsigned long long>(options.count));
  for (char byte = 0; options.hold && read(0, &byte, 1) > 0;) {
  }
  return 0;
}

zipc::Received receive_one(Receiver& receiver, const Options& options) {
  if (options.in_place) return options.spin ? receiver.peek() : receiver.peek_blocking();
  return options.spin ? receiver.receive() : receiver.receive_blocking();
}

int receive(Options options) {
  auto receiver =
      options.params.queue_size == 0 ? Receiver::open(options.name) : Receiver::create(options.name, options.params);
  if (!receiver) return complain(receiver.failure());
  if (options.longest == 0) options.longest = receiver->params().message_size;
  resume_at(receiver->stats().received, options);
  prepare(*receiver, options);
  if (options.batches) {
    std::uint64_t number = 0;
    if (const Error got = receive_batches(*receiver, options, number); got != Error::ok) return complain(got, number);
    options.count = 0;
  }
  for (std::uint64_t i = 0; i < options.count; ++i) {
    if (char byte = 0; options.paced && read(0, &byte, 1) <= 0) break;
    zipc::Received message = Error::empty;
    while (goes_on(*receiver, message.error(), Error::empty, options)) message = receive_one(*receiver, options);
    if (!message) return complain(message.error(), options.first + i);
    if (!zipc::test::is_message(message->data, options.first + i, options.seed, options.longest)) {
      std::uint64_t number = 0;
      std::memcpy(&number, message->data.data(), std::min(sizeof number, message->data.size()));
      std::fprintf(stderr, "zipc_peer: message %llu is wrong: it has %zu bytes and says that it is %llu\n",
                   static_cast<unsigned long long>(options.first + i), message->data.size(),
                   static_cast<unsigned long long>(number));
      return 1;
    }
    if (options.log) std::printf("got %llu\n", static_cast<unsigned long long>(options.first + i));
    if (!options.in_place) continue;
    if (const Error popped = receiver->pop(); popped != Error::ok) return complain(popped, options.first + i);
  }
  std::printf("received %llu\n", static_cast<unsigned long long>(options.count));
  for (char byte = 0; options.hold && read(0, &byte, 1) > 0;) {
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  if (argc < 5) return 2;
  Options options;
  options.name = argv[2];
  options.params = {.queue_size = static_cast<std::uint32_t>(std::strtoul(argv[3], nullptr, 10)),
                    .message_size = static_cast<std::uint32_t>(std::strtoul(argv[4], nullptr, 10))};
  for (int i = 5; i < argc; ++i) {
    const std::string_view option = argv[i];
    const auto number = [&] { return i + 1 < argc ? std::strtoull(argv[++i], nullptr, 10) : 0; };
    if (option == "--count") options.count = number();
    else if (option == "--first") options.first = number();
    else if (option == "--longest") options.longest = static_cast<std::uint32_t>(number());
    else if (option == "--seed") options.seed = number();
    else if (option == "--in-place") options.in_place = true;
    else if (option == "--batches") options.batches = true;
    else if (option == "--spin") options.spin = true;
    else if (option == "--waiting" && i + 1 < argc) options.waiting = waiting_of(argv[++i]);
    else if (option == "--hold") options.hold = true;
    else if (option == "--announce") options.announce = true;
    else if (option == "--tell") options.tell = true;
    else if (option == "--paced") options.paced = true;
    else if (option == "--renew") options.renew = true;
    else if (option == "--resume") options.resume = true;
    else if (option == "--log") options.log = true;
    else return 2;
  }
  return std::string_view(argv[1]) == "send" ? send(options) : receive(options);
}
