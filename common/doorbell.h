/// A doorbell, by which a side of a channel is woken that polls a descriptor instead of sleeping in the library: what broker,
/// ring and client agree on about it. waiting.h says why no wake-up is lost.
#pragma once

#include <cstdint>

#include "common/unique_fd.h"
#include "common/waiting.h"

namespace zipc {

/// What of a waiting word is left beside kByDoorbell.
inline constexpr std::uint32_t kDoorbellSerialMax = kByDoorbell - 1;

/// One end of a doorbell, which is a pair of connected stream sockets: its holder polls the one, who rings it sends a byte by the other.
/// (Not an eventfd: whether a call on that blocks, everybody decides who has it. Here each call says so itself.)
struct Doorbell {
  UniqueFd fd;
  std::uint32_t serial = 0;  ///< 1 .. kDoorbellSerialMax; another one for each that there has ever been, as good as surely

  /// By the end to ring by: the other becomes readable. Never blocks. Cost: a system call.
  void ring() const noexcept;
  /// The same for ever: the doorbell is of no more use, and who waits by it is to ask for another.
  void make_void() const noexcept;
  /// By the end to poll: makes it unreadable, unless more than 1024 rings are there. False: the doorbell is void. Never blocks.
  [[nodiscard]] bool take_rings() const noexcept;
};

/// Rings the doorbell of this number, by which the peer in the segment at `memory` waits: calls what set_bellringer() was
/// given. False: it is not sure that anybody rings it.
[[gnu::cold]] bool ring_doorbell(const void* memory, std::uint32_t serial) noexcept;
using Bellringer = bool (*)(const void* memory, std::uint32_t serial) noexcept;
/// Before anything is attached to.
void set_bellringer(Bellringer ringer) noexcept;

}  // namespace zipc
