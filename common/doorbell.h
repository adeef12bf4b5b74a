/// A doorbell, by which a side of a channel is woken that polls a descriptor: what broker and clients agree on about it.
/// The waiting word of such a side says so (kByDoorbell in waiting.h), and the doorbell's number.
#pragma once

#include <cstdint>

#include "common/unique_fd.h"

namespace zipc {

/// What is added to a doorbell's count to ring it; and when it is of no more use: who waits by it is to ask for another.
inline constexpr std::uint64_t kDoorbellRung = 1;
inline constexpr std::uint64_t kDoorbellVoid = std::uint64_t{1} << 32;

struct Doorbell {
  UniqueFd fd;               ///< an eventfd that does not block
  std::uint32_t serial = 0;  ///< 1 .. 2^31-1; another one for each that there has ever been, as good as surely
};

}  // namespace zipc
