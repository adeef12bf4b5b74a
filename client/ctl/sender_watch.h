/// Notices when the sender of a stream is gone, or another one has taken its place, before the stream has ended.
///
/// Only a broker can tell who holds a role. Without one, or while it is away, or for a peer that takes no lease,
/// nothing is ever noticed: a wait is bounded by --timeout then.
#pragma once

#include <optional>
#include <string>

#include "client/ctl/access.h"

namespace zipc::ctl {

class SenderWatch {
 public:
  SenderWatch(Access& access, std::string channel) : access_(access), channel_(std::move(channel)) {}

  /// Notes who is the sender. Cost, as of gone() and replaced(): the broker's answer.
  void stream_begins() {
    within_stream_ = true;
    at_begin_ = sender();
  }
  void stream_ends() { within_stream_ = false; }
  [[nodiscard]] bool within_stream() const noexcept { return within_stream_; }

  /// While nothing arrives: whether it can be said that nothing will any more.
  [[nodiscard]] std::optional<Failure> gone();

  /// The sender, which was `peer`, has gone in the middle of its stream.
  [[nodiscard]] Failure ended(const ZipcPeer& peer) const;

  /// When something arrives after a pause, or the end does: whether it is for certain another sender's.
  [[nodiscard]] std::optional<Failure> replaced();

 private:
  static constexpr int kNobody = 0;
  /// The process that holds the sender's role, or kNobody; nothing if the broker cannot be asked.
  [[nodiscard]] std::optional<int> sender();

  Access& access_;
  std::string channel_;
  bool within_stream_ = false;
  std::optional<int> at_begin_;  ///< nothing if it could not be told
};

}  // namespace zipc::ctl
