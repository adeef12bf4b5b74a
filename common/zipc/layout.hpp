/// The bytes of a segment: every offset, every size, and who may write what. Nothing else in the project knows them.
///
/// The format is that of existing ZIPC peers: a header of two cache lines, `items[queue_size]` with the length of each
/// message, `buffers[queue_size][message_size]`, and an init flag. An existing peer uses only head, tail, (newer ones)
/// waiters, and the flag, and leaves the other header bytes zero; zipc keeps its own fields in those. A field stands on
/// the line of the side that writes it, so that writing it makes no other line travel; on that of the side that reads it, if it
/// seldom changes.
///
/// Whoever attaches maps memory that other processes write: read a value once, check its range, then use it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include <zipc/error.hpp>
#include <zipc/params.hpp>

namespace zipc {

inline constexpr std::uint32_t kInitFlag = 0x5A495043;  // bytes 43 50 49 5a
inline constexpr std::uint32_t kMark = 0x70697A01;      // "zip" and the layout version, which is 1
inline constexpr std::uint32_t kMarkVersionMask = 0xFF;

inline constexpr std::uint32_t kQueueSizeMin = 2;           // one slot always stays unused
inline constexpr std::uint32_t kQueueSizeMax = 1u << 24;    // keeps 8 bytes an item under 128 MiB
inline constexpr std::uint32_t kMessageSizeMin = 1;
inline constexpr std::uint32_t kMessageSizeMax = 1u << 31;  // a length that also fits a signed 32-bit API, plus one

/// What a side announces about itself when it attaches, and takes back when it detaches. As long as any stands, somebody has
/// still to tell the peer that this side has gone: its holder, or, if it is killed, who finds that out.
enum Feature : std::uint32_t {
  kFeatureAnnouncesSleep = 1u << 0,  ///< a zipc peer: raises its waiting word before it sleeps, never resets the queue
  kFeatureFencesForBoth = 1u << 1,  ///< its process has joined the heavy fences (waiting.h), and makes one before it sleeps
  kFeatureOnTheWay = 1u << 2,  ///< alone: it is about to leave, or to come from the channel's earlier memory
  kFeatureRings = 1u << 3,  ///< it has a broker, and rings the doorbell of a peer that waits by one
  kFeatureEndsAllClear = 1u << 4,  ///< a receiver: before it sleeps it takes the sender's all-clear away
};

/// Who made the segment, and so who may remove it.
enum class Origin : std::uint32_t {
  unknown = 0,      ///< an existing peer, or a caller's buffer
  direct = 1,       ///< zipc without a broker
  dynamic = 2,      ///< the broker, on request
  provisioned = 3,  ///< the broker, from its configuration
};
/// What one side of a channel is told, in the notice word on its own line. Zero: nothing.
enum Notice : std::uint32_t {
  kNoticePeerGone = 1u << 0,  ///< the peer has gone, and this side has not been told yet
  kNoticeDied = 1u << 1,      ///< the last peer ended without giving its role back
  kNoticeCause = 1u << 2,     ///< how it ended is known: kNoticeSignal, and the number in kNoticeNumberShift
  kNoticeSignal = 1u << 3,    ///< the number is that of a signal; otherwise it is an exit code
  kNoticeMoving = 1u << 4,    ///< the broker is about to give the channel other memory, or to leave it as it is
  kNoticeMoved = 1u << 5,     ///< the channel has other memory: what is written here is read by nobody
  kNoticeFenced = 1u << 6,    ///< with kNoticeMoved: this side's role was taken away
};
inline constexpr std::uint32_t kNoticeElsewhere = kNoticeMoving | kNoticeMoved;
inline constexpr unsigned kNoticeNumberShift = 16;
inline constexpr std::uint32_t kNoticeNumberMask = 0xFF;

inline constexpr std::uint32_t kOriginMask = 0xFF;
inline constexpr std::uint32_t kOriginLeasedOnce = 1u << 8;     ///< somebody has held a role of it: linger applies
inline constexpr std::uint32_t kOriginExistingPeer = 1u << 9;   ///< an existing peer, which takes no lease, has attached

struct SegmentHeader {
  // The receiver's line: what it writes for each message, and what seldom changes, whoever writes that. The constants are written under
  // the set-up lock.
  std::atomic<std::uint32_t> head;             ///< next slot to read, 0 .. queue_size-1
  std::atomic<std::uint32_t> sender_waiting;   ///< not 0: the sender waits, since waiting_stamp() or by a doorbell. By it; 0 by who rings
  std::atomic<std::uint64_t> received;         ///< messages ever received
  std::atomic<std::uint32_t> cached_tail;      ///< the receiver's copy of tail, at most as new as tail
  std::atomic<std::uint32_t> sender_features;  ///< Feature bits of the attached sender. By the sender, at attach; broker
  std::atomic<std::uint32_t> deepest;          ///< most messages ever found waiting
  std::atomic<std::uint32_t> notice_to_receiver;  ///< Notice bits. By whoever finds out, under the sender's lock; broker
  std::atomic<std::uint32_t> mark;             ///< kMark once the constants below are valid; written last
  std::atomic<std::uint32_t> queue_size;
  std::atomic<std::uint32_t> message_size;
  std::atomic<std::uint32_t> generation;
  std::atomic<std::uint32_t> origin;           ///< Origin and the kOrigin bits
  std::atomic<std::uint32_t> sender_pid;       ///< as the holder or the broker saw it; information, not authority
  std::atomic<std::uint32_t> receiver_pid;
  std::atomic<std::uint32_t> final_head;  ///< with kNoticeMoved: the first message that was carried over. By the broker

  // The sender's line.
  std::atomic<std::uint32_t> tail;               ///< next slot to write, 0 .. queue_size-1; the receiver's futex word
  std::atomic<std::uint32_t> waiters;            ///< as sender_waiting: the receiver waits. By it; 0 by who rings
  std::atomic<std::uint64_t> sent;               ///< messages ever sent
  std::atomic<std::uint64_t> bytes_sent;
  std::atomic<std::uint64_t> full;               ///< how often the sender met a full queue
  std::atomic<std::uint32_t> cached_head;        ///< the sender's copy of head, at most as new; if it has no other place
  std::atomic<std::uint32_t> receiver_features;  ///< Feature bits of the attached receiver. By the receiver, at attach; broker
  std::atomic<std::uint32_t> notice_to_sender;   ///< Notice bits, as notice_to_receiver
  std::atomic<std::uint32_t> broker_id;          ///< which broker made it, or has lent a role of it although it is of no broker; 0: none
  std::atomic<std::uint32_t> linger_ms;          ///< of a dynamic channel; 0xffffffff: for ever
  std::atomic<std::uint32_t> owner_uid;          ///< of a dynamic channel: who asked for it
  std::atomic<std::uint32_t> largest;            ///< longest message ever sent, in bytes
  std::atomic<std::uint32_t> final_tail;         ///< with kNoticeMoved: behind the last message that was carried over
};

using ItemLength = std::atomic<std::uint64_t>;

static_assert(std::atomic<std::uint32_t>::is_always_lock_free && std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(sizeof(std::atomic<std::uint32_t>) == 4 && sizeof(ItemLength) == 8);
static_assert(alignof(SegmentHeader) == 8, "a caller's buffer is aligned to 8 bytes only");
static_assert(offsetof(SegmentHeader, head) == 0);
static_assert(offsetof(SegmentHeader, sender_waiting) == 4);
static_assert(offsetof(SegmentHeader, received) == 8);
static_assert(offsetof(SegmentHeader, cached_tail) == 16);
static_assert(offsetof(SegmentHeader, sender_features) == 20);
static_assert(offsetof(SegmentHeader, deepest) == 24);
static_assert(offsetof(SegmentHeader, notice_to_receiver) == 28);
static_assert(offsetof(SegmentHeader, mark) == 32);
static_assert(offsetof(SegmentHeader, queue_size) == 36);
static_assert(offsetof(SegmentHeader, message_size) == 40);
static_assert(offsetof(SegmentHeader, generation) == 44);
static_assert(offsetof(SegmentHeader, origin) == 48);
static_assert(offsetof(SegmentHeader, sender_pid) == 52);
static_assert(offsetof(SegmentHeader, receiver_pid) == 56);
static_assert(offsetof(SegmentHeader, final_head) == 60);
static_assert(offsetof(SegmentHeader, tail) == 64);
static_assert(offsetof(SegmentHeader, waiters) == 68);
static_assert(offsetof(SegmentHeader, sent) == 72);
static_assert(offsetof(SegmentHeader, bytes_sent) == 80);
static_assert(offsetof(SegmentHeader, full) == 88);
static_assert(offsetof(SegmentHeader, cached_head) == 96);
static_assert(offsetof(SegmentHeader, receiver_features) == 100);
static_assert(offsetof(SegmentHeader, notice_to_sender) == 104);
static_assert(offsetof(SegmentHeader, broker_id) == 108);
static_assert(offsetof(SegmentHeader, linger_ms) == 112);
static_assert(offsetof(SegmentHeader, owner_uid) == 116);
static_assert(offsetof(SegmentHeader, largest) == 120);
static_assert(offsetof(SegmentHeader, final_tail) == 124);
static_assert(sizeof(SegmentHeader) == 128);

inline constexpr std::uint64_t kItemsOffset = sizeof(SegmentHeader);

[[nodiscard]] constexpr std::uint64_t buffers_offset(const Params& p) noexcept {
  return kItemsOffset + std::uint64_t{p.queue_size} * sizeof(ItemLength);
}

/// Where zipc and the older existing peers keep the init flag. Not aligned when queue_size * message_size % 4 != 0.
[[nodiscard]] constexpr std::uint64_t init_flag_offset(const Params& p) noexcept {
  return buffers_offset(p) + std::uint64_t{p.queue_size} * p.message_size;
}

/// Where the newest existing peers keep it.
[[nodiscard]] constexpr std::uint64_t aligned_init_flag_offset(const Params& p) noexcept {
  return (init_flag_offset(p) + 3) / 4 * 4;
}

/// The file sizes that existing peers set, unconditionally, whenever they attach.
[[nodiscard]] constexpr std::uint64_t older_peer_size(const Params& p) noexcept { return init_flag_offset(p) + 132; }
[[nodiscard]] constexpr std::uint64_t newest_peer_size(const Params& p) noexcept { return aligned_init_flag_offset(p) + 4; }

/// The tripwire: a second init flag, which zipc sets at attach. Every existing peer truncates the file below it when it
/// attaches, and the kernel zeroes what lies past the new end in the page; so a zero says that a peer has come that takes no
/// lease, announces nothing and may reset the queue, without asking the kernel on the message path. Where there
/// is none, the init flag does for it.
inline constexpr std::uint8_t kTripwire = kInitFlag & 0xFF;  ///< its first byte while it is whole. By who enters a role
/// Its second byte: not 0 while the sender's copies of the header (sender_copies.hpp) are what it says, and nobody can have come who
/// changes it unseen. By the sender.
inline constexpr std::size_t kSenderInStepOffset = 1;
/// Its third byte: the same for the receiver's copy of the sender's index. By the receiver; the first byte may be whole again before it looks.
inline constexpr std::size_t kReceiverInStepOffset = 2;
/// Its fourth byte: kAllClear while the sender knows that it has nobody to wake and is told nothing. It says so itself; a receiver that
/// sleeps, comes or leaves, the broker before it moves the channel, and the kernel with the rest make it 0. So a message that is sent need
/// not look at the line that it was published on, which the receiver has taken away by then.
inline constexpr std::size_t kAllClearOffset = 3;
inline constexpr std::uint8_t kAllClear = kTripwire;  ///< one question for both: they have bits in common
inline constexpr std::uint8_t kAboutToSayClear = 0xFF ^ kTripwire;
/// Feature bits that kTripwire has, too, so that `features & tripwire` asks about peer and tripwire in one branch: of a peer with both, no more
/// is to be known. Where the init flag does for the tripwire, so does its third byte for the receiver's.
inline constexpr std::uint32_t kFeaturesOfKnown = kFeatureAnnouncesSleep | kFeatureFencesForBoth;
static_assert((kTripwire & kFeaturesOfKnown) == kFeaturesOfKnown);
static_assert((kInitFlag >> 8 * kReceiverInStepOffset & kFeatureAnnouncesSleep) != 0);
[[nodiscard]] constexpr std::uint64_t tripwire_offset(const Params& p) noexcept { return older_peer_size(p); }

/// Whether the tripwire lies in the same page as the end of the shortest file that an existing peer makes. If it does
/// not (3 of 100 sizes), reading it could fault, and it is not used: a peer's announcements are believed then.
[[nodiscard]] constexpr bool tripwire_usable(const Params& p, std::uint64_t page_size) noexcept {
  return (tripwire_offset(p) + sizeof kInitFlag - 1) / page_size == (newest_peer_size(p) - 1) / page_size;
}

/// The size of the file that zipc makes: larger than any existing peer's, so that theirs tells that they were there.
[[nodiscard]] constexpr std::uint64_t segment_size(const Params& p) noexcept { return tripwire_offset(p) + sizeof kInitFlag; }

/// What every peer may rely on: the bytes up to the end of the aligned init flag.
[[nodiscard]] constexpr std::uint64_t smallest_segment_size(const Params& p) noexcept { return newest_peer_size(p); }

static_assert(segment_size({.queue_size = 8, .message_size = 1536}) == 128 + 64 + 12288 + 4 + 128 + 4);
static_assert(init_flag_offset({.queue_size = 7, .message_size = 13}) == 275);
static_assert(newest_peer_size({.queue_size = 7, .message_size = 13}) == 280);

/// "queue_size 8 and message_size 64", for messages.
[[nodiscard]] std::string to_string(const Params& params);

/// Error::invalid_params, with the sizes and the allowed ranges, when `params` are outside them.
[[nodiscard]] Result<void> check_params(const Params& params);

}  // namespace zipc
