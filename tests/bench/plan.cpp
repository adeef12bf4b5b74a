#include "plan.h"

#include <algorithm>
#include <set>

namespace zipc::bench {
namespace {

/// What of the whole run a case is measured for.
struct Block {
  Workload workload;
  std::vector<Wait> waits = {Wait::spin};
  std::vector<std::size_t> sizes;
  std::vector<std::size_t> queues;
  std::vector<Place> places = {Place::processes};
  std::vector<std::uint64_t> rates = {0};
};

const std::vector<std::size_t> kAllSizes(std::begin(kSizes), std::end(kSizes));

constexpr std::size_t kLargestQueue = std::size_t{128} << 20;  // bytes; beyond, the memory is what is measured

std::vector<Block> blocks(bool quick) {
  const std::vector<Wait> both = {Wait::spin, Wait::block};
  const std::vector<Wait> blocking = {Wait::block};
  if (quick) {
    return {
        {.workload = Workload::throughput, .waits = both, .sizes = {64, 1024}, .queues = {1024}},
        {.workload = Workload::round_trip, .sizes = {8, 64, 1024}, .queues = {16}},
        {.workload = Workload::round_trip, .waits = blocking, .sizes = {8, 64}, .queues = {16}},
        {.workload = Workload::asleep, .waits = blocking, .sizes = {8}, .queues = {16}},
        {.workload = Workload::send_alone, .sizes = {8}, .queues = {1024}},
    };
  }
  const std::vector<Place> variants = {Place::threads, Place::unpinned, Place::one_core};
  return {
      {.workload = Workload::throughput, .waits = both, .sizes = kAllSizes, .queues = {16, 1024, 16384}},
      {.workload = Workload::throughput, .waits = both, .sizes = {64}, .queues = {1024}, .places = variants},
      {.workload = Workload::round_trip, .sizes = kAllSizes, .queues = {16}},
      {.workload = Workload::round_trip, .sizes = {8, 64, 1024}, .queues = {1024}},
      {.workload = Workload::round_trip, .waits = blocking, .sizes = {8, 64, 1024, 65536}, .queues = {16}},
      {.workload = Workload::round_trip, .waits = blocking, .sizes = {64}, .queues = {16}, .places = variants},
      {.workload = Workload::asleep, .waits = blocking, .sizes = {8, 1024}, .queues = {16}},
      {.workload = Workload::send_alone, .sizes = {8, 64, 1024}, .queues = {1024}},
      {.workload = Workload::paced, .waits = blocking, .sizes = {64}, .queues = {16384}, .rates = {1000, 100'000, 1'000'000}},
  };
}

std::uint64_t budget_ns(const Block& block, Extent extent) {
  if (extent.smoke) return 1'000'000;
  if (block.workload == Workload::paced) return 300'000'000;
  return extent.quick ? 40'000'000 : 60'000'000;
}

/// Whose library was not found.
class Missing final : public Contestant {
 public:
  Missing(std::string name, std::string why) : name_(std::move(name)), why_(std::move(why)) {}
  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] bool handles(const Case&) const override { return true; }
  [[nodiscard]] std::string absent(const Case&) const override { return why_; }
  [[nodiscard]] std::unique_ptr<Measurement> prepare(const Case&) const override { return nullptr; }

 private:
  std::string name_, why_;
};

}  // namespace

std::vector<Entrant> plan(const Contestants& contestants, Extent extent) {
  std::vector<Entrant> result;
  for (const Block& block : blocks(extent.quick)) {
    for (const auto place : block.places) {
      for (const auto size : block.sizes) {
        for (const auto queue : block.queues) {
          if (size * queue > kLargestQueue) continue;
          for (const auto rate : block.rates) {
            for (const auto wait : block.waits) {
              for (const auto& contestant : contestants) {
                const Case c{.workload = block.workload, .contestant = contestant->name(), .size = size, .queue = queue, .wait = wait,
                             .place = place, .rate = rate, .budget_ns = budget_ns(block, extent)};
                if (contestant->handles(c)) result.push_back({contestant.get(), c});
              }
            }
          }
        }
      }
    }
  }
  return result;
}

void add_all(Contestants& contestants) {
  add_limits(contestants);
  add_zipc(contestants);
  add_boost_lockfree(contestants);
  add_boost_message_queue(contestants);
#ifdef BENCH_HAS_ICEORYX
  add_iceoryx(contestants);
#else
  contestants.push_back(std::make_unique<Missing>("iceoryx", "libiceoryx-posh-dev was not there when this was built"));
#endif
#ifdef BENCH_HAS_ZEROMQ
  add_zeromq(contestants);
#else
  contestants.push_back(std::make_unique<Missing>("ZeroMQ", "libzmq3-dev was not there when this was built"));
#endif
#ifdef BENCH_HAS_NNG
  add_nng(contestants);
#else
  contestants.push_back(std::make_unique<Missing>("nng", "libnng-dev was not there when this was built"));
#endif
  add_kernel(contestants);
}

const char* name_of(Workload workload) {
  constexpr const char* kNames[] = {"throughput", "round_trip", "asleep", "send_alone", "paced"};
  return kNames[static_cast<int>(workload)];
}

const char* name_of(Wait wait) { return wait == Wait::spin ? "spin" : "block"; }

const char* name_of(Place place) {
  constexpr const char* kNames[] = {"processes", "threads", "unpinned", "one_core"};
  return kNames[static_cast<int>(place)];
}

std::string text_of(const Case& c) {
  return std::string(name_of(c.workload)) + ' ' + c.contestant + ' ' + std::to_string(c.size) + ' ' + std::to_string(c.queue) +
         ' ' + name_of(c.wait) + ' ' + name_of(c.place) + (c.rate != 0 ? ' ' + std::to_string(c.rate) : "");
}

}  // namespace zipc::bench
