/// A doorbell, by which a side of a channel is woken that polls a descriptor instead of sleeping in the library: what broker,
/// ring and client agree on about it. waiting.h says why no wake-up is lost.
#pragma once

#include <cstdint>

#include "common/unique_fd.h"
#include "common/waiting.h"

namespace zipc {

/// What of a waiting word is left beside kByDoorbell.
inline constexpr std::uint32_t kDoorbellSerialMax = kByDoorbell - 1;

/// What is added to a doorbell's count to ring it; and when it is of no more use: who waits by it is to ask for another.
inline constexpr std::uint64_t kDoorbellRung = 1;
inline constexpr std::uint64_t kDoorbellVoid = std::uint64_t{1} << 32;

struct Doorbell {
  UniqueFd fd;               ///< an eventfd that does not block
  std::uint32_t serial = 0;  ///< 1 .. kDoorbellSerialMax; another one for each that there has ever been, as good as surely

  /// Adds to the count; who polls it sees that. Cost: a system call.
  void add(std::uint64_t count) const noexcept;
};

/// Rings the doorbell of this number, by which the peer in the segment at `memory` waits: calls what set_bellringer() was
/// given. False: it is not sure that anybody rings it.
[[gnu::cold]] bool ring_doorbell(const void* memory, std::uint32_t serial) noexcept;
using Bellringer = bool (*)(const void* memory, std::uint32_t serial) noexcept;
/// Before anything is attached to.
void set_bellringer(Bellringer ringer) noexcept;

}  // namespace zipc
