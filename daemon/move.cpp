#include "daemon/move.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <span>
#include <utility>

#include "common/test_point.h"
#include "daemon/log.h"

namespace zipc {
namespace {

Failure does_not_fit(const ChannelSpec& next, const std::string& what) {
  return {Error::invalid_params, what + " would not fit channel " + next.name + " with " + to_string(next.params) +
                                     "; have them received first"};
}

Failure system_failure(const std::string& name) {
  return {Error::system, "cannot read or write the segment of channel " + name};
}

std::uint32_t value(const std::atomic<std::uint32_t>& field) noexcept {
  return field.load(std::memory_order_relaxed);  // of a copy, which is ours
}

/// What is carried over at once: small messages by many, so that a long queue costs few system calls.
constexpr std::uint64_t kBlockBytes = 1 << 20;
/// Longer slots are not read whole, for a short message in one would cost as much as a long one.
constexpr std::uint64_t kWholeSlotBytes = 4096;

/// The messages of one queue, in its file.
struct Slots {
  int fd = -1;
  Params params;

  [[nodiscard]] std::uint64_t offset(std::uint32_t slot) const noexcept {
    return buffers_offset(params) + std::uint64_t{slot} * params.message_size;
  }
  [[nodiscard]] std::uint32_t before_wrap(std::uint32_t slot) const noexcept { return params.queue_size - slot; }
  [[nodiscard]] std::uint32_t next(std::uint32_t slot, std::uint32_t count) const noexcept {
    return count == before_wrap(slot) ? 0 : slot + count;
  }
};

/// How many messages, at most, are copied at once between two queues.
std::uint32_t per_block(const Params& one, const Params& other) noexcept {
  const std::uint64_t longer = std::max(one.message_size, other.message_size);
  return longer > kWholeSlotBytes ? 1 : static_cast<std::uint32_t>(kBlockBytes / longer);
}

bool copy_message(const Slots& old, std::uint32_t from, const Slots& fresh, std::uint32_t to, std::uint64_t length) {
  std::vector<std::byte> block(static_cast<std::size_t>(std::min(length, kBlockBytes)));
  for (std::uint64_t done = 0; done < length; done += block.size()) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(length - done, block.size()));
    if (!platform::read_at(old.fd, old.offset(from) + done, block.data(), size) ||
        !platform::write_at(fresh.fd, fresh.offset(to) + done, block.data(), size)) {
      return false;
    }
  }
  return true;
}

/// Copies messages that lie one behind the other in both queues, per_block() of them at most.
bool copy_block(const Slots& old, std::uint32_t from, const Slots& fresh, std::uint32_t to,
                std::span<const std::uint64_t> lengths) {
  if (lengths.size() == 1) return copy_message(old, from, fresh, to, lengths.front());
  const std::size_t old_size = old.params.message_size;
  const std::size_t fresh_size = fresh.params.message_size;
  std::vector<std::byte> block(lengths.size() * old_size);
  if (!platform::read_at(old.fd, old.offset(from), block.data(), block.size())) return false;
  if (old_size != fresh_size) {
    std::vector<std::byte> spread(lengths.size() * fresh_size);
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      std::memcpy(spread.data() + i * fresh_size, block.data() + i * old_size, static_cast<std::size_t>(lengths[i]));
    }
    block = std::move(spread);
  }
  return platform::write_at(fresh.fd, fresh.offset(to), block.data(), block.size());
}

}  // namespace

Result<Move> Move::prepare(const Segments& segments, const Channel& channel, const ChannelSpec& next,
                           std::optional<Role> fenced) {
  const std::string& name = channel.spec.name;
  const auto look = segments.look(name);
  if (!look) return look.failure();
  if (!look->ours || !channel.backing || channel.backing->id != look->id) {
    return Failure{Error::foreign_segment, "the segment of channel " + name + " was not made by this broker"};
  }
  if (look->info->params != channel.spec.params) {  // who uses the channel may write there what it likes
    return Failure{Error::corrupt, "the header of channel " + name + " is damaged"};
  }
  if (look->info->existing_peer_seen) {
    return Failure{Error::channel_in_use,
                   "channel " + name + " is in use by a program that takes no lease, and would not follow it"};
  }
  Move move;
  move.segments_ = &segments;
  move.next_ = next;
  move.old_params_ = channel.spec.params;
  move.fenced_ = fenced;
  const std::uint32_t generation = look->info->creator.generation;
  move.former_ = {.generation = generation, .id = look->id, .bytes = segment_size(channel.spec.params)};
  move.file_ = to_string(FormerName{.channel = name, .generation = generation});
  auto old = segments.open(name, look->id);
  if (!old) return old.failure();
  move.old_ = std::move(*old);

  SegmentHeader header{};
  if (!platform::copy_header(move.old_.get(), &header, sizeof header)) return system_failure(name);
  const auto lengths = move.lengths(header);
  if (!lengths) return lengths.failure();
  move.messages_ = static_cast<std::uint32_t>(lengths->size());

  ChannelSpec as_file = next;
  as_file.name = move.file_;
  as_file.provisioned = next.provisioned || look->info->creator.origin == Origin::provisioned;  // it may be draining
  ZIPC_TEST_POINT("move.before-making");
  auto made = segments.make_next(as_file, generation + 1);
  if (made.error() == Error::channel_exists) {  // of a move that failed, and could not be undone for want of a descriptor
    const auto left = segments.look(move.file_);
    if (left && segments.discard(move.file_, left->id, channel.spec.permissions.owner)) {
      made = segments.make_next(as_file, generation + 1);
    }
  }
  if (!made) return made.failure();
  ZIPC_TEST_POINT("move.after-making");
  move.new_id_ = made->backing.id;
  auto fresh = segments.open(move.file_, move.new_id_);
  if (!fresh) {
    static_cast<void>(segments.remove(move.file_, move.new_id_));
    return fresh.failure();
  }
  move.new_ = std::move(*fresh);
  ZIPC_TEST_POINT("move.after-preparing");
  return move;
}

Move::~Move() {
  if (!new_ || committed_) return;
  ZIPC_TEST_POINT("undo.before-telling");
  if (frozen_) {
    tell(0, kNoticeMoving);
    for (const Role role : {Role::sender, Role::receiver}) wake(old_.get(), role);
  }
  ZIPC_TEST_POINT("undo.before-removing");
  if (const auto removed = segments_->remove(file_, new_id_); !removed) log::warning(removed.failure().message);
}

Result<void> Move::freeze() {
  frozen_ = true;
  ZIPC_TEST_POINT("move.before-notice");
  const bool are_told = tell(kNoticeMoving, 0);
  if (!are_told) return system_failure(next_.name);
  ZIPC_TEST_POINT("move.before-fence");
  const bool is_fenced_for_all = heavy_fence();  // [moving]
  if (!is_fenced_for_all) full_fence();
  ZIPC_TEST_POINT("move.before-snapshot");
  SegmentHeader header{};
  if (!platform::copy_header(old_.get(), &header, sizeof header)) return system_failure(next_.name);
  if (!is_fenced_for_all && ((value(header.sender_features) | value(header.receiver_features)) & kFeatureFencesForBoth) != 0) {
    return Failure{Error::unsupported, "zipcd may not use membarrier(2) here, but the peers of channel " + next_.name +
                                           " do; permit it, or start them with ZIPC_MEMBARRIER=off"};
  }
  ZIPC_TEST_POINT("move.after-snapshot");
  const auto waiting = lengths(header);
  if (!waiting) return waiting.failure();
  return carry_over(header, *waiting);
}

Result<void> Move::commit() {
  ZIPC_TEST_POINT("move.before-exchange");
  if (auto swapped = platform::exchange(next_.name, file_); !swapped) return swapped;
  committed_ = true;
  ZIPC_TEST_POINT("move.after-exchange");
  tell(kNoticeMoved, kNoticeMoving);
  ZIPC_TEST_POINT("move.before-waking");
  for (const Role role : {Role::sender, Role::receiver}) wake(old_.get(), role);
  ZIPC_TEST_POINT("move.after-waking");
  return {};
}

bool Move::tell(std::uint32_t bits, std::uint32_t without) noexcept {
  bool are_told = true;
  for (const Role role : {Role::sender, Role::receiver}) {
    const bool loses_role = (bits & kNoticeMoved) != 0 && fenced_ == role;
    bool is_told = add_notice(old_.get(), role, bits | (loses_role ? kNoticeFenced : 0u), without);
    // As long as a notice stands, the sender does not say that all is clear again.
    if (role == Role::sender && (bits & kNoticeMoving) != 0) is_told = end_all_clear(old_.get(), old_params_) && is_told;
    if (!is_told) log::warning("cannot tell the " + std::string(to_string(role)) + " of channel " + next_.name + " that it moves");
    are_told = are_told && is_told;
    ZIPC_TEST_POINT("move.after-telling-one");
  }
  return are_told;
}

Result<std::vector<std::uint64_t>> Move::lengths(const SegmentHeader& header) const {
  const std::uint32_t slots = old_params_.queue_size;
  const std::uint32_t head = value(header.head);
  const std::uint32_t tail = value(header.tail);
  if (head >= slots || tail >= slots) {
    return Failure{Error::corrupt, "the indices of channel " + next_.name + " are impossible"};
  }
  const std::uint32_t count = tail >= head ? tail - head : tail + slots - head;
  // A sender that was told of a free slot is to find one when it publishes.
  const bool is_written_to = count + 1 < slots && fenced_ != Role::sender && value(header.sender_features) != 0;
  if (count + (is_written_to ? 1 : 0) >= next_.params.queue_size) {
    return does_not_fit(next_, std::to_string(count) + " messages that wait" +
                                   (is_written_to ? " and one that the sender may be writing" : ""));
  }
  std::vector<std::uint64_t> lengths(count);
  const std::uint32_t before_wrap = std::min(count, slots - head);
  const auto read = [&](std::uint32_t slot, std::uint64_t* into, std::uint32_t number) {
    return number == 0 || platform::read_at(old_.get(), kItemsOffset + slot * sizeof *into, into, number * sizeof *into);
  };
  if (!read(head, lengths.data(), before_wrap) || !read(0, lengths.data() + before_wrap, count - before_wrap)) {
    return system_failure(next_.name);
  }
  for (const std::uint64_t length : lengths) {
    if (length > old_params_.message_size) {
      return Failure{Error::corrupt, "a message of channel " + next_.name + " has an impossible length"};
    }
    if (length > next_.params.message_size) {
      return does_not_fit(next_, "a message of " + std::to_string(length) + " bytes that waits");
    }
  }
  return lengths;
}

Result<void> Move::carry_over(const SegmentHeader& header, const std::vector<std::uint64_t>& lengths) {
  const Params& params = next_.params;
  messages_ = static_cast<std::uint32_t>(lengths.size());
  const std::uint32_t old_head = value(header.head);
  const std::uint64_t received = published_count(header.received.load(std::memory_order_relaxed), old_head,  // the copy is ours
                                                 old_params_.queue_size);
  const auto head = static_cast<std::uint32_t>(received % params.queue_size);

  const Slots old{.fd = old_.get(), .params = old_params_};
  const Slots fresh_slots{.fd = new_.get(), .params = params};
  std::uint32_t from = old_head;
  std::uint32_t to = head;
  for (std::span<const std::uint64_t> left(lengths); !left.empty();) {
    const auto left_count = static_cast<std::uint32_t>(left.size());
    const std::uint32_t count =
        std::min({left_count, old.before_wrap(from), fresh_slots.before_wrap(to), per_block(old_params_, params)});
    const auto block = left.first(count);
    if (!platform::write_at(new_.get(), kItemsOffset + to * sizeof block[0], block.data(), block.size_bytes())) {
      return system_failure(next_.name);
    }
    ZIPC_TEST_POINT("move.after-lengths");
    if (!copy_block(old, from, fresh_slots, to, block)) return system_failure(next_.name);
    ZIPC_TEST_POINT("move.after-messages");
    from = old.next(from, count);
    to = fresh_slots.next(to, count);
    left = left.subspan(count);
  }

  SegmentHeader fresh{};
  if (!platform::copy_header(new_.get(), &fresh, sizeof fresh)) return system_failure(next_.name);
  const auto set = [](auto& field, auto number) { field.store(number, std::memory_order_relaxed); };  // our own copy
  const auto copy = [&](auto& field, const auto& old) { set(field, old.load(std::memory_order_relaxed)); };
  set(fresh.head, head);
  set(fresh.cached_head, head);
  set(fresh.tail, to);
  set(fresh.cached_tail, head);
  set(fresh.received, received);
  set(fresh.sent, received + messages_);
  copy(fresh.bytes_sent, header.bytes_sent);
  copy(fresh.full, header.full);
  copy(fresh.deepest, header.deepest);
  copy(fresh.largest, header.largest);
  copy(fresh.sender_pid, header.sender_pid);
  copy(fresh.receiver_pid, header.receiver_pid);
  set(fresh.origin, value(fresh.origin) | (value(header.origin) & kOriginLeasedOnce));
  // Who has not been told yet that its peer has gone is told there.
  constexpr std::uint32_t kOfThisMemory = kNoticeElsewhere | kNoticeFenced;
  set(fresh.notice_to_receiver, value(header.notice_to_receiver) & ~kOfThisMemory);
  set(fresh.notice_to_sender, value(header.notice_to_sender) & ~kOfThisMemory);
  // So is the peer of who loses its role.
  if (fenced_ == Role::sender) set(fresh.notice_to_receiver, std::uint32_t{kNoticePeerGone});
  if (fenced_ == Role::receiver) set(fresh.notice_to_sender, std::uint32_t{kNoticePeerGone});
  ZIPC_TEST_POINT("move.before-header");
  bool written = platform::write_at(new_.get(), 0, &fresh, sizeof fresh);
  ZIPC_TEST_POINT("move.after-header");
  written = written && platform::write_header_word(old_.get(), offsetof(SegmentHeader, final_head), old_head);
  ZIPC_TEST_POINT("move.after-final-head");
  written = written && platform::write_header_word(old_.get(), offsetof(SegmentHeader, final_tail), value(header.tail));
  ZIPC_TEST_POINT("move.after-final-tail");
  return written ? Result<void>{} : system_failure(next_.name);
}

}  // namespace zipc
