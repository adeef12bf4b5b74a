/// The shared memory of one channel: making it, opening it, mapping it, and checking what was found.
///
/// *Ownership.* A SegmentFile owns a descriptor, a Mapping owns mapped memory; they do not depend on each other: the
/// descriptor may be closed once the memory is mapped. The role's lock (segment_lock.h) lives as long as either.
///
/// *Trust.* Everything in the file was written by other processes, maybe hostile ones. Sizes are checked here, against the
/// file as well; indices and lengths in ring.h. A process that may write the file may also truncate it under us, which no
/// check can prevent: that is what the mode of the segment is for.
#pragma once

#include <sys/types.h>

#include <boost/interprocess/mapped_region.hpp>
#include <optional>
#include <string>

#include "common/ring.h"
#include "common/segment_lock.h"
#include "common/sender_copies.h"
#include "common/unique_fd.h"

namespace zipc {

/// Which file it is, whatever its name says by now.
struct SegmentId {
  dev_t device = 0;
  ino_t inode = 0;
  friend bool operator==(const SegmentId&, const SegmentId&) = default;
};

/// An open segment file.
struct SegmentFile {
  UniqueFd fd;
  std::string name;
  SegmentId id;
  std::uint64_t size = 0;       ///< in bytes, when it was last looked at
  std::uint64_t allocated = 0;  ///< how much memory stands behind it, in bytes
  uid_t owner = 0;
  mode_t mode = 0;         ///< permission bits
  bool linked = true;      ///< false: the name was removed
};

/// What a new segment's header says about its maker.
struct Creator {
  Origin origin = Origin::direct;
  std::uint32_t generation = 1;
  std::uint32_t broker_id = 0;
  std::uint32_t linger_ms = 0;
  std::uint32_t owner_uid = 0;
  bool leased_once = false;  ///< somebody has held a role of it, or is about to: linger applies
};

/// The constants of a header, read once and in range.
struct SegmentInfo {
  Params params;
  Creator creator;
  bool existing_peer_seen = false;  ///< a peer that takes no lease has attached, and may still be there
  int sender_pid = 0;
  int receiver_pid = 0;
};

/// Opens the file of `name` for reading and writing. Follows no symbolic link. Error::channel_not_found,
/// permission_denied, foreign_segment (not a regular file), system. The name is valid (name.h).
[[nodiscard]] Result<SegmentFile> open_segment_file(const std::string& name);

/// Makes the file of `name`, empty, with permission bits `mode` whatever the umask. Error::channel_exists, system.
[[nodiscard]] Result<SegmentFile> create_segment_file(const std::string& name, mode_t mode);

/// Takes over a descriptor that was received from elsewhere. Error::foreign_segment, system.
[[nodiscard]] Result<SegmentFile> adopt_segment_file(UniqueFd fd, const std::string& name);

/// Looks at the file again: its size, and whether it still has its name. Error::system.
[[nodiscard]] Result<void> refresh(SegmentFile& file);

/// Removes the name. The memory goes with its last mapping. Error::channel_not_found, permission_denied, system.
[[nodiscard]] Result<void> remove_segment_file(const std::string& name);

/// Mapped memory of a segment. Move-only; unmaps at the end.
class Mapping {
 public:
  Mapping() = default;

  /// Maps the first `bytes` of the file. Error::out_of_memory, system.
  [[nodiscard]] static Result<Mapping> map(int fd, std::uint64_t bytes);

  [[nodiscard]] void* address() const noexcept { return region_.get_address(); }
  [[nodiscard]] std::uint64_t size() const noexcept { return region_.get_size(); }
  [[nodiscard]] SegmentHeader& header() const noexcept { return *static_cast<SegmentHeader*>(address()); }

  /// Gives a sender room for its own copies of the header, for as long as the memory is mapped: where there is a tripwire, and memory.
  void make_room_for_copies(const Params& params) noexcept;
  [[nodiscard]] SenderCopies* copies() const noexcept { return copies_.get(); }  ///< null: it has none
  /// The sender's view.
  [[nodiscard]] Ring sender_ring(const Params& params) const noexcept;

  /// Has the system enter all of it into the process's page table now, so that no message waits for that: without, the first lap
  /// of a queue of 4 KiB messages takes 5 times as long (2.0 us a message instead of 0.37). Only on Linux. Cost: 0.5 us a
  /// page, and 1.6 us if nobody has touched it before, for the system to clear it.
  void prefault() const noexcept;

  /// Puts a private copy of the header, and of the slots that `role` may still have pointers to, in place of the shared
  /// memory, which is given up, and with it the lock. Pointers stay good; what is written has no effect. Error::out_of_memory:
  /// nothing has changed.
  [[nodiscard]] Result<void> make_private(const Params& params, Role role);

 private:
  boost::interprocess::mapped_region region_;
  UniqueSenderCopies copies_;
};

/// Whether segments of `params` have a tripwire (layout.hpp) here.
[[nodiscard]] bool has_tripwire(const Params& params) noexcept;
/// The tripwire of a segment of `params` mapped at `memory`, or null where it has none.
[[nodiscard]] std::atomic<std::uint8_t>* tripwire_of(void* memory, const Params& params) noexcept;
/// The init flag of a segment of `params` at `memory`, in the one of its two places where it is whole.
[[nodiscard]] std::byte* init_flag_in(void* memory, const Params& params) noexcept;

/// A segment with memory allocated for all of it, and a header that says so.
struct ReadySegment {
  Params params;
  Mapping mapping;  ///< segment_size(params) bytes
};

/// Makes the segment ready: allocates all of its memory, writes the header if the file is new, checks the header if it is
/// not, and completes what an existing peer has made, or a process that was killed had begun. Returns it mapped.
///
/// `wanted`: the sizes asked for; if they are not given, the file must have been made by zipc. `creator` is written into a
/// new header only. The caller holds the set-up lock.
/// Errors: params_mismatch (with both sizes), out_of_memory, foreign_segment, corrupt, channel_not_found (a new file and
/// no sizes), system. When a new file cannot be set up, it stays empty.
[[nodiscard]] Result<ReadySegment> set_up_segment(const SegmentFile& file, const std::optional<Params>& wanted,
                                                  const Creator& creator);

/// The header's constants. Error::foreign_segment when the file bears no mark of zipc or one of another layout version,
/// corrupt when its sizes are impossible or do not fit the file.
[[nodiscard]] Result<SegmentInfo> read_segment_info(const SegmentFile& file);

/// Forgets what holders that are gone have left in the header, then announces a new holder of `role`, and arms the tripwire. The
/// caller holds the set-up lock and the role's lock. `pid` is what others are told; 0: the broker has noted it already, and has
/// doorbells. `received_before`: the holder comes from the channel's earlier memory, where it has received so many of the
/// messages that wait here.
void enter_role(const SegmentFile& file, Mapping& mapping, const Params& params, Role role, int pid,
                std::optional<std::uint32_t> received_before = {});

/// Finds out whether the holder of `role` has gone without saying so, and then tells its peer, who calls this. Takes the
/// set-up lock; if it is not free, it finds nothing. Returns whether it told.
bool notice_departure(const SegmentFile& file, const Mapping& mapping, const Params& params, Role role);

/// Takes the announcement of `role` back, before the mapping goes, and tells the peer.
void leave_role(const Mapping& mapping, const Params& params, Role role) noexcept;

/// Makes caller-owned memory of smallest_segment_size(params) bytes at least ready: a header without the init flag is
/// written anew. Error::params_mismatch when it was set up with other sizes.
[[nodiscard]] Result<void> set_up_memory(void* memory, const Params& params);

/// How long set-up may take in another process before Error::busy.
inline constexpr std::chrono::milliseconds kSetUpTimeout{2000};

}  // namespace zipc
