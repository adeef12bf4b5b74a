#include "client/ctl/send.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "client/ctl/complaint.h"
#include "client/ctl/input.h"
#include "client/ctl/interruption.h"
#include "client/ctl/output_json.h"
#include "client/ctl/progress.h"

namespace zipc::ctl {
namespace {

using Clock = Tally::Clock;

constexpr milliseconds kNap{2};         // between looks at what is still to be received, which nothing announces
constexpr milliseconds kStalled{1000};  // without progress, after which the terminal says what we wait for

/// The sending end, and how it waits for the receiver.
class Outlet {
 public:
  Outlet(Sender& sender, Progress& progress, milliseconds timeout)
      : sender_(sender), progress_(progress), timeout_(timeout) {}

  /// The next free slot, when there is one.
  Result<std::span<std::byte>> slot() {
    for (const auto begin = Clock::now();;) {
      if (interrupting_signal() != 0) return interrupted();
      const auto slot = sender_.loan_blocking(std::min(kSlice, timeout_));
      if (slot) return slot->data;
      if (slot.error() != Error::timeout && slot.error() != Error::peer_gone) return channel_failure(slot.error(), sender_.name());
      if (auto more = keep_waiting(Clock::now() - begin); !more) return more.failure();
    }
  }

  /// Sends what was written into the slot. An empty message ends the stream, which one that was interrupted does not.
  Result<void> publish(std::size_t size) {
    if (size == 0 && interrupting_signal() != 0) return interrupted();
    if (const Error error = sender_.publish(size); error != Error::ok) return channel_failure(error, sender_.name());
    if (size != 0) tally_.add(size);
    progress_.update(tally_);
    return {};
  }

  /// Waits until the channel is empty.
  Result<void> wait_until_taken() {
    auto last_taken = Clock::now();
    for (std::uint32_t before = 0;;) {
      const std::uint32_t depth = sender_.stats().depth;
      if (depth == 0) break;
      if (interrupting_signal() != 0) return interrupted();
      if (std::exchange(before, depth) != depth) last_taken = Clock::now();
      if (auto more = keep_waiting(Clock::now() - last_taken); !more) return more;
      std::this_thread::sleep_for(kNap);
    }
    tally_.finish();
    return {};
  }

  [[nodiscard]] const Tally& tally() const noexcept { return tally_; }

 private:
  /// After a time in which nothing was received.
  Result<void> keep_waiting(Clock::duration waited) {
    if (timeout_ != kNoLimit && waited >= timeout_) {
      return Failure{Error::timeout, "nothing was received from " + std::string(sender_.name()) + " for " +
                                         format_duration(timeout_) + ", and " + std::to_string(sender_.stats().depth) +
                                         " messages are waiting there"};
    }
    progress_.update(tally_, waited >= kStalled ? "waiting for the receiver" : "");
    return {};
  }

  Sender& sender_;
  Progress& progress_;
  milliseconds timeout_;
  Tally tally_;
};

Result<void> send_bytes(Outlet& outlet, Input& input, const std::optional<std::uint32_t>& frame) {
  for (;;) {
    const auto slot = outlet.slot();
    if (!slot) return slot.failure();
    const auto size = frame ? input.read_fully(slot->first(*frame)) : input.read(*slot);
    if (!size) return size.failure();
    if (auto sent = outlet.publish(*size); !sent) return sent;
    if (*size == 0) return {};
  }
}

Result<void> send_lines(Outlet& outlet, Input& input, std::size_t message_size) {
  for (LineReader reader(input, message_size);;) {
    const auto line = reader.next();
    if (!line) return line.failure();
    const auto slot = outlet.slot();
    if (!slot) return slot.failure();
    std::ranges::copy(std::as_bytes(std::span(*line)), slot->begin());
    if (auto sent = outlet.publish(line->size()); !sent) return sent;
    if (line->empty()) return {};
  }
}

/// Fails when what we would send does not fit, or would be taken for the rest of another stream.
Result<void> check(const Sender& sender, const SendOptions& options) {
  const std::uint32_t message_size = sender.params().message_size;
  if (options.frame.value_or(0) > message_size) {
    return Failure{Error::message_too_large, "frames of " + std::to_string(*options.frame) + " bytes do not fit into " +
                                                 options.channel + ", whose messages have " +
                                                 std::to_string(message_size) + " bytes at most"};
  }
  const std::uint32_t depth = sender.stats().depth;
  if (depth == 0 || options.append) return {};
  return advised(Failure{Error::channel_in_use, options.channel + " still holds " + std::to_string(depth) +
                                                    " messages of a sender that did not wait for them to be received"},
                 "receive them first (zipcctl receive " + options.channel + " --count " + std::to_string(depth) +
                     "), or put yours behind them with --append");
}

}  // namespace

Result<void> run(Access& access, const SendOptions& options) {
  if (auto noted = note_signals(); !noted) return noted;
  auto input = Input::open(options.file);
  if (!input) return input.failure();
  auto sender = access.sender(options.channel, options.sizes);
  if (!sender) return sender.failure();
  if (auto fits = check(*sender, options); !fits) return fits;

  Progress progress("send " + options.channel, input->size(), options.quiet);
  Outlet outlet(*sender, progress, options.timeout);
  auto sent = options.lines ? send_lines(outlet, *input, sender->params().message_size)
                            : send_bytes(outlet, *input, options.frame);
  if (sent) sent = outlet.wait_until_taken();
  if (!sent) return sent;
  progress.finish(outlet.tally());
  return options.json ? print(json_of(options.channel, outlet.tally())) : Result<void>{};
}

}  // namespace zipc::ctl
