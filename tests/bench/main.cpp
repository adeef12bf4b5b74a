// zipc_bench: measures, and prints JSON. tests/bench/run is how to call it, tests/bench/report makes tables of what it prints.
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <regex>
#include <string>

#include "control.h"
#include "plan.h"
#include "runner.h"
#include "system_calls.h"

namespace zipc::bench {
namespace {

constexpr const char* kHelp =
    "usage: zipc_bench [--quick] [--smoke] [--rounds N] [--only REGEX] [--list]\n"
    "  --quick       the sizes 64 B and 1 KiB, one queue size\n"
    "  --smoke       one very short round of --quick, to see that all of it works: its numbers mean nothing\n"
    "  --rounds N    how often to measure everything (default 9, with --quick 3)\n"
    "  --only REGEX  only what matches: 'workload contestant size queue wait place', see --list; the control plane, which is none of\n"
    "                those, only if REGEX matches 'control plane', e.g. 'throughput .* 64 |control plane'\n"
    "  --list        print what would be measured and do nothing\n"
    "Measures every contestant of a case in turn, in another order each time, N times, and prints JSON. Progress goes to standard error.\n";

struct Options {
  bool quick = false, smoke = false, list = false;
  int rounds = 0;
  std::string only;
  std::string exactly;  // the one case to measure, and
  std::uint64_t count = 0;  // with how many messages: for system_calls.cpp
};

std::optional<Options> parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : nullptr;
    if (argument == "--quick") options.quick = true;
    else if (argument == "--smoke") options.quick = options.smoke = true;
    else if (argument == "--list") options.list = true;
    else if (argument == "--rounds" && value != nullptr) options.rounds = std::atoi(argv[++i]);
    else if (argument == "--only" && value != nullptr) options.only = argv[++i];
    else if (argument == "--exactly" && value != nullptr) options.exactly = argv[++i];
    else if (argument == "--count" && value != nullptr) options.count = std::strtoull(argv[++i], nullptr, 10);
    else return {};
  }
  if (options.rounds <= 0) options.rounds = !options.exactly.empty() ? 1 : options.smoke ? 1 : options.quick ? 3 : 9;
  return options;
}

std::string json_text(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return result + '"';
}

/// What killed sides and libraries that do not clean up have left under this run's names.
void remove_leftovers() {
  const std::string prefix = "zb." + std::to_string(getpid()) + ".";
  for (const char* folder : {"/dev/shm", "/tmp"}) {
    std::vector<std::filesystem::path> found;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
      if (entry.path().filename().string().starts_with(prefix)) found.push_back(entry.path());
    }
    for (const auto& path : found) std::filesystem::remove(path, error);
  }
}

/// The fields that say what was measured.
std::string json_of(const Case& c) {
  return "\"workload\": " + json_text(name_of(c.workload)) + ", \"contestant\": " + json_text(c.contestant) +
         ", \"size\": " + std::to_string(c.size) + ", \"queue\": " + std::to_string(c.queue) + ", \"wait\": " +
         json_text(name_of(c.wait)) + ", \"place\": " + json_text(name_of(c.place)) + ", \"rate\": " + std::to_string(c.rate);
}

std::string json_of(const Outcome& outcome) {
  char number[32];
  std::string result;
  for (std::size_t i = 0; i < std::size(outcome.values); ++i) {
    if (std::isnan(outcome.values[i])) continue;
    std::snprintf(number, sizeof number, "%.6g", outcome.values[i]);
    result += std::string(", \"") + kValueNames[i] + "\": " + number;
  }
  const double raw_ns = (outcome[Value::raw_before_ns] + outcome[Value::raw_after_ns]) / 2;
  if (!std::isnan(raw_ns)) result += ", \"class\": " + json_text(class_of(raw_ns));
  if (outcome.quantiles_ns.empty()) return result;
  result += ", \"quantiles_ns\": [";
  for (const double ns : outcome.quantiles_ns) {
    std::snprintf(number, sizeof number, "%.0f,", ns);
    result += number;
  }
  result.back() = ']';
  return result;
}

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

#ifdef __clang__
constexpr const char* kCompiler = "clang " __clang_version__;
#else
constexpr const char* kCompiler = "gcc " __VERSION__;
#endif

/// All that takes part, in the order of the tables, and the versions of what it is made of.
void print_contestants(const Contestants& contestants) {
  std::vector<std::string> names, libraries;  // each once
  const auto add = [](std::vector<std::string>& all, std::string text) {
    if (!text.empty() && std::find(all.begin(), all.end(), text) == all.end()) all.push_back(std::move(text));
  };
  for (const auto& contestant : contestants) {
    add(names, contestant->name());
    add(libraries, contestant->library());
  }
  const auto print = [](const char* key, const std::vector<std::string>& all) {
    std::printf("\"%s\": [", key);
    for (const auto& text : all) std::printf("%s%s", &text == &all.front() ? "" : ", ", json_text(text).c_str());
    std::printf("],\n");
  };
  print("contestants", names);
  print("libraries", libraries);
}

void print_machine(const std::vector<int>& cores) {
  utsname system{};
  uname(&system);
  std::printf("{\"machine\": {\"processor\": %s, \"processors\": %ld, \"cores\": [%d, %d], \"system\": %s, \"compiler\": %s},\n",
              json_text(processor()).c_str(), sysconf(_SC_NPROCESSORS_ONLN), cores[0], cores[1],
              json_text(std::string(system.sysname) + " " + system.release + " " + system.machine).c_str(), json_text(kCompiler).c_str());
}

/// On a terminal, in place of the line before. Empty: no line.
void show_progress(const std::string& line) {
  static const bool is_terminal = isatty(STDERR_FILENO) != 0;
  if (is_terminal) std::fprintf(stderr, "\r%s\033[K", line.c_str());
}

void print_control_plane(bool smoke, const std::vector<int>& cores, std::map<std::string, std::string>& absent) {
  show_progress("control plane");
  std::string why_not;
  const char* comma = "";
  std::printf("\"control\": [\n");
  for (const auto& finding : measure_control_plane(smoke, cores, why_not)) {
    std::printf("%s {\"what\": %s, \"unit\": %s, \"channels\": %d, \"where\": %s, \"values\": [", comma, json_text(finding.what).c_str(),
                json_text(finding.unit).c_str(), finding.channels, json_text(finding.where).c_str());
    const char* between = "";
    for (const double value : finding.values) {
      std::printf("%s%.6g", between, value);
      between = ", ";
    }
    std::printf("]}");
    comma = ",\n";
  }
  std::printf("],\n");
  show_progress("");
  if (!why_not.empty()) absent["\"workload\": \"control plane\", \"contestant\": \"zipcd\", \"size\": 0"] = why_not;
}

/// Whoever comes next to the same one each time has what that one leaves behind, in the caches and of the machine's mood.
void shuffle_within_cases(std::vector<Entrant>& entrants, std::mt19937& random) {
  for (auto first = entrants.begin(); first != entrants.end();) {
    const auto last = std::find_if(first, entrants.end(), [first](const Entrant& entrant) {
      Case c = entrant.c;
      c.contestant = first->c.contestant;
      return c != first->c;
    });
    std::shuffle(first, last, random);
    first = last;
  }
}

/// Measures everything once for each round. Absent is who cannot take part, or failed: it is asked no more.
void measure_all(std::vector<Entrant> entrants, const Options& options, const std::vector<int>& cores,
                 std::map<std::string, std::string>& absent) {
  std::size_t done = 0;
  const std::size_t all = entrants.size() * static_cast<std::size_t>(options.rounds);
  const std::uint64_t start = now_ns();
  const char* comma = "";
  std::mt19937 random(std::random_device{}());
  std::printf("\"samples\": [\n");
  for (int round = 0; round < options.rounds; ++round) {
    shuffle_within_cases(entrants, random);
    for (const auto& [contestant, c] : entrants) {
      ++done;
      const double elapsed_s = static_cast<double>(now_ns() - start) / 1e9;
      const double left_s = elapsed_s / static_cast<double>(done) * static_cast<double>(all - done);
      show_progress(std::to_string(done) + " of " + std::to_string(all) + ", " + std::to_string(std::lround(left_s)) + " s left: " +
                    text_of(c));
      const std::string what = json_of(c);
      if (absent.contains(what)) continue;
      std::string why = contestant->absent(c);
      if (why.empty()) {
        const Outcome outcome = run(*contestant, c, cores);
        why = outcome.error;
        if (why.empty()) {
          std::printf("%s {\"round\": %d, %s%s}", comma, round, what.c_str(), json_of(outcome).c_str());
          std::fflush(stdout);
          comma = ",\n";
        }
      }
      if (!why.empty()) absent[what] = why;
    }
  }
  show_progress("");
  std::printf("],\n");
}

/// Of both sides while they are busy.
void print_system_calls(const std::vector<Entrant>& entrants, std::map<std::string, std::string>& absent) {
  std::printf("\"system_calls\": [\n");
  const char* comma = "";
  for (const auto& [contestant, c] : entrants) {
    const bool wanted = c.workload == Workload::throughput && c.size == 64 && c.queue == 1024 && c.wait == Wait::spin &&
                        c.place == Place::processes;
    if (!wanted || absent.contains(json_of(c)) || c.contestant.starts_with("limit") || c.contestant.starts_with("reference")) continue;
    show_progress("system calls: " + c.contestant);
    std::string why_not;
    const auto each = system_calls_per_message(text_of(c), why_not);
    if (!each) {
      absent["\"workload\": \"system calls\", \"contestant\": " + json_text(c.contestant) + ", \"size\": 64"] = why_not;
      continue;
    }
    std::printf("%s {%s, \"per_message\": %.3g}", comma, json_of(c).c_str(), *each);
    comma = ",\n";
  }
  show_progress("");
  std::printf("],\n");
}

void print_absent(const std::map<std::string, std::string>& absent) {
  std::printf("\"absent\": [\n");
  const char* comma = "";
  for (const auto& [what, why] : absent) {
    std::printf("%s {%s, \"why\": %s}", comma, what.c_str(), json_text(why).c_str());
    comma = ",\n";
  }
  std::printf("]}\n");
}

int main(int argc, char** argv) {
  const auto options = parse(argc, argv);
  if (!options) {
    std::fputs(kHelp, stderr);
    return 2;
  }
  const auto cores = two_cores();
  if (cores.empty()) {
    std::fputs("zipc_bench: it takes two cores\n", stderr);
    return 1;
  }
  Contestants contestants;
  add_all(contestants);
  const bool one = !options->exactly.empty();
  auto entrants = plan(contestants, {.quick = options->quick, .smoke = options->smoke});
  if (one) std::erase_if(entrants, [&](const Entrant& entrant) { return text_of(entrant.c) != options->exactly; });
  for (auto& entrant : entrants) entrant.c.count = options->count;
  if (!options->only.empty()) {
    const std::regex only(options->only);
    std::erase_if(entrants, [&](const Entrant& entrant) { return !std::regex_search(text_of(entrant.c), only); });
  }
  if (options->list) {
    for (const auto& entrant : entrants) std::puts(text_of(entrant.c).c_str());
    return 0;
  }
  print_machine(cores);
  print_contestants(contestants);
  std::map<std::string, std::string> absent;  // JSON of the case -> why
  measure_all(entrants, *options, cores, absent);
  if (one) return absent.empty() ? 0 : 1;
  if (!options->smoke) print_system_calls(entrants, absent);
  if (std::regex_search("control plane", std::regex(options->only))) print_control_plane(options->smoke, cores, absent);
  print_absent(absent);
  remove_leftovers();
  return 0;
}

}  // namespace
}  // namespace zipc::bench

int main(int argc, char** argv) { return zipc::bench::main(argc, argv); }
