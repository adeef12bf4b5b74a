#include "common/segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "common/test_point.h"

namespace zipc {
namespace {

[[nodiscard, maybe_unused]] std::uint64_t page_size() noexcept {  // macOS has no use for it
  static const auto size = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  return size;
}

namespace bip = boost::interprocess;

/// The operating system's answer, as one of ours.
Failure from_errno(int number, const std::string& what, const std::string& name) {
  const std::string text = what + " " + name + ": " + std::strerror(number);
  switch (number) {
    case ENOENT: return Failure{Error::channel_not_found, "there is no channel " + name};
    case EEXIST: return Failure{Error::channel_exists, "a segment " + name + " exists"};
    case EACCES:
    case EPERM: return Failure{.code = Error::permission_denied, .message = text, .rule = "the mode of the segment's file"};
    case ELOOP:
    case EISDIR:
    case ENXIO: return Failure{Error::foreign_segment, name + " is not a shared memory segment"};
    case ENOSPC:
    case ENOMEM:
    case EFBIG:
    case EDQUOT: return Failure{Error::out_of_memory, text};
    default: return Failure{Error::system, text};
  }
}

struct MappableFd {
  int fd;
  [[nodiscard]] bip::mapping_handle_t get_mapping_handle() const {
    return bip::ipcdetail::mapping_handle_from_file_handle(fd);
  }
};

Result<void> allocate(const SegmentFile& file, std::uint64_t bytes) {
  if (file.size == bytes && file.allocated >= bytes) return {};  // by whole pages: a hole would show
#ifdef __APPLE__
  const int error = file.size >= bytes || ftruncate(file.fd.get(), static_cast<off_t>(bytes)) == 0 ? 0 : errno;
#else
  int error = 0;
  do {
    error = posix_fallocate(file.fd.get(), 0, static_cast<off_t>(bytes));
  } while (error == EINTR);
#endif
  if (error == 0) return {};
  return from_errno(error, "cannot allocate " + std::to_string(bytes) + " bytes of shared memory for", file.name);
}

bool has_flag_at(const void* memory, std::uint64_t offset) noexcept {
  std::uint32_t flag = 0;
  std::memcpy(&flag, static_cast<const std::byte*>(memory) + offset, sizeof flag);
  return flag == kInitFlag;
}

bool has_init_flag(const void* memory, const Params& p) noexcept {
  return has_flag_at(memory, init_flag_offset(p)) || has_flag_at(memory, aligned_init_flag_offset(p));
}

void write_init_flag(void* memory, const Params& p) noexcept {
  std::memcpy(static_cast<std::byte*>(memory) + init_flag_offset(p), &kInitFlag, sizeof kInitFlag);
}

/// Writes the constants, and the mark that says they are there, last. `origin`: kOrigin bits.
void stamp(SegmentHeader& header, const Params& params, const Creator& creator, std::uint32_t origin = 0) noexcept {
  header.queue_size.store(params.queue_size, std::memory_order_relaxed);  // published by the mark
  header.message_size.store(params.message_size, std::memory_order_relaxed);
  header.generation.store(creator.generation, std::memory_order_relaxed);
  if (creator.leased_once) origin |= kOriginLeasedOnce;
  header.origin.store(static_cast<std::uint32_t>(creator.origin) | origin, std::memory_order_relaxed);
  header.broker_id.store(creator.broker_id, std::memory_order_relaxed);
  header.linger_ms.store(creator.linger_ms, std::memory_order_relaxed);
  header.owner_uid.store(creator.owner_uid, std::memory_order_relaxed);
  ZIPC_TEST_POINT("set-up.before-mark");
  header.mark.store(kMark, std::memory_order_release);  // [marked] -> mark_of()
}

std::uint32_t mark_of(const SegmentHeader& header) noexcept {
  return header.mark.load(std::memory_order_acquire);  // [marked]
}

Params params_of(const SegmentHeader& header) noexcept {
  return {.queue_size = header.queue_size.load(std::memory_order_relaxed),  // after [marked]
          .message_size = header.message_size.load(std::memory_order_relaxed)};
}

Failure other_sizes(const std::string& name, const Params& has, const Params& wanted) {
  return Failure{.code = Error::params_mismatch,
                 .message = "channel " + name + " has " + to_string(has) + ", but " + to_string(wanted) + " was asked for",
                 .expected = has};
}

/// A file that is new, or one whose maker was killed before it had written the mark.
Result<ReadySegment> set_up_new(const SegmentFile& file, const Params& params, const Creator& creator) {
  ZIPC_TEST_POINT("set-up.before-allocating");
  if (auto allocated = allocate(file, segment_size(params)); !allocated) {
    static_cast<void>(ftruncate(file.fd.get(), 0));  // give back what was allocated; the file counts as new again
    return allocated.failure();
  }
  ZIPC_TEST_POINT("set-up.after-allocating");
  auto mapping = Mapping::map(file.fd.get(), segment_size(params));
  if (!mapping) return mapping.failure();
  write_init_flag(mapping->address(), params);
  ZIPC_TEST_POINT("set-up.after-flag");
  stamp(mapping->header(), params, creator);
  ZIPC_TEST_POINT("set-up.after-mark");
  return ReadySegment{.params = params, .mapping = std::move(*mapping)};
}

bool info_says_existing_peer(const SegmentHeader& header) noexcept {
  return (header.origin.load(std::memory_order_relaxed) & kOriginExistingPeer) != 0;  // under the set-up lock
}

/// Whether an existing peer has attached since zipc last did: each sets the file's size to its own.
bool existing_peer_attached(const SegmentFile& file, const Params& params) noexcept {
#ifdef __APPLE__  // where the size is a number of pages
  return file.size < segment_size(params);
#else
  return file.size != segment_size(params);
#endif
}

Result<SegmentInfo> info_of(const SegmentFile& file, const SegmentHeader& header) {
  const std::uint32_t mark = mark_of(header);
  if ((mark & ~kMarkVersionMask) != (kMark & ~kMarkVersionMask)) {
    return Failure{Error::foreign_segment, "the segment " + file.name + " was not made by zipc"};
  }
  if (mark != kMark) {
    return Failure{Error::foreign_segment, "the segment " + file.name + " has layout version " +
                                               std::to_string(mark & kMarkVersionMask) + "; this zipc knows version " +
                                               std::to_string(kMark & kMarkVersionMask)};
  }
  SegmentInfo info;
  info.params = params_of(header);
  if (!check_params(info.params) || file.size < smallest_segment_size(info.params)) {
    return Failure{Error::corrupt, "the header of " + file.name + " claims " + to_string(info.params) + ", but the file has " +
                                       std::to_string(file.size) + " bytes"};
  }
  const std::uint32_t origin = header.origin.load(std::memory_order_relaxed);  // after [marked]
  info.creator = {.origin = static_cast<Origin>(origin & kOriginMask),
                  .generation = header.generation.load(std::memory_order_relaxed),
                  .broker_id = header.broker_id.load(std::memory_order_relaxed),
                  .linger_ms = header.linger_ms.load(std::memory_order_relaxed),
                  .owner_uid = header.owner_uid.load(std::memory_order_relaxed)};
  info.creator.leased_once = (origin & kOriginLeasedOnce) != 0;
  info.existing_peer_seen = (origin & kOriginExistingPeer) != 0 || existing_peer_attached(file, info.params);
  // After [marked] as well; the pids change at any time, and are information only.
  info.sender_pid = static_cast<int>(header.sender_pid.load(std::memory_order_relaxed));
  info.receiver_pid = static_cast<int>(header.receiver_pid.load(std::memory_order_relaxed));
  return info;
}

Failure too_short(const SegmentFile& file) {
  return {Error::foreign_segment, "the file of " + file.name + " is too short for a segment"};
}

/// A file that bears zipc's mark. `mapping`: its header at least.
Result<ReadySegment> set_up_marked(const SegmentFile& file, Mapping mapping, const std::optional<Params>& wanted) {
  const auto info = info_of(file, mapping.header());
  if (!info) return info.failure();
  const Params& params = info->params;
  if (wanted && *wanted != params) return other_sizes(file.name, params, *wanted);
  if (info->existing_peer_seen) {  // the file's new size will no longer tell
    mapping.header().origin.fetch_or(kOriginExistingPeer, std::memory_order_relaxed);  // under the set-up lock
  }
  ZIPC_TEST_POINT("set-up-marked.before-allocating");
  if (auto allocated = allocate(file, segment_size(params)); !allocated) return allocated.failure();
  ZIPC_TEST_POINT("set-up-marked.after-allocating");
  if (mapping.size() != segment_size(params)) {  // nobody has said what to map, or the file was shorter
    auto whole = Mapping::map(file.fd.get(), segment_size(params));
    if (!whole) return whole.failure();
    mapping = std::move(*whole);
  }
  return ReadySegment{.params = params, .mapping = std::move(mapping)};
}

/// A file that an existing peer has made: it has the peer's size, and no mark.
Result<ReadySegment> set_up_unmarked(const SegmentFile& file, const std::optional<Params>& wanted) {
  if (!wanted) {
    return Failure{Error::foreign_segment, "the segment " + file.name + " does not say its sizes: it was not made by zipc; " +
                                               "give queue_size and message_size"};
  }
  if (file.size != older_peer_size(*wanted) && file.size != newest_peer_size(*wanted)) {
    return Failure{Error::params_mismatch, "the segment " + file.name + " has " + std::to_string(file.size) + " bytes; " +
                                               to_string(*wanted) + " take " + std::to_string(older_peer_size(*wanted))};
  }
  if (auto allocated = allocate(file, segment_size(*wanted)); !allocated) return allocated.failure();
  auto mapping = Mapping::map(file.fd.get(), segment_size(*wanted));
  if (!mapping) return mapping.failure();
  if (!has_init_flag(mapping->address(), *wanted)) {
    Ring(mapping->address(), *wanted, nullptr).reset();
    write_init_flag(mapping->address(), *wanted);
  }
  stamp(mapping->header(), *wanted, {.origin = Origin::unknown}, kOriginExistingPeer);
  return ReadySegment{.params = *wanted, .mapping = std::move(*mapping)};
}

}  // namespace

Result<void> refresh(SegmentFile& file) {
  struct stat status {};
  if (fstat(file.fd.get(), &status) != 0) return from_errno(errno, "cannot look at the segment", file.name);
  file.id = {.device = status.st_dev, .inode = status.st_ino};
  file.size = static_cast<std::uint64_t>(status.st_size);
  file.allocated = static_cast<std::uint64_t>(status.st_blocks) * 512;
  file.owner = status.st_uid;
  file.mode = status.st_mode & 0777;
#ifndef __APPLE__  // where a shared memory object is no regular file, and has no links
  file.linked = status.st_nlink != 0;
  if (!S_ISREG(status.st_mode)) return Failure{Error::foreign_segment, file.name + " is not a shared memory segment"};
#endif
  return {};
}

Result<SegmentFile> adopt_segment_file(UniqueFd fd, const std::string& name) {
  SegmentFile file;
  file.fd = std::move(fd);
  file.name = name;
  if (auto found = refresh(file); !found) return found.failure();
  return file;
}

// Not by bip::shared_memory_object, which keeps its descriptor: a copy of it costs an attach two system calls.
Result<SegmentFile> open_segment_file(const std::string& name) {
  UniqueFd fd(shm_open(name.c_str(), O_RDWR | O_CLOEXEC, 0));
  if (!fd) return from_errno(errno, "cannot open the segment", name);
  return adopt_segment_file(std::move(fd), name);
}

Result<SegmentFile> create_segment_file(const std::string& name, mode_t mode) {
  UniqueFd fd(shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!fd) return from_errno(errno, "cannot create the segment", name);
  static_cast<void>(fchmod(fd.get(), mode));  // whatever the umask is; macOS has none for these
  return adopt_segment_file(std::move(fd), name);
}

Result<void> remove_segment_file(const std::string& name) {
  if (shm_unlink(name.c_str()) == 0) return {};
  return from_errno(errno, "cannot remove the segment", name);
}

Result<Mapping> Mapping::map(int fd, std::uint64_t bytes) {
  try {
    Mapping mapping;
    mapping.region_ = bip::mapped_region(MappableFd{fd}, bip::read_write, 0, static_cast<std::size_t>(bytes));
    return mapping;
  } catch (const bip::interprocess_exception& error) {
    return from_errno(error.get_native_error(), "cannot map", std::to_string(bytes) + " bytes of shared memory");
  }
}

void Mapping::prefault() const noexcept {
#ifdef __linux__
  if (size() <= page_size()) return;  // who takes a role has written to the first page
  constexpr int kPopulateWrite = 23;  // MADV_POPULATE_WRITE of Linux 5.14; older headers lack it
  static_cast<void>(madvise(address(), size(), kPopulateWrite));  // an older kernel refuses: then page by page
#endif
}

void Mapping::make_room_for_copies(const Params& params) noexcept {
  auto* tripwire = tripwire_of(address(), params);
  if (tripwire == nullptr || copies_) return;  // an existing peer could change the header behind our back
  copies_ = make_sender_copies();
  if (copies_) copies_->tripwire = tripwire;
}

Ring Mapping::sender_ring(const Params& params) const noexcept {
  return {&header(), copies_ ? &copies_->copies : &header(), params, tripwire_of(address(), params), nullptr};
}

Result<void> Mapping::make_private(const Params& params, Role role) try {
  // The receiver may have pointers to the slot that it received last and the one that it peeks at, the sender to the one
  // that it published last and the one that it has on loan.
  const std::uint32_t index =
      role == Role::sender ? sender_ring(params).own_tail() : header().head.load(std::memory_order_relaxed);  // ours
  const std::uint32_t next = index < params.queue_size ? index : 0;
  const std::uint32_t last = (next == 0 ? params.queue_size : next) - 1;
  std::vector<std::pair<std::uint64_t, std::vector<std::byte>>> kept;
  const auto keep = [&](std::uint64_t offset, std::uint64_t size) {
    const std::byte* from = static_cast<const std::byte*>(address()) + offset;
    kept.emplace_back(offset, std::vector<std::byte>(from, from + size));
  };
  keep(0, sizeof(SegmentHeader));
  for (const std::uint32_t slot : {last, next}) {
    keep(buffers_offset(params) + std::uint64_t{slot} * params.message_size, params.message_size);
  }
  ZIPC_TEST_POINT("private.before-mapping");
  if (mmap(address(), size(), PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED) {
    return from_errno(errno, "cannot give up the memory of", "a channel");
  }
  ZIPC_TEST_POINT("private.after-mapping");
  for (const auto& [offset, bytes] : kept) {
    std::memcpy(static_cast<std::byte*>(address()) + offset, bytes.data(), bytes.size());
  }
  return {};
} catch (const std::bad_alloc&) {
  return Failure{Error::out_of_memory, "no memory for a copy of what a channel has left"};
}

std::byte* init_flag_in(void* memory, const Params& params) noexcept {
  const bool is_aligned = !has_flag_at(memory, init_flag_offset(params)) && has_flag_at(memory, aligned_init_flag_offset(params));
  return static_cast<std::byte*>(memory) + (is_aligned ? aligned_init_flag_offset(params) : init_flag_offset(params));
}

bool has_tripwire(const Params& params) noexcept {
#ifdef __APPLE__
  static_cast<void>(params);
  return false;  // a second ftruncate of a shared memory object fails there, so existing peers leave no trace
#else
  return tripwire_usable(params, page_size());
#endif
}

std::atomic<std::uint8_t>* tripwire_of(void* memory, const Params& params) noexcept {
  if (!has_tripwire(params)) return nullptr;
  return reinterpret_cast<std::atomic<std::uint8_t>*>(static_cast<std::byte*>(memory) + tripwire_offset(params));
}

Result<ReadySegment> set_up_segment(const SegmentFile& file, const std::optional<Params>& wanted, const Creator& creator) {
  if (wanted) {
    if (auto valid = check_params(*wanted); !valid) return valid.failure();
  }
  if (file.size == 0) {
    if (wanted) return set_up_new(file, *wanted, creator);
    return Failure{Error::channel_not_found, "the segment " + file.name + " is empty: nobody has set it up"};
  }
  if (file.size < sizeof(SegmentHeader)) return too_short(file);
  // Never by the file's size: who may write it may make it as large as can be said.
  auto mapping = Mapping::map(file.fd.get(), wanted ? std::min(file.size, segment_size(*wanted)) : sizeof(SegmentHeader));
  if (!mapping) return mapping.failure();
  if (mark_of(mapping->header()) != 0) return set_up_marked(file, std::move(*mapping), wanted);
  // Only zipc makes files of this size, and nobody has used one without a mark.
  if (wanted && file.size == segment_size(*wanted)) return set_up_new(file, *wanted, creator);
  return set_up_unmarked(file, wanted);
}

Result<SegmentInfo> read_segment_info(const SegmentFile& file) {
  if (file.size < sizeof(SegmentHeader)) return too_short(file);
  auto mapping = Mapping::map(file.fd.get(), sizeof(SegmentHeader));
  if (!mapping) return mapping.failure();
  return info_of(file, mapping->header());
}

void enter_role(const SegmentFile& file, Mapping& mapping, const Params& params, Role role, int pid,
                std::optional<std::uint32_t> received_before) {
  SegmentHeader& header = mapping.header();
  auto* tripwire = tripwire_of(mapping.address(), params);
  if (role == Role::sender) mapping.make_room_for_copies(params);
  Ring ring = role == Role::sender ? mapping.sender_ring(params) : Ring(mapping.address(), params, tripwire);
  // A holder that was killed has left its announcements: whoever holds no lock has none to make. Who was its peer all along
  // is to be told; the broker, which finds no announcement any more, will not do it.
  ZIPC_TEST_POINT("enter.before-retracting-peer");
  if (!is_locked(file.fd.get(), file.name, lock_of(other(role)))) {
    const bool is_news = received_before && ring.is_announced(other(role));
    is_news ? ring.retract_and_tell(other(role), kNoticePeerGone | kNoticeDied) : ring.retract(other(role));
  }
  ZIPC_TEST_POINT("enter.after-retracting-peer");
  if (pid != 0) {
    (role == Role::sender ? header.sender_pid : header.receiver_pid)
        .store(static_cast<std::uint32_t>(pid), std::memory_order_relaxed);  // information only
  }
  ZIPC_TEST_POINT("enter.after-pid");
  header.origin.fetch_or(kOriginLeasedOnce, std::memory_order_relaxed);
  if (tripwire != nullptr) tripwire->store(kTripwire, std::memory_order_release);  // [tripwire-armed]
  ZIPC_TEST_POINT("enter.before-repairing");
  if (!info_says_existing_peer(header)) ring.repair_counters(role);  // existing peers do not count
  ZIPC_TEST_POINT("enter.after-repairing");
  if (role == Role::receiver) ring.skip(received_before.value_or(0));
  ZIPC_TEST_POINT("enter.after-skipping");
  role == Role::sender ? ring.catch_up() : ring.forget_cached_tail();
  if (!received_before) ring.forget_departure(role);  // from before its time
  ZIPC_TEST_POINT("enter.before-announcing");
  ring.announce(role, pid == 0 ? kFeatureRings : 0u);
  ZIPC_TEST_POINT("enter.after-announcing");
}

bool notice_departure(const SegmentFile& file, const Mapping& mapping, const Params& params, Role role) {
  // Without waiting, for the caller has better to do. Who enters the role holds this lock.
  auto lock = try_lock(file.fd.get(), file.name, LockKind::set_up);
  if (!lock) return false;
  Ring ring(mapping.address(), params, tripwire_of(mapping.address(), params));
  const bool has_gone = ring.is_announced(role) && !is_locked(file.fd.get(), file.name, lock_of(role));
  if (has_gone) {
    ZIPC_TEST_POINT("look.before-telling");
    ring.retract_and_tell(role, kNoticePeerGone | kNoticeDied);
  }
  unlock(file.fd.get(), *lock, LockKind::set_up);
  return has_gone;
}

void leave_role(const Mapping& mapping, const Params& params, Role role) noexcept {
  Ring ring(mapping.address(), params, tripwire_of(mapping.address(), params));
  ring.retract_and_tell(role, kNoticePeerGone);
}

Result<void> set_up_memory(void* memory, const Params& params) {
  if (auto valid = check_params(params); !valid) return valid;
  auto& header = *static_cast<SegmentHeader*>(memory);
  if (!has_init_flag(memory, params)) {
    std::memset(memory, 0, buffers_offset(params));
    write_init_flag(memory, params);
  }
  if (mark_of(header) != kMark) {
    stamp(header, params, {.origin = Origin::unknown});
  } else if (params_of(header) != params) {
    return other_sizes("in the caller's memory", params_of(header), params);
  }
  return {};
}

}  // namespace zipc
