/// What tests/bench/compare-trees loads: one way to write the hot path, compiled by itself.
#pragma once

#include <cstddef>
#include <cstdint>

namespace zipc {
class Sender;
class Receiver;
}  // namespace zipc

namespace zipc::bench {

struct Arena;

/// How messages are passed. All of them in place: what is copied in is copied in the library, of which there is one.
enum class Api : int { peek, receive, batches };
/// `alone`: both ends in one thread, half a queue of messages in turns. No cache line travels: it is the instructions that are compared.
enum class Traffic : int { round_trip, stream, alone };

/// One side's share of `count` messages from number `first` on. Of a stream, side 0 sends and side 1 receives; of round trips, each
/// does both; alone, each does both by itself.
struct Share {
  Arena* arena;
  Api api;
  Traffic traffic;
  std::size_t size;  // bytes of a message: 8, 64, 256 or 1024
  int side;
  Sender* sender;
  Receiver* receiver;
  std::uint64_t first, count;
};

/// What each variant exports. It gives up if a message is not what was sent.
using RunShare = void (*)(const Share&);
inline constexpr const char* kRunShare = "zipc_bench_run_share";

}  // namespace zipc::bench
