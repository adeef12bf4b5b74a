/// The broker's hands on the shared memory file system: makes, looks at, opens, and removes the segments of channels.
///
/// *Trust.* A client that may use a segment may also write anything into it and cut it short, at any moment. So the
/// header is copied out by read(2), never mapped (but for a segment that we have just made), and it proves nothing
/// about who made the file. What the kernel says does: a file counts as ours only if it bears our mark and number *and*
/// belongs to us, or, as only root gives files away, if we are root and it belongs to whom it says we gave it. The latter may
/// have made it as well, which gains nothing as long as the channel is that user's: see check_maker().
///
/// *Events.* Looking opens files for reading only, but for a lease: the end of an open file description that could write is
/// what the broker waits for (liveness.h).
#pragma once

#include <fcntl.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/segment.h"
#include "daemon/registry.h"

namespace zipc {

/// What a segment's file was found to be.
struct SegmentLook {
  UniqueFd fd;  ///< open for reading
  SegmentId id;
  std::uint64_t size = 0;       ///< in bytes
  std::uint64_t allocated = 0;  ///< how much memory stands behind it, in bytes
  uid_t owner = 0;
  gid_t group = 0;
  std::uint32_t mode = 0;
  std::optional<SegmentInfo> info;          ///< nullopt: no zipc peer has set it up, or its header is impossible
  Stats stats;                              ///< zeros without `info`
  std::array<std::uint32_t, 2> features{};  ///< Feature bits, by index_of(): 0 once a holder has given its role back
  std::array<std::uint32_t, 2> waiting{};   ///< waiting words, by index_of()
  std::array<std::uint32_t, 2> notices{};   ///< Notice bits, by index_of() of who is told
  bool ours = false;                        ///< this broker made it, in this life or an earlier one, or its owner forged that
  bool may_be_misnamed = false;             ///< it has another name, too, or was removed under it: who may use a file can link it
  bool lent = false;                        ///< made without a broker, but this one has handed out a role of it: see note_lent()
};

/// What a lease consists of.
struct LeasedSegment {
  UniqueFd fd;      ///< open for reading and writing; on Linux its open file description holds the lock
  LockHandle lock;  ///< holds the lock elsewhere; empty on Linux
  SegmentLook look = {};  ///< how it was found just before; without a descriptor
};

/// A segment that stands ready for a channel.
struct MadeSegment {
  Backing backing;
  Permissions permissions;  ///< of the channel: those asked for, or those of a file that others had made
};

class Segments {
 public:
  /// `broker_id`, not 0, tells this broker's segments from those of other brokers on the machine.
  explicit Segments(std::uint32_t broker_id) : broker_id_(broker_id) {}

  /// `access`: of the look's descriptor, O_RDONLY or O_RDWR. Error::channel_not_found, permission_denied, foreign_segment (not a
  /// regular file), system.
  [[nodiscard]] Result<SegmentLook> look(const std::string& name, int access = O_RDONLY) const;

  /// Makes the segment of `spec`, or finds one that fits: ours, or one that its clients have made without a broker.
  /// Such a one must pass check_maker().
  /// Error::params_mismatch, foreign_segment, out_of_memory, busy (others are setting it up), system.
  /// `leased_once`: linger applies to it although no lease is noted yet.
  [[nodiscard]] Result<MadeSegment> make(const ChannelSpec& spec, bool leased_once = false) const;

  /// Error::foreign_segment, unless the file that `look` shows may be the memory of a channel of `owner`: it belongs to that
  /// user, to root or to us, for its owner can do anything to it, and it is the memory of no other channel.
  [[nodiscard]] Result<void> check_maker(const SegmentLook& look, const std::string& name, uid_t owner) const;

  /// Makes the segment that a channel is to have next, of that generation. Error::channel_exists, out_of_memory, system.
  [[nodiscard]] Result<MadeSegment> make_next(const ChannelSpec& spec, std::uint32_t generation) const {
    return create(spec, spec.name, generation, false);
  }

  /// Opens the segment that `id` says for one more description of it. Error::channel_not_found when the file has gone
  /// or is another one, permission_denied, system.
  [[nodiscard]] Result<UniqueFd> open(const std::string& name, const SegmentId& id) const;

  /// The same, with the lock of `role`. Error::busy when somebody has it.
  [[nodiscard]] Result<LeasedSegment> lease(const std::string& name, const SegmentId& id, Role role) const;

  /// Notes in the header that `leased` is the first lease of all, as a broker that is started later would not know it
  /// from a holder that did not live to say so. `look`: the segment as of now, which nobody uses yet.
  void note_first_use(const LeasedSegment& leased, const SegmentLook& look) const;

  /// Notes in the header that a role of a segment which was made without a broker, `leased`, is handed out by this one, for
  /// the next broker, which finds it by that and has no other right to it. `look`: as for note_first_use().
  void note_lent(const LeasedSegment& leased, const SegmentLook& look) const;

  /// Notes in the header, for the next broker and for the peer, which process has the role.
  static void note_holder(int fd, Role role, pid_t pid) noexcept;
  /// Notes in the header that the holder of `role` is on its way from the channel's earlier memory: should it die before it
  /// has announced itself, its peer is to be told.
  [[nodiscard]] static bool expect(const LeasedSegment& leased, Role role);

  /// Removes the file if it still is the one that `id` says, and ours. Error::channel_not_found, foreign_segment,
  /// system.
  Result<void> remove(const std::string& name, const SegmentId& id) const;

  /// Gives the file that `id` says at least `size` bytes again; what is new is zero. Error::channel_not_found,
  /// permission_denied, out_of_memory.
  [[nodiscard]] Result<void> grow(const std::string& name, const SegmentId& id, std::uint64_t size) const;

  /// Removes the file that `id` says although its header does not say that it is ours: the caller knows that it is.
  /// Error::channel_not_found, foreign_segment (its owner is somebody else by now), system.
  Result<void> discard(const std::string& name, const SegmentId& id, uid_t owner) const;

  /// Puts a segment of ours under the permissions of `spec`, as far as we may, and notes owner and linger in its
  /// header, from which the next broker learns them.
  void describe(const ChannelSpec& spec, const SegmentId& id) const;

  /// Tells the holder of the other role, if there is one, that the holder of `gone` is there no longer, and wakes it.
  /// `notice`: kNoticePeerGone and what is known about how. Nothing if somebody has the role again.
  void tell_of_departure(const std::string& name, const SegmentId& id, Role gone, std::uint32_t notice) const;

  /// The names of what this broker had begun to make, in an earlier life. Call it while nothing is being made.
  [[nodiscard]] std::vector<std::string> unfinished() const;
  /// Removes one of them. Errors as for discard().
  Result<void> discard_unfinished(const std::string& name) const;

  /// The names of all segments of ours. Where the platform cannot list them, there are none.
  [[nodiscard]] std::vector<std::string> ours() const;

 private:
  /// A new file of this name, finished. Error::channel_exists.
  [[nodiscard]] Result<MadeSegment> create(const ChannelSpec& spec, const std::string& name, std::uint32_t generation,
                                           bool leased_once) const;
  /// The name of a segment that is being made for `channel`, until nothing is left to be done: that of no channel.
  [[nodiscard]] std::string unfinished_name(const std::string& channel) const;
  /// A file that is there already.
  [[nodiscard]] Result<MadeSegment> take(const ChannelSpec& spec, bool leased_once) const;
  /// One that its maker has not finished, and may be about to.
  [[nodiscard]] Result<MadeSegment> finish(const ChannelSpec& spec, const SegmentLook& found) const;

  std::uint32_t broker_id_;
  uid_t uid_ = geteuid();
};

/// Sets `bits` of the notice to the holder of `to`, then clears those of `without`.
bool add_notice(int fd, Role to, std::uint32_t bits, std::uint32_t without = 0) noexcept;
/// Has the sender look at its notice after the next message (kAllClearOffset, layout.hpp). False: it could not be written.
[[nodiscard]] bool end_all_clear(int fd, const Params& params) noexcept;
/// Wakes the holder of `role` if it sleeps, to look at its notice.
void wake(int fd, Role role) noexcept;

/// Whether somebody holds the lock of `role`.
[[nodiscard]] bool is_held(const SegmentLook& look, const std::string& name, Role role) noexcept;

[[nodiscard]] bool is_held(const SegmentLook& look, const std::string& name) noexcept;  ///< of either role

/// Whether anybody but us has the file open or mapped; true where the platform or our rights do not let us know.
[[nodiscard]] bool is_open_elsewhere(const SegmentLook& look) noexcept;

/// The file of memory that a channel has left, for as long as somebody has it open. The space keeps it apart from channels.
struct FormerName {
  std::string channel;
  std::uint32_t generation = 0;
};
[[nodiscard]] std::string to_string(const FormerName& former);
/// nullopt: it is another file.
[[nodiscard]] std::optional<FormerName> parse_former_name(std::string_view file);

/// The milliseconds of a linger as the header has them, and back.
inline constexpr std::uint32_t kLingerForeverMs = 0xffffffff;
[[nodiscard]] std::uint32_t linger_to_header(std::chrono::milliseconds linger) noexcept;
[[nodiscard]] std::chrono::milliseconds linger_from_header(std::uint32_t ms) noexcept;

// What differs from platform to platform.
namespace platform {

/// Whether rename_new() works.
#ifdef __APPLE__
inline constexpr bool kCanRename = false;
#else
inline constexpr bool kCanRename = true;
#endif
/// Renames a file, unless there is one of that name: Error::channel_exists. system. Where it does not work: nothing.
[[nodiscard]] Result<void> rename_new(const std::string& from, const std::string& to);
/// Swaps two files that exist. Error::unsupported where the platform cannot do it at once; system.
[[nodiscard]] Result<void> exchange(const std::string& one, const std::string& other);
/// How many bytes all the shared memory of the machine may take; nullopt: not known.
[[nodiscard]] std::optional<std::uint64_t> capacity() noexcept;
/// The shared memory files, each with a slash before its name; none where they cannot be listed.
[[nodiscard]] std::vector<std::string> files();
/// The files that former_name() has named.
[[nodiscard]] std::vector<FormerName> former_names();
/// Copies the first bytes of a segment; false if it has fewer, or they cannot be read.
[[nodiscard]] bool copy_header(int fd, void* bytes, std::size_t size) noexcept;
/// Copies bytes out of a segment and into it; false where that cannot be done, in whole or at all.
[[nodiscard]] bool read_at(int fd, std::uint64_t offset, void* bytes, std::size_t size) noexcept;
[[nodiscard]] bool write_at(int fd, std::uint64_t offset, const void* bytes, std::size_t size) noexcept;
/// Replaces a 32-bit field that nobody else writes. `fd` is open for writing.
[[nodiscard]] bool write_header_word(int fd, std::size_t offset, std::uint32_t value) noexcept;
/// Sets bits of the 32-bit word at `offset`, a multiple of 4, that others may write at the same time, the highest first, then clears bits
/// likewise. Each bit is changed atomically; who sleeps on the word may wake. False if it lies in no page of the file.
[[nodiscard]] bool change_bits(int fd, std::uint64_t offset, std::uint32_t set, std::uint32_t clear) noexcept;
/// Allocates the first `size` bytes of a file. `fd` is open for writing.
[[nodiscard]] bool allocate(int fd, std::uint64_t size) noexcept;
/// The valid channel names among the shared memory files; none where they cannot be listed.
[[nodiscard]] std::vector<std::string> segment_names();
/// See is_open_elsewhere().
[[nodiscard]] bool is_open_elsewhere(int fd) noexcept;

}  // namespace platform
}  // namespace zipc
