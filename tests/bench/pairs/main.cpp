// Compares variants of the hot path (tests/bench/compare-trees): all of them in one pair of processes, on the same channels and so in the
// same memory, taking turns of some milliseconds. Runs of the benchmark differ by where their memory lies and by what the machine
// does meanwhile; here both are the same for all, and differences of a few percent show.
#include <CLI/CLI.hpp>
#include <dlfcn.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zipc/zipc.hpp>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "arena.h"
#include "pairs/variant.h"
#include "runner.h"

namespace zipc::bench {
namespace {

struct Options {
  std::string traffic = "round_trip", api = "peek";
  std::size_t size = 64;
  std::uint32_t queue = 0;  // 0: as usual for the traffic
  int rounds = 30;
  std::vector<std::string> variants;
};

const std::map<std::string, Traffic> kTraffics = {
    {"round_trip", Traffic::round_trip}, {"stream", Traffic::stream}, {"alone", Traffic::alone}};

struct Round {
  double raw_ns;
  std::vector<double> ns;  // of each variant, a message or a round trip
};

RunShare load(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  void* function = library != nullptr ? dlsym(library, kRunShare) : nullptr;
  if (function == nullptr) give_up(path.c_str(), dlerror());
  return reinterpret_cast<RunShare>(function);
}

/// One side of all of it: side 0 returns what was measured.
std::vector<Round> take_turns(int side, const Options& options, const std::string& there, const std::string& back) {
  const Traffic traffic = kTraffics.at(options.traffic);
  const Api api = options.api == "batches" ? Api::batches : options.api == "receive" ? Api::receive : Api::peek;
  const std::uint32_t usual = traffic == Traffic::stream ? 1024 : traffic == Traffic::alone ? 128 : 16;
  const Params params{.queue_size = options.queue != 0 ? options.queue : usual,
                      .message_size = static_cast<std::uint32_t>(options.size)};
  const std::string& own = side == 0 ? there : back;
  auto sender = Sender::create(own, params);
  auto receiver = Receiver::create(traffic == Traffic::alone ? own : side == 0 ? back : there, params);
  if (!sender) give_up("zipc", sender.failure().message.c_str());
  if (!receiver) give_up("zipc", receiver.failure().message.c_str());
  std::vector<RunShare> run;
  for (const std::string& path : options.variants) run.push_back(load(path));

  std::uint64_t number = 0;
  const auto turn_ns = [&](RunShare variant, std::uint64_t count) {
    arena->meet();
    const std::uint64_t start = now_ns();
    variant({arena, api, traffic, options.size, side, &*sender, &*receiver, number, count});
    if (side == 1) arena->elapsed_ns = now_ns() - start;
    arena->meet();
    number += count;
    return static_cast<double>(arena->elapsed_ns) / static_cast<double>(count);
  };
  // So many that a turn takes some milliseconds, and that the whole queue has been used.
  std::uint64_t count = 2 * params.queue_size;
  while (turn_ns(run[0], count) * static_cast<double>(count) < 3e6) count *= 2;

  std::mt19937 random(1);  // the same on both sides
  std::vector<Round> rounds;
  std::vector<std::size_t> order(run.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  for (int i = 0; i < options.rounds; ++i) {
    std::shuffle(order.begin(), order.end(), random);
    arena->meet();
    Round round{raw_round_trip_ns(side), std::vector<double>(run.size())};
    for (const std::size_t which : order) {
      turn_ns(run[which], count / 8 + 1);  // it learns anew
      round.ns[which] = turn_ns(run[which], count);
    }
    rounds.push_back(round);
  }
  return rounds;
}

struct Quartiles {
  double lower, median, upper;
};
Quartiles quartiles(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values[values.size() / 4], values[values.size() / 2], values[values.size() * 3 / 4]};
}

void print(const Options& options, const std::vector<Round>& all) {
  std::map<std::string, std::vector<Round>> groups;
  for (const Round& round : all) groups[class_of(round.raw_ns)].push_back(round);
  for (const auto& [group, rounds] : groups) {
    const auto of = [&rounds](auto value) {
      std::vector<double> values;
      for (const Round& round : rounds) values.push_back(value(round));
      return quartiles(std::move(values));
    };
    std::printf("%s, %zu B, %s: machine %s, raw cache line %.0f ns, %zu rounds\n", options.traffic.c_str(), options.size,
                options.api.c_str(), group.c_str(), of([](const Round& r) { return r.raw_ns; }).median, rounds.size());
    for (std::size_t i = 0; i < options.variants.size(); ++i) {
      const auto ns = of([i](const Round& r) { return r.ns[i]; });
      const auto ratio = of([i](const Round& r) { return r.ns[i] / r.ns[0]; });
      std::printf("  %-32s %9.1f ns   %.3f [%.3f, %.3f]\n", std::filesystem::path(options.variants[i]).stem().c_str(), ns.median,
                  ratio.median, ratio.lower, ratio.upper);
    }
  }
}

int compare(const Options& options) {
  arena = new (mmap(nullptr, sizeof(Arena), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Arena;
  const std::vector<int> cores = two_cores();
  if (cores.size() < 2) {
    std::fputs("zipc_compare: two processors are needed\n", stderr);
    return 1;
  }
  setenv("ZIPC_BROKER", "off", 1);
  const std::string there = '/' + unique_name(), back = '/' + unique_name();
  pid_t sides[2];
  for (int side = 0; side < 2; ++side) {
    sides[side] = fork();
    if (sides[side] != 0) continue;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin(cores[static_cast<std::size_t>(side)]);
    const std::vector<Round> rounds = take_turns(side, options, there, back);
    if (side == 0) print(options, rounds);
    std::fflush(stdout);
    std::_Exit(0);
  }
  bool failed = false;
  for (int left = 2; left != 0; --left) {
    int status = 0;
    const pid_t ended = wait(&status);
    for (pid_t& side : sides) {
      if (side == ended) side = 0;
    }
    if (status == 0) continue;
    failed = true;
    for (const pid_t side : sides) {  // the other waits for it
      if (side != 0) kill(side, SIGKILL);
    }
  }
  for (const std::string& name : {there, back}) zipc_unlink(name.c_str());
  if (failed) std::fprintf(stderr, "zipc_compare: %s\n", arena->error[0] != '\0' ? arena->error : "a side was killed");
  return failed ? 1 : 0;
}

}  // namespace
}  // namespace zipc::bench

int main(int argc, char** argv) {
  zipc::bench::Options options;
  CLI::App app("Compares variants of the hot path: see tests/bench/compare-trees --help");
  app.add_option("--traffic", options.traffic)->check(CLI::IsMember(zipc::bench::kTraffics));
  app.add_option("--api", options.api)->check(CLI::IsMember({"peek", "receive", "batches"}));
  app.add_option("--size", options.size)->check(CLI::IsMember({8, 64, 256, 1024}));
  app.add_option("--queue", options.queue)->check(CLI::Range(2, 1 << 24));
  app.add_option("--rounds", options.rounds)->check(CLI::Range(1, 100'000));
  app.add_option("variant", options.variants)->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (options.api == "batches" && options.traffic != "stream") {
    std::fputs("zipc_compare: --api batches needs --traffic stream\n", stderr);
    return 2;
  }
  return zipc::bench::compare(options);
}
