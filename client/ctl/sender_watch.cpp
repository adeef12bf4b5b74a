#include "client/ctl/sender_watch.h"

#include "client/ctl/complaint.h"

namespace zipc::ctl {
namespace {

Failure cut_off(std::string sentence) {
  return advised(Failure{Error::closed, std::move(sentence)},
                 "have it sent again; receive --follow goes on with whoever sends next");
}

}  // namespace

std::optional<int> SenderWatch::sender() {
  auto client = access_.broker_if_any();
  if (!client || *client == nullptr) return {};
  const auto channel = (*client)->get(channel_);
  if (!channel) return {};
  return channel->sender ? channel->sender->pid : kNobody;
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
