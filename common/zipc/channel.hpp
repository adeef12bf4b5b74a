/// What can be told about a channel: its counters, and what the broker knows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <zipc/params.hpp>

namespace zipc {

/// Counters of a channel since its creation. The peers write them in shared memory, so they are only as true as the peers.
struct Stats {
  std::uint64_t sent = 0;  ///< messages
  std::uint64_t bytes_sent = 0;
  std::uint64_t received = 0;  ///< messages
  std::uint64_t full = 0;      ///< how often the sender met a full queue
  std::uint32_t depth = 0;     ///< messages waiting now
  std::uint32_t deepest = 0;   ///< most messages ever found waiting
};

/// A process that holds a role.
struct Holder {
  std::int64_t lease = 0;  ///< the lease's number
  int pid = 0;             ///< in the broker's pid namespace
  std::uint32_t uid = 0;
  std::int64_t held_ms = 0;  ///< since when, in milliseconds before now
};

struct ChannelInfo {
  std::string name;
  Params params;
  bool provisioned = false;     ///< by the configuration file; otherwise made on request
  std::uint32_t mode = 0;       ///< permission bits, as of a file
  std::uint32_t owner_uid = 0;
  std::uint32_t group_gid = 0;
  std::int64_t linger_ms = 0;   ///< how long a dynamic channel outlives its last lease; -1: for ever
  std::int64_t reaped_in_ms = -1;  ///< -1: not due
  std::uint64_t bytes = 0;      ///< shared memory that it takes
  std::uint32_t generation = 0;
  std::optional<Holder> sender;
  std::optional<Holder> receiver;
  std::uint64_t sent = 0;       ///< messages, ever
  std::uint64_t bytes_sent = 0;
  std::uint64_t received = 0;   ///< messages, ever
  std::uint64_t full = 0;       ///< how often the sender met a full queue
  std::uint32_t depth = 0;      ///< messages waiting now
  std::uint32_t deepest = 0;    ///< most messages ever found waiting
};

}  // namespace zipc
