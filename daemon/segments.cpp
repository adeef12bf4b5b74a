#include "daemon/segments.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <utility>

#include "common/name.h"
#include "common/test_point.h"
#include "daemon/log.h"

namespace zipc {
namespace {

Failure from_errno(const std::string& what, const std::string& name) {
  const std::string text = what + " " + name + ": " + std::strerror(errno);
  if (errno == ENOENT) return {Error::channel_not_found, "there is no segment " + name};
  if (errno == ELOOP || errno == ENXIO) return {Error::foreign_segment, name + " is not a shared memory segment"};
  if (errno != EACCES && errno != EPERM) return {Error::system, text};
  return {.code = Error::permission_denied, .message = text, .rule = "the mode of the segment's file"};
}

constexpr std::size_t notice_offset(Role role) noexcept {
  return role == Role::sender ? offsetof(SegmentHeader, notice_to_sender) : offsetof(SegmentHeader, notice_to_receiver);
}
constexpr std::size_t features_offset(Role role) noexcept {
  return role == Role::sender ? offsetof(SegmentHeader, sender_features) : offsetof(SegmentHeader, receiver_features);
}
constexpr std::size_t waiting_offset(Role role) noexcept {
  return role == Role::sender ? offsetof(SegmentHeader, sender_waiting) : offsetof(SegmentHeader, waiters);
}

/// The constants, if it is a header of zipc's whose sizes are possible and fit the file.
std::optional<SegmentInfo> decode(const SegmentHeader& header, std::uint64_t file_size) {
  const auto value = [](const std::atomic<std::uint32_t>& field) { return field.load(std::memory_order_relaxed); };
  if (value(header.mark) != kMark) return std::nullopt;
  SegmentInfo info;
  info.params = {.queue_size = value(header.queue_size), .message_size = value(header.message_size)};
  if (!check_params(info.params) || file_size < smallest_segment_size(info.params)) return std::nullopt;
  const std::uint32_t origin = value(header.origin);
  info.creator = {.origin = static_cast<Origin>(origin & kOriginMask),
                  .generation = value(header.generation),
                  .broker_id = value(header.broker_id),
                  .linger_ms = value(header.linger_ms),
                  .owner_uid = value(header.owner_uid)};
  info.creator.leased_once = (origin & kOriginLeasedOnce) != 0;
  info.existing_peer_seen = (origin & kOriginExistingPeer) != 0 || file_size < segment_size(info.params);
  info.sender_pid = static_cast<int>(value(header.sender_pid));
  info.receiver_pid = static_cast<int>(value(header.receiver_pid));
  return info;
}

/// Fills in what the header says. It is a private copy: nobody changes it under us.
void read_header(SegmentLook& look) {
  SegmentHeader header{};
  if (look.size < sizeof header || !platform::copy_header(look.fd.get(), &header, sizeof header)) return;
  look.info = decode(header, look.size);
  if (!look.info) return;
  look.stats = Ring(&header, look.info->params, nullptr).stats();
  const auto both = [](const std::atomic<std::uint32_t>& sender, const std::atomic<std::uint32_t>& receiver) {
    return std::array{sender.load(std::memory_order_relaxed), receiver.load(std::memory_order_relaxed)};  // the copy is ours
  };
  look.features = both(header.sender_features, header.receiver_features);
  look.waiting = both(header.sender_waiting, header.waiters);
  look.notices = both(header.notice_to_sender, header.notice_to_receiver);
}

/// Whether the file has the size that an existing peer gives a segment of `params`.
bool is_of_existing_peer(const SegmentLook& look, const Params& params) noexcept {
  return !look.info && (look.size == older_peer_size(params) || look.size == newest_peer_size(params));
}

/// While we have a new segment mapped, nobody else may open it, for who may could cut it short under us.
mode_t initial_mode(std::uint32_t wanted) noexcept {
#ifdef __APPLE__  // where nobody can, and the mode of shared memory is final
  return static_cast<mode_t>(wanted);
#else
  static_cast<void>(wanted);
  return 0600;
#endif
}

Failure being_set_up(const std::string& name) {
  return {Error::busy, "another process is setting up the segment " + name};
}

Result<void> set_up(const SegmentFile& file, const Params& params, const Creator& creator) {
  // Without waiting: this thread serves everybody.
  auto lock = try_lock(file.fd.get(), file.name, LockKind::set_up);
  if (!lock) return being_set_up(file.name);
  const auto ready = set_up_segment(file, params, creator);
  unlock(file.fd.get(), *lock, LockKind::set_up);
  if (!ready) return ready.failure();
  return {};
}

/// The sticky bit, which only a file's owner can set, and which has no other meaning for a file.
constexpr mode_t kMisnamed = S_ISVTX;

Result<void> remove_file(const SegmentLook& found, const std::string& name) {
  auto removed = remove_segment_file(name);
  struct stat status {};
  const bool is_left = removed && fstat(found.fd.get(), &status) == 0 && status.st_nlink != 0;
  if (is_left && fchmod(found.fd.get(), (status.st_mode & 07777) | kMisnamed) != 0) {
    log::warning("the memory of " + name + " is removed, but still has another name");
  }
  return removed;
}

Failure another_one(const std::string& name) {
  return {Error::channel_not_found, "the segment " + name + " is another one by now"};
}

Failure not_usable(const std::string& name, const std::string& why) {
  return {Error::foreign_segment, "a segment " + name + " exists already, and " + why};
}

}  // namespace

std::uint32_t linger_to_header(std::chrono::milliseconds linger) noexcept {
  return linger == kLingerForever ? kLingerForeverMs : static_cast<std::uint32_t>(linger.count());
}

std::chrono::milliseconds linger_from_header(std::uint32_t ms) noexcept {
  return ms == kLingerForeverMs ? kLingerForever : std::chrono::milliseconds(ms);
}

std::string to_string(const FormerName& former) { return former.channel + " " + std::to_string(former.generation); }

std::optional<FormerName> parse_former_name(std::string_view file) {
  const std::size_t space = file.rfind(' ');
  if (space == std::string_view::npos) return std::nullopt;
  FormerName former{.channel = std::string(file.substr(0, space))};
  const std::string_view number = file.substr(space + 1);
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), former.generation);
  if (error != std::errc{} || end != number.data() + number.size() || !check_name(former.channel)) return std::nullopt;
  return former;
}

bool add_notice(int fd, Role to, std::uint32_t bits, std::uint32_t without) noexcept {
  return platform::change_bits(fd, notice_offset(to), bits, without);
}

bool end_all_clear(int fd, const Params& params) noexcept {
  if (!has_tripwire(params)) return true;
  const std::uint64_t byte = tripwire_offset(params) + kAllClearOffset;
  return platform::change_bits(fd, byte / 4 * 4, 0, 0xFFu << byte % 4 * 8);  // the first byte is the lowest: so is the format
}

void wake(int fd, Role role) noexcept {
  // The kernel wants an address. What is there is never touched: a client may have cut the file short.
  const auto mapping = Mapping::map(fd, sizeof(SegmentHeader));
  if (mapping) wake_one(role == Role::sender ? mapping->header().notice_to_sender : mapping->header().notice_to_receiver);
}

bool is_held(const SegmentLook& look, const std::string& name, Role role) noexcept {
  return is_locked(look.fd.get(), name, lock_of(role));
}

bool is_held(const SegmentLook& look, const std::string& name) noexcept {
  return is_held(look, name, Role::sender) || is_held(look, name, Role::receiver);
}

bool is_open_elsewhere(const SegmentLook& look) noexcept { return platform::is_open_elsewhere(look.fd.get()); }

Result<SegmentLook> Segments::look(const std::string& name, int access) const {
  SegmentLook look;
  // Without O_NONBLOCK a pipe that somebody puts there would hold us up for ever.
  look.fd.reset(shm_open(name.c_str(), access | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0));
  if (!look.fd) return from_errno("cannot open the segment", name);
  struct stat status {};
  if (fstat(look.fd.get(), &status) != 0) return from_errno("cannot look at the segment", name);
  look.size = look.allocated = static_cast<std::uint64_t>(status.st_size);
#ifndef __APPLE__  // where a shared memory object is no regular file
  if (!S_ISREG(status.st_mode)) return Failure{Error::foreign_segment, name + " is not a shared memory segment"};
  look.allocated = static_cast<std::uint64_t>(status.st_blocks) * 512;
  look.may_be_misnamed = status.st_nlink > 1 || (status.st_mode & kMisnamed) != 0;
#endif
  look.id = {.device = status.st_dev, .inode = status.st_ino};
  look.owner = status.st_uid;
  look.group = status.st_gid;
  look.mode = status.st_mode & 0777;
  read_header(look);
  const bool is_marked = look.info && look.info->creator.broker_id == broker_id_;
  look.lent = is_marked && look.info->creator.origin == Origin::direct;
  look.ours = is_marked && !look.lent && (look.owner == uid_ || (uid_ == 0 && look.owner == look.info->creator.owner_uid));
  return look;
}

Result<void> Segments::check_maker(const SegmentLook& look, const std::string& name, uid_t owner) const {
  if (look.owner != owner && look.owner != 0 && look.owner != uid_) {
    return not_usable(name, "belongs to user " + std::to_string(look.owner) + ", not to the channel's owner, user " +
                                std::to_string(owner) + "; remove it from the shared memory file system");
  }
  if (look.may_be_misnamed) {
    return not_usable(name, "has or had the name of another channel, too; remove it from the shared memory file system");
  }
  return {};
}

Result<MadeSegment> Segments::make(const ChannelSpec& spec, bool leased_once) const {
  if (look(spec.name).error() != Error::channel_not_found) return take(spec, leased_once);
  const std::string name = unfinished_name(spec.name);
  auto made = create(spec, name, 1, leased_once);
  if (made.error() == Error::channel_exists) {
    if (name == spec.name) return take(spec, leased_once);  // by others, meanwhile
    if (discard_unfinished(name)) made = create(spec, name, 1, leased_once);
  }
  if (!made) return made;
  ZIPC_TEST_POINT("make.before-naming");
  const auto named = platform::rename_new(name, spec.name);
  ZIPC_TEST_POINT("make.after-naming");
  if (named) return made;
  static_cast<void>(remove(name, made->backing.id));
  if (named.error() == Error::channel_exists) return take(spec, leased_once);  // by others, meanwhile
  return named.failure();
}

std::string Segments::unfinished_name(const std::string& channel) const {
  return platform::kCanRename ? channel + " new " + std::to_string(broker_id_) : channel;
}

std::vector<std::string> Segments::unfinished() const {
  std::vector<std::string> names = platform::files();
  std::erase_if(names, [this](const std::string& name) {
    const std::string channel = name.substr(0, name.find(' '));
    return name == channel || name != unfinished_name(channel);
  });
  return names;
}

Result<void> Segments::discard_unfinished(const std::string& name) const {
  const auto left = look(name);
  if (!left) return left.failure();
  return discard(name, left->id, left->ours ? left->owner : uid_);
}

Result<MadeSegment> Segments::create(const ChannelSpec& spec, const std::string& name, std::uint32_t generation,
                                     bool leased_once) const {
  auto file = create_segment_file(name, initial_mode(spec.permissions.mode));
  if (!file) return file.failure();
  file->name = spec.name;  // for what may have to be said about it
  ZIPC_TEST_POINT("make.after-file");
  const Creator creator{.origin = spec.provisioned ? Origin::provisioned : Origin::dynamic,
                        .generation = generation,
                        .broker_id = broker_id_,
                        .linger_ms = linger_to_header(spec.linger),
                        .owner_uid = spec.permissions.owner,
                        .leased_once = leased_once};
  if (auto ready = set_up(*file, spec.params, creator); !ready) {
    const auto left = look(name);
    if (left && left->id == file->id && left->size == 0) static_cast<void>(remove_segment_file(name));
    return ready.failure();
  }
  ZIPC_TEST_POINT("make.after-set-up");
  ChannelSpec as_file = spec;
  as_file.name = name;
  describe(as_file, file->id);
  ZIPC_TEST_POINT("make.after-describing");
  const auto made = look(name);
  if (!made) return made.failure();
  return MadeSegment{.backing = {.id = made->id, .ours = made->ours}, .permissions = spec.permissions};
}

Result<MadeSegment> Segments::take(const ChannelSpec& spec, bool leased_once) const {
  const auto found = look(spec.name);
  if (found.error() == Error::permission_denied) return not_usable(spec.name, "zipcd may not open it");
  if (!found) return found.failure();
  if (auto usable = check_maker(*found, spec.name, spec.permissions.owner); !usable) return usable.failure();
  if (found->info && found->info->params != spec.params) {
    return Failure{.code = Error::params_mismatch,
                   .message = "a segment " + spec.name + " exists already, with " + to_string(found->info->params),
                   .expected = found->info->params};
  }
  if (!found->info && (found->size == 0 || found->size == segment_size(spec.params))) {  // its maker has not finished it
    if (found->owner != uid_ || is_open_elsewhere(*found)) return finish(spec, *found);
    // Nor will it, and nobody has used it.
    if (auto removed = discard(spec.name, found->id, uid_); !removed) return removed.failure();
    return make(spec, leased_once);
  }
  if (!found->info && !is_of_existing_peer(*found, spec.params)) {
    return not_usable(spec.name, "is not one for " + to_string(spec.params));
  }
  const Permissions theirs{.mode = found->mode, .owner = found->owner, .group = found->group};
  return MadeSegment{.backing = {.id = found->id, .ours = found->ours},
                     .permissions = found->ours || spec.provisioned ? spec.permissions : theirs};
}

Result<MadeSegment> Segments::finish(const ChannelSpec& spec, const SegmentLook& found) const {
  // Whoever else owns it could cut it short while we have it mapped.
  if (found.owner != uid_) return being_set_up(spec.name);
  auto fd = open(spec.name, found.id);
  if (!fd) return fd.failure();
  auto file = adopt_segment_file(std::move(*fd), spec.name);
  if (!file) return file.failure();
  if (auto ready = set_up(*file, spec.params, {.origin = Origin::direct}); !ready) return ready.failure();
  return MadeSegment{.backing = {.id = found.id, .ours = false}, .permissions = spec.permissions};
}

Result<UniqueFd> Segments::open(const std::string& name, const SegmentId& id) const {
  auto file = open_segment_file(name);
  if (!file) return file.failure();
  if (file->id != id) return another_one(name);
  return std::move(file->fd);
}

Result<LeasedSegment> Segments::lease(const std::string& name, const SegmentId& id, Role role) const {
  auto found = look(name, O_RDWR);
  if (!found) return found.failure();
  if (found->id != id) return another_one(name);
  auto lock = try_lock(found->fd.get(), name, lock_of(role));
  if (!lock) return lock.failure();
  UniqueFd fd = std::move(found->fd);
  return LeasedSegment{.fd = std::move(fd), .lock = std::move(*lock), .look = std::move(*found)};
}

bool Segments::expect(const LeasedSegment& leased, Role role) {
  return platform::write_header_word(leased.fd.get(), features_offset(role), kFeatureOnTheWay);
}

void Segments::note_first_use(const LeasedSegment& leased, const SegmentLook& look) const {
  if (!look.ours) return;
  const std::uint32_t origin = kOriginLeasedOnce | (look.info->existing_peer_seen ? kOriginExistingPeer : 0);
  if (!platform::change_bits(leased.fd.get(), offsetof(SegmentHeader, origin), origin, 0)) {
    log::debug("cannot note the first use of a segment in its header");
  }
}

void Segments::note_lent(const LeasedSegment& leased, const SegmentLook& look) const {
  if (!look.info || look.info->creator.origin != Origin::direct || look.lent) return;
  if (!platform::write_header_word(leased.fd.get(), offsetof(SegmentHeader, broker_id), broker_id_)) {
    log::debug("cannot note in the header of a segment that a role of it is lent");
  }
}

void Segments::note_holder(int fd, Role role, pid_t pid) noexcept {
  const std::size_t offset =
      role == Role::sender ? offsetof(SegmentHeader, sender_pid) : offsetof(SegmentHeader, receiver_pid);
  if (!platform::write_header_word(fd, offset, static_cast<std::uint32_t>(pid))) {
    log::debug("cannot note the holder of a segment in its header");
  }
}

Result<void> Segments::remove(const std::string& name, const SegmentId& id) const {
  const auto found = look(name);
  if (!found) return found.failure();
  if (found->id != id) return another_one(name);
  if (!found->ours) return Failure{Error::foreign_segment, "the segment " + name + " does not bear this broker's mark"};
  return remove_file(*found, name);
}

Result<void> Segments::grow(const std::string& name, const SegmentId& id, std::uint64_t size) const {
  const auto fd = open(name, id);
  if (!fd) return fd.failure();
  if (platform::allocate(fd->get(), size)) return {};
  return Failure{Error::out_of_memory, "cannot allocate " + std::to_string(size) + " bytes for " + name};
}

Result<void> Segments::discard(const std::string& name, const SegmentId& id, uid_t owner) const {
  const auto found = look(name);
  if (!found) return found.failure();
  if (found->id != id) return another_one(name);
  if (found->owner != uid_ && found->owner != owner) return not_usable(name, "belongs to somebody else");
  return remove_file(*found, name);
}

void Segments::describe(const ChannelSpec& spec, const SegmentId& id) const {
  const auto found = look(spec.name);
  if (!found || found->id != id || !found->ours) return;
  const auto fd = open(spec.name, id);
  if (!fd) return log::debug(fd.failure().message);
  const bool described =
      platform::write_header_word(fd->get(), offsetof(SegmentHeader, owner_uid), spec.permissions.owner) &&
      platform::write_header_word(fd->get(), offsetof(SegmentHeader, linger_ms), linger_to_header(spec.linger));
  if (!described) log::debug("cannot write to the header of " + spec.name);
  // -1 leaves the owner as it is. Where the file keeps another group than the channel's, that group has no business
  // here.
  const uid_t owner = uid_ == 0 ? spec.permissions.owner : kUnknownUser;
  std::uint32_t mode = spec.permissions.mode;
  const bool in_place = found->group == spec.permissions.group && (owner == kUnknownUser || found->owner == owner);
  if (!in_place && fchown(fd->get(), owner, spec.permissions.group) != 0) {  // the unit's sandbox forbids it
    log::debug("cannot give " + spec.name + " away: " + std::strerror(errno));
    mode &= ~static_cast<std::uint32_t>(S_IRWXG);
  }
  if (fchmod(fd->get(), static_cast<mode_t>(mode)) != 0)
    log::debug("cannot set the mode of " + spec.name + ": " + std::strerror(errno));
}

void Segments::tell_of_departure(const std::string& name, const SegmentId& id, Role gone, std::uint32_t notice) const {
  const auto fd = open(name, id);
  if (!fd) return log::debug("cannot tell the peer of a holder that has gone: " + fd.failure().message);
  // Whoever takes the role next, with or without us, enters it under this lock. If it is not free we tell all the same:
  // that the peer is told in vain, because a successor comes at this moment, is better than that it is not told.
  auto lock = try_lock(fd->get(), name, LockKind::set_up);
  ZIPC_TEST_POINT("tell.after-lock");
  if (lock) {
    if (is_locked(fd->get(), name, lock_of(gone))) return unlock(fd->get(), *lock, LockKind::set_up);
    // If we are killed on the way, the next broker finds the role announced still, and tells the peer, maybe once more.
    const bool written = platform::write_header_word(fd->get(), waiting_offset(gone), 0) &&
                         platform::write_header_word(fd->get(), features_offset(gone), kFeatureOnTheWay);
    if (!written) log::debug("cannot write to the header of " + name);
  }
  ZIPC_TEST_POINT("tell.before-notice");
  if (!add_notice(fd->get(), other(gone), notice)) log::debug("cannot write to the header of " + name);
  ZIPC_TEST_POINT("tell.after-notice");
  wake(fd->get(), other(gone));
  ZIPC_TEST_POINT("tell.after-waking");
  if (!lock) return;
  if (!platform::write_header_word(fd->get(), features_offset(gone), 0)) log::debug("cannot write to the header of " + name);
  unlock(fd->get(), *lock, LockKind::set_up);
}

std::vector<std::string> Segments::ours() const {
  std::vector<std::string> names;
  for (std::string& name : platform::segment_names()) {
    const auto found = look(name);
    if (found && found->ours) names.push_back(std::move(name));
  }
  return names;
}

}  // namespace zipc
