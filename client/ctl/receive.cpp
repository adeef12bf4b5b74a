#include "client/ctl/receive.h"

#include <algorithm>

#include "client/ctl/complaint.h"
#include "client/ctl/interruption.h"
#include "client/ctl/output.h"
#include "client/ctl/output_json.h"
#include "client/ctl/progress.h"
#include "client/ctl/sender_watch.h"

namespace zipc::ctl {
namespace {

using Clock = Tally::Clock;

constexpr milliseconds kSilence{1000};       // without a message, after which the broker is asked for the sender
constexpr milliseconds kEndMarkerWait{100};  // for what follows the last of --count messages

/// The receiving end, and how it waits for the sender.
class Inlet {
 public:
  Inlet(Receiver& receiver, Access& access, Progress& progress, const ReceiveOptions& options,
        bool shows_when_complete)
      : receiver_(receiver), progress_(progress), options_(options), watch_(access, options.channel, receiver),
        shows_when_complete_(shows_when_complete) {}

  /// The oldest message, when there is one. It stays in the channel until done_with() it.
  Result<Message> next() {
    const auto begin = Clock::now();
    auto asked = begin;
    for (;;) {
      if (interrupting_signal() != 0) return interrupted();
      const auto message = wait_for_message(std::min(kSlice, options_.timeout));
      if (message) return accept(*message, asked != begin);
      if (message.error() == Error::peer_gone && watch_.within_stream() && !options_.follow) return watch_.ended(receiver_.peer());
      if (message.error() != Error::timeout && message.error() != Error::peer_gone) {
        return channel_failure(message.error(), options_.channel);
      }
      const auto now = Clock::now();
      if (options_.timeout != kNoLimit && now - begin >= options_.timeout) return nothing_arrives();
      if (now - asked >= kSilence) {
        asked = now;
        if (auto failure = watch_.gone(); failure && !receiver_.peek()) return *failure;
      }
      progress_.update(tally_, now - begin >= kSilence ? "waiting for the sender" : "");
    }
  }

  /// Takes it out of the channel.
  Result<void> done_with(const Message& message) {
    const std::size_t size = message.data.size();
    if (const Error error = receiver_.pop(); error != Error::ok) return channel_failure(error, options_.channel);
    if (size != 0) {
      tally_.add(size);
    } else {
      watch_.stream_ends();
    }
    progress_.update(tally_);
    return {};
  }

  /// After the last message that is wanted: takes the end of the stream out as well, if it is just that. Its sender
  /// waits.
  void take_end_marker() {
    const auto message = receiver_.peek_blocking(kEndMarkerWait);
    if (message && message->data.empty()) static_cast<void>(receiver_.pop());
  }

  [[nodiscard]] const Tally& tally() const noexcept { return tally_; }

 private:
  Received wait_for_message(milliseconds timeout) {
    const auto message = receiver_.peek();
    if (message.error() != Error::empty) {
      if (message.error() == Error::peer_gone) ran_dry_ = true;
      return message;
    }
    ran_dry_ = true;
    return receiver_.peek_blocking(timeout);
  }

  /// Looks at who sent it: at the first message of a stream, at one after a pause, and at the end. As long as the
  /// channel has not run dry, nobody else can have begun: `send` does not while messages are waiting. What cannot become
  /// complete is refused before anything is taken out; what is written as it comes is passed on, but not called complete.
  Result<Message> accept(const Message& message, bool after_pause) {
    const bool end = message.data.empty();
    if (options_.follow) return message;
    if (!watch_.within_stream()) {
      watch_.stream_begins();
      ran_dry_ = false;
    } else if (ran_dry_ && (after_pause || end)) {
      if (auto failure = watch_.replaced()) return *failure;
    }
    if (!options_.rest && !options_.count && (end || shows_when_complete_)) {
      if (auto failure = watch_.begun_elsewhere()) return *failure;
    }
    return message;
  }

  Failure nothing_arrives() const {
    return Failure{Error::timeout, "no message arrived on " + options_.channel + " within " +
                                       format_duration(options_.timeout) + ", after " +
                                       std::to_string(tally_.messages()) + " that did"};
  }

  Receiver& receiver_;
  Progress& progress_;
  const ReceiveOptions& options_;
  SenderWatch watch_;
  bool shows_when_complete_;  ///< what is received
  bool ran_dry_ = false;  ///< since the first message of the stream
  Tally tally_;
};

/// Refuses messages that are not `frame` bytes long; only the last one of a stream may be shorter.
class FrameCheck {
 public:
  explicit FrameCheck(std::optional<std::uint32_t> frame) : frame_(frame) {}

  /// `number`: of the message, from 1. Error::params_mismatch.
  Result<void> check(std::size_t size, std::uint64_t number) {
    if (!frame_) return {};
    const bool after_short_one = std::exchange(short_one_seen_, size != 0 && size < *frame_);
    if (size > *frame_) return other_size("message " + std::to_string(number) + " is longer");
    if (size != 0 && after_short_one) return other_size("message " + std::to_string(number - 1) + " is shorter");
    return {};
  }

 private:
  Failure other_size(const std::string& what) const {
    return advised(Failure{Error::params_mismatch, what + " than a frame of " + std::to_string(*frame_) + " bytes"},
                   "use the --frame of the sender, or none");
  }

  std::optional<std::uint32_t> frame_;
  bool short_one_seen_ = false;
};

Result<void> write_message(Output& output, const Message& message, bool lines) {
  static constexpr std::byte kNewline{'\n'};
  if (auto written = output.write(message.data); !written) return written;
  if (!lines || message.data.back() == kNewline) return {};
  return output.write(std::span(&kNewline, 1));
}

/// Until the end of what is wanted. The output is complete then.
Result<void> receive(Inlet& inlet, Output& output, const ReceiveOptions& options) {
  for (FrameCheck frames(options.frame);;) {
    const auto message = inlet.next();
    if (!message) return message.failure();
    const bool end = message->data.empty();
    if (auto fits = frames.check(message->data.size(), inlet.tally().messages() + 1); !fits) return fits;
    if (end && !options.follow) {
      if (auto complete = output.commit(); !complete) return complete;
      return inlet.done_with(*message);
    }
    if (!end) {
      if (auto written = write_message(output, *message, options.lines); !written) return written;
    }
    if (auto popped = inlet.done_with(*message); !popped) return popped;
    if (options.count == inlet.tally().messages()) {
      inlet.take_end_marker();
      return output.commit();
    }
  }
}

}  // namespace

Result<void> run(Access& access, const ReceiveOptions& options) {
  if (auto noted = note_signals(); !noted) return noted;
  auto output =
      Output::open(options.file, options.follow ? Output::Kind::in_place : Output::Kind::replaced_when_complete);
  if (!output) return output.failure();
  auto receiver = access.receiver(options.channel, options.sizes);
  if (!receiver) return receiver.failure();

  Progress progress("receive " + options.channel, {}, options.quiet);
  Inlet inlet(*receiver, access, progress, options, output->shows_when_complete());
  auto received = receive(inlet, *output, options);
  const bool followed = options.follow && interrupting_signal() != 0;  // which is how that ends
  if (!received && !followed) return received;
  progress.finish(inlet.tally());
  if (options.json) {
    const std::string summary = json_of(options.channel, inlet.tally());
    if (output->is_standard_output()) {
      print_aside(summary);
    } else if (auto printed = print(summary); !printed) {
      return printed;
    }
  }
  return received;
}

}  // namespace zipc::ctl
