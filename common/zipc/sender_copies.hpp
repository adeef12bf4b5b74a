/// A sender's own copies of what only it writes in the header of a segment: hot_path.hpp says what for.
#pragma once

#include <zipc/layout.hpp>

namespace zipc {

/// Outside the segment, in memory that is shared with the children of this process, which continue what it has begun, and with
/// nobody else. It belongs to a mapping, so that all contexts over it go by the same.
struct alignas(64) SenderCopies {
  SegmentHeader copies;                 ///< only tail, cached_head, sent, bytes_sent and largest
  std::uint32_t init_flag = kInitFlag;  ///< for programs that look at ZipcContext::init_flag, which points here
  std::atomic<std::uint8_t>* tripwire = nullptr;  ///< layout.hpp: it tells when they are good
};

}  // namespace zipc
