/// Whether receivers are to write back to memory the cache lines that they have read.
///
/// A line that both sides have in their caches must be taken from the receiver before the sender can write to it again. On some
/// processors that takes long, and only a few such lines are asked for at once: on an AMD EPYC (Zen 4) it is 7 ns a line, where the
/// receiver has read it in 1.5, and a store behind it waits, however early the line was fetched for writing. A line that the receiver has
/// written back (clwb) is the sender's alone: it is written in 1.2 ns, as if nobody had read it, and the receiver spends 2.7. Where a raw
/// cache line takes 110 ns there and back, streams of 64 bytes take 0.34 to 0.5 times as long with this, of 256 bytes 0.25 to 0.35, of 1
/// KiB 0.3 to 0.4, and in batches 0.5, 0.7 and 0.7 to 0.8; where it takes 58 ns, 1.0 to 1.1 times, and where it takes 480, 1.0. Each line is
/// written to memory at most once a lap for it.
#pragma once

#include <cstdint>
#include <zipc/params.hpp>

namespace zipc {

/// Whether a channel of these sizes gains, where processors do. In a short queue the sender is back before the line is written: 16 slots of 1
/// KiB take 1.5 times as long with it. What is larger than the nearer caches has left them by itself when the sender comes back: 2 MiB
/// take 1.0 to 1.4 times as long. And of messages of 8 bytes, most have no line to write back: 1.1 times.
[[nodiscard]] constexpr bool has_sizes_to_write_back(const Params& params) noexcept {
  constexpr std::uint64_t kLargest = 1u << 20;
  return params.queue_size > 32 && params.message_size >= 32 && std::uint64_t{params.queue_size} * params.message_size <= kLargest;
}

/// The same, and on this machine. ZIPC_WRITE_BACK=off in the environment: no; on: also on processors that are not known to gain, if they
/// can. Cost: the first time, a few instructions that a hypervisor may see to.
[[nodiscard]] bool gains_by_writing_back(const Params& params) noexcept;

}  // namespace zipc
