/// Notices when the sender of a stream is gone, or another one has taken its place, before the stream has ended; and when
/// another receiver has taken its beginning.
///
/// Only a broker can tell who holds a role, and since which message. Without one, or while it is away, or for a peer that takes no lease,
/// nothing is ever noticed: a wait is bounded by --timeout then.
#pragma once

#include <optional>
#include <string>

#include "client/ctl/access.h"

namespace zipc::ctl {

class SenderWatch {
 public:
  /// `receiver`: which has received nothing yet.
  SenderWatch(Access& access, std::string channel, const Receiver& receiver);

  /// Notes who is the sender. Cost, as of gone() and replaced(): the broker's answer.
  void stream_begins();
  void stream_ends() { within_stream_ = false; }
  [[nodiscard]] bool within_stream() const noexcept { return within_stream_; }

  /// Once the stream has begun: whether another receiver has had the first messages of it for certain.
  [[nodiscard]] std::optional<Failure> begun_elsewhere() const;

  /// While nothing arrives: whether it can be said that nothing will any more.
  [[nodiscard]] std::optional<Failure> gone();

  /// The sender, which was `peer`, has gone in the middle of its stream.
  [[nodiscard]] Failure ended(const ZipcPeer& peer) const;

  /// When something arrives after a pause, or the end does: whether it is for certain another sender's.
  [[nodiscard]] std::optional<Failure> replaced();

 private:
  static constexpr int kNobody = 0;
  /// What the broker says; nothing if it cannot be asked.
  [[nodiscard]] std::optional<ChannelInfo> channel();
  /// The process that holds the sender's role, or kNobody; nothing if the broker cannot be asked.
  [[nodiscard]] std::optional<int> sender();

  Access& access_;
  std::string channel_;
  bool within_stream_ = false;
  std::optional<int> at_begin_;  ///< nothing if it could not be told
  std::optional<std::uint64_t> received_before_;  ///< messages, by other receivers; nothing if the last one ended a stream
  std::uint64_t missed_ = 0;                      ///< messages of the stream that others have received
};

}  // namespace zipc::ctl
