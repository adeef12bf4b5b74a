/// A channel gets other memory while it is in use: other sizes, or a holder whose role is taken away.
///
/// The memory that the channel leaves keeps its holders until they follow, and a file beside the channel's own
/// (FormerName) for as long. Whoever looks at either file at whatever moment finds one that is whole:
///
///   prepare   makes the new memory, under the name that the old will have
///   freeze    tells both holders that the channel is about to move (kNoticeMoving), then carries the messages over
///   commit    swaps the two files, tells the holders that it has moved (kNoticeMoved), and wakes them
///
/// A Move that is not committed is undone at its end. A broker that is killed in the middle leaves it to the next to
/// undo or to finish it: Broker::adopt_former().
///
/// *Exactly the messages between final_head and final_tail are carried over.* A holder looks at its notice after each
/// change of its index, with a fence in between; we set the notice, with a fence before we look at the indices [moving].
/// So we have seen the change, or the holder sees the notice, asks us, and learns from the final indices that what it
/// did last does not count.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/segments.h"

namespace zipc {

class Move {
 public:
  /// For `channel`, whose memory this broker made, to become as `next` says. `fenced` loses its role. Allocates.
  /// Error::corrupt, channel_in_use (an existing peer, which would not follow, may be there), foreign_segment (not ours),
  /// invalid_params (the messages that wait would not fit), out_of_memory, unsupported, system.
  [[nodiscard]] static Result<Move> prepare(const Segments& segments, const Channel& channel, const ChannelSpec& next,
                                            std::optional<Role> fenced);

  Move(Move&&) noexcept = default;
  Move& operator=(Move&&) = delete;
  ~Move();

  /// Error::invalid_params as above, for messages may have been sent meanwhile; corrupt; system.
  [[nodiscard]] Result<void> freeze();

  /// After freeze(). Error::unsupported, system.
  [[nodiscard]] Result<void> commit();

  [[nodiscard]] const ChannelSpec& next() const noexcept { return next_; }
  [[nodiscard]] std::optional<Role> fenced() const noexcept { return fenced_; }
  [[nodiscard]] std::uint32_t messages() const noexcept { return messages_; }  ///< carried over, or to be so
  [[nodiscard]] Backing backing() const noexcept { return {.id = new_id_, .ours = true}; }
  [[nodiscard]] const Former& former() const noexcept { return former_; }
  /// The file of the new memory until commit(), and of the old from then on.
  [[nodiscard]] const std::string& file() const noexcept { return file_; }

 private:
  Move() = default;
  /// The messages that wait, from `header`, a copy: their lengths, checked.
  [[nodiscard]] Result<std::vector<std::uint64_t>> lengths(const SegmentHeader& header) const;
  [[nodiscard]] Result<void> carry_over(const SegmentHeader& header, const std::vector<std::uint64_t>& lengths);
  /// Returns whether both sides are told.
  bool tell(std::uint32_t bits, std::uint32_t without) noexcept;

  const Segments* segments_ = nullptr;
  ChannelSpec next_;
  Params old_params_;
  std::optional<Role> fenced_;
  Former former_;
  SegmentId new_id_;
  std::string file_;
  UniqueFd old_;  ///< both open for writing
  UniqueFd new_;  ///< empty: moved from
  std::uint32_t messages_ = 0;
  bool frozen_ = false;
  bool committed_ = false;
};

}  // namespace zipc
