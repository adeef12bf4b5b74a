// One variant: the headers of some source tree, inlined into the measured loops. Compiled by tests/bench/compare-trees.
#include "pairs/variant.h"

#include "in_place.h"

namespace zipc::bench {
namespace {

template <std::size_t Size, bool keeps>
BENCH_INLINED void alone(const Share& share) {
  const std::uint64_t end = share.first + share.count;
  for (std::uint64_t first = share.first; first != end;) {
    const std::uint64_t last = first + std::min<std::uint64_t>(share.sender->params().queue_size / 2, end - first);
    for (std::uint64_t number = first; number != last; ++number) InPlace<keeps>::template send<Size, Wait::spin>(*share.sender, number);
    for (; first != last; ++first) InPlace<keeps>::template receive<Size, Wait::spin>(*share.receiver, first);
  }
}

template <std::size_t Size, bool keeps>
BENCH_INLINED void one_by_one(const Share& share) {
  if (share.traffic == Traffic::alone) return alone<Size, keeps>(share);
  const bool is_first = share.side == 0, is_stream = share.traffic == Traffic::stream;
  for (std::uint64_t number = share.first; number < share.first + share.count; ++number) {
    if (is_first) InPlace<keeps>::template send<Size, Wait::spin>(*share.sender, number);
    if (!is_first || !is_stream) InPlace<keeps>::template receive<Size, Wait::spin>(*share.receiver, number);
    if (!is_first && !is_stream) InPlace<keeps>::template send<Size, Wait::spin>(*share.sender, number);
  }
}

template <std::size_t Size>
BENCH_INLINED void in_batches(const Share& share) {
  std::uint32_t sizes[kBatch];
  std::fill(std::begin(sizes), std::end(sizes), Size);
  const std::uint64_t end = share.first + share.count;
  share.side == 0 ? InBatches::send_all<Size>(*share.sender, sizes, share.first, end)
                  : InBatches::receive_all<Size>(*share.receiver, sizes, share.first, end);
}

template <std::size_t Size>
void run(const Share& share) {
  switch (share.api) {
    case Api::peek: return one_by_one<Size, true>(share);
    case Api::receive: return one_by_one<Size, false>(share);
    default: return in_batches<Size>(share);
  }
}

}  // namespace

extern "C" [[gnu::visibility("default")]] void zipc_bench_run_share(const Share& share) {
  arena = share.arena;  // where who gives up says why
  switch (share.size) {
    case 8: return run<8>(share);
    case 64: return run<64>(share);
    case 256: return run<256>(share);
    default: return run<1024>(share);
  }
}

}  // namespace zipc::bench
