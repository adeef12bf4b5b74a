#include "client/ctl/sender_watch.h"

#include <zipc/layout.hpp>

#include "client/ctl/complaint.h"
#include "client/ctl/units.h"

namespace zipc::ctl {
namespace {

Failure cut_off(std::string sentence) {
  return advised(Failure{Error::peer_gone, std::move(sentence)},
                 "have it sent again; receive --follow goes on with whoever sends next");
}

/// Whether the message that was received last, by whoever was the receiver, ended a stream, as far as can be seen. Its slot is
/// the one that stays free, so nobody has written there since.
bool ended_a_stream(const Receiver& receiver) {
  const std::byte* memory = receiver.shared_memory_pointer();
  const std::uint32_t queue_size = receiver.params().queue_size;
  const auto& header = *reinterpret_cast<const SegmentHeader*>(memory);
  const std::uint32_t head = header.head.load(std::memory_order_relaxed);  // our own index
  if (head >= queue_size) return true;
  const auto* lengths = reinterpret_cast<const ItemLength*>(memory + kItemsOffset);
  return lengths[(head + queue_size - 1) % queue_size].load(std::memory_order_relaxed) == 0;  // seen by who has moved head
}

}  // namespace

SenderWatch::SenderWatch(Access& access, std::string channel, const Receiver& receiver)
    : access_(access), channel_(std::move(channel)) {
  if (!ended_a_stream(receiver)) received_before_ = receiver.stats().received;
}

void SenderWatch::stream_begins() {
  within_stream_ = true;
  const auto now = channel();
  at_begin_.reset();
  if (now) at_begin_ = now->sender ? now->sender->pid : kNobody;
  const auto others = std::exchange(received_before_, std::nullopt);
  missed_ = now && now->sent_before && others && *others > *now->sent_before ? *others - *now->sent_before : 0;
}

std::optional<Failure> SenderWatch::begun_elsewhere() const {
  if (missed_ == 0) return {};
  return advised(Failure{Error::channel_in_use, "another receiver has taken the first " + format_count(missed_, "message") +
                                                    " of the stream on " + channel_},
                 "have it sent again; receive --rest takes what is left of it");
}

std::optional<ChannelInfo> SenderWatch::channel() {
  auto client = access_.broker_if_any();
  if (!client || *client == nullptr) return {};
  auto channel = (*client)->get(channel_);
  if (!channel) return {};
  return *std::move(channel);
}

std::optional<int> SenderWatch::sender() {
  const auto now = channel();
  if (!now) return {};
  return now->sender ? now->sender->pid : kNobody;
}

std::optional<Failure> SenderWatch::gone() {
  if (!within_stream_ || !at_begin_) return {};
  const auto now = sender();
  if (!now || *now == *at_begin_) return {};
  if (*at_begin_ == kNobody) return replaced();
  return cut_off("the sender of " + channel_ + ", process " + std::to_string(*at_begin_) +
                 ", has ended in the middle of its stream");
}

Failure SenderWatch::ended(const ZipcPeer& peer) const {
  std::string how = " has ended";
  if (peer.signal != 0) how = " was killed by signal " + std::to_string(peer.signal);
  return cut_off("the sender of " + channel_ + ", process " + std::to_string(peer.pid) + "," + how +
                 " in the middle of its stream");
}

std::optional<Failure> SenderWatch::replaced() {
  if (!within_stream_ || !at_begin_) return {};
  const auto now = sender();
  if (!now || *now == kNobody || *now == *at_begin_) return {};
  return cut_off("a new sender of " + channel_ + ", process " + std::to_string(*now) +
                 ", began in the middle of another's stream");
}

}  // namespace zipc::ctl
