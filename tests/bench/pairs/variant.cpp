// One variant: the headers of some source tree, inlined into the measured loops. Compiled by tests/bench/compare-trees.
#include "pairs/variant.h"

#include <algorithm>
#include <zipc/zipc.hpp>

#include "message.h"

namespace zipc::bench {
namespace {

template <std::size_t Size>
bool send_one(Sender& sender, std::uint64_t number) {
  for (;;) {
    const auto slot = sender.loan();
    if (slot) {
      fill<Size>(slot->data.data(), number);
      return sender.publish(Size) == Error::ok;
    }
    if (slot.error() != Error::full) return false;
  }
}

template <std::size_t Size, bool keeps>
bool receive_one(Receiver& receiver, std::uint64_t number) {
  for (;;) {
    const auto message = keeps ? receiver.peek() : receiver.receive();
    if (message) {
      if (message->data.size() != Size || !check<Size>(message->data.data(), number)) return false;
      return !keeps || receiver.pop() == Error::ok;
    }
    if (message.error() != Error::empty) return false;
  }
}

template <std::size_t Size, bool keeps>
[[gnu::flatten]] bool one_by_one(const Share& share) {
  const bool is_first = share.side == 0, is_stream = share.traffic == Traffic::stream;
  bool is_good = true;
  for (std::uint64_t number = share.first; number < share.first + share.count; ++number) {
    if (is_first) is_good = send_one<Size>(*share.sender, number) && is_good;
    if (!is_first || !is_stream) is_good = receive_one<Size, keeps>(*share.receiver, number) && is_good;
    if (!is_first && !is_stream) is_good = send_one<Size>(*share.sender, number) && is_good;
  }
  return is_good;
}

template <std::size_t Size>
[[gnu::flatten]] bool in_batches(const Share& share) {
  std::uint32_t sizes[64];
  std::uint64_t number = share.first;
  const std::uint64_t end = share.first + share.count;
  const auto most = [&] { return std::min<std::uint64_t>(std::size(sizes), end - number); };
  std::fill(std::begin(sizes), std::end(sizes), Size);
  while (share.side == 0 && number != end) {
    const Batch batch = share.sender->loan_batch(most());
    if (batch.error() == Error::full) continue;
    if (!batch) return false;
    for (std::size_t i = 0; i < batch.size(); ++i) fill<Size>(batch[i].data(), number++);
    if (share.sender->publish_batch({sizes, batch.size()}) != Error::ok) return false;
  }
  while (share.side == 1 && number != end) {
    const Batch batch = share.receiver->peek_batch({sizes, most()});
    if (batch.error() == Error::empty) continue;
    if (!batch) return false;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (sizes[i] != Size || !check<Size>(batch[i].data(), number++)) return false;
    }
    if (share.receiver->pop_batch(batch.size()) != Error::ok) return false;
  }
  return true;
}

template <std::size_t Size>
bool run(const Share& share) {
  switch (share.api) {
    case Api::peek: return one_by_one<Size, true>(share);
    case Api::receive: return one_by_one<Size, false>(share);
    default: return in_batches<Size>(share);
  }
}

}  // namespace

extern "C" [[gnu::visibility("default")]] bool zipc_bench_run_share(const Share& share) {
  switch (share.size) {
    case 8: return run<8>(share);
    case 64: return run<64>(share);
    case 256: return run<256>(share);
    default: return run<1024>(share);
  }
}

}  // namespace zipc::bench
