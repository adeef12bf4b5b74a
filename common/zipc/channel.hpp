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
  std::uint32_t largest = 0;   ///< longest message ever sent, in bytes
};

/// A process that holds a role.
struct Holder {
  std::int64_t lease = 0;  ///< the lease's number
  int pid = 0;             ///< in the broker's pid namespace
  std::uint32_t uid = 0;
  std::int64_t held_ms = 0;  ///< since when, in milliseconds before now
  std::int64_t expires_in_ms = -1;  ///< when it loses the role unless it renews its lease; -1: never
  std::int64_t asleep_ms = -1;      ///< for how long it has been asleep, waiting for the other side; -1: it is not
  std::int64_t idle_ms = -1;  ///< for how long at least it has not moved a message, as far as was looked; -1: unknown
  bool behind = false;        ///< it still uses an earlier generation of the channel's memory
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
  bool draining = false;        ///< the configuration has dropped it: it goes once it is empty and unused
  bool existing_peer = false;   ///< a program that takes no lease has it open
  std::int64_t lease_ttl_ms = -1;  ///< how long a lease lasts unless it is renewed; -1: as long as its holder
  Waiting waiting = Waiting::adaptive;  ///< how its peers' blocking calls wait unless the programs choose
  std::string no_memory;        ///< why it has none, as of the last try; empty: it has. Then bytes and generation are 0
  bool foreign = false;         ///< its memory was made without this broker, which never removes it
  std::uint32_t retired = 0;    ///< earlier generations of its memory that somebody still has open
  std::optional<Holder> sender;
  std::optional<Holder> receiver;
  std::uint64_t sent = 0;       ///< messages, ever
  std::optional<std::uint64_t> sent_before;  ///< of those, before the present or last sender came; nothing: unknown
  std::uint64_t bytes_sent = 0;
  std::uint64_t received = 0;   ///< messages, ever
  std::uint64_t full = 0;       ///< how often the sender met a full queue
  std::uint32_t depth = 0;      ///< messages waiting now
  std::uint32_t deepest = 0;    ///< most messages ever found waiting
  std::uint32_t largest = 0;    ///< longest message ever sent, in bytes
};

/// Something that happened to a channel or a lease, as Watch reports it.
struct Event {
  std::int64_t at_ms = 0;  ///< since 1970, in milliseconds
  /// created, adopted, leased, released, died, fenced, resized, withdrawn, reaped, removed, full, drained
  std::string kind;
  std::string channel;
  std::optional<Role> role;  ///< of leased, released, died, fenced
  int pid = 0;               ///< of the same; 0: unknown
  std::string message;       ///< a sentence
  std::int64_t missed = 0;   ///< events before this one that this watcher was too slow for
};

/// One step of a plan: what a new configuration changes about a channel.
struct PlanStep {
  std::string action;   ///< create, resize, change, drain, keep
  std::string channel;  ///< or, to change, one of the sections socket, limits, defaults and dynamic
  std::string details;  ///< "8 x 1024 bytes -> 16 x 1024 bytes, 3 messages are carried over"; may be empty
};

/// Something that is not as the broker's registry says.
struct Finding {
  std::string kind;     ///< orphan, missing, other_file, wrong_size, unleased_holder, leftover, descriptors, bytes, registry
  std::string subject;  ///< the channel or file
  std::string message;  ///< a sentence
  bool repaired = false;
};

}  // namespace zipc
