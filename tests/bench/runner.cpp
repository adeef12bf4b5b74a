#include "runner.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <new>
#include <thread>

namespace zipc::bench {
namespace {

constexpr int kPatienceMs = 30'000;

double rss_kib() {
  std::ifstream file("/proc/self/statm");
  double total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1024;
}

void run_side(int side, const Case& c, const std::vector<int>& cores, Measurement& measurement) {
  const bool alone = c.place == Place::one_core;
  if (alone) pin(cores[0]);  // and so all that its ends start
  double before = NAN;
  measurement.run(side, [&] {
    if (alone) return;
    // Only now, and only this thread: those that a library has started may run on either core. Else they would share this one with a
    // thread that does not sleep.
    if (c.place != Place::unpinned) pin(cores[static_cast<std::size_t>(side)]);
    before = raw_round_trip_ns(side);
  });
  const double after = alone ? NAN : raw_round_trip_ns(side);
  (*arena)[side == 0 ? Value::sender_rss_kib : Value::receiver_rss_kib] = rss_kib();
  if (side != 0) return;
  (*arena)[Value::raw_before_ns] = before;
  (*arena)[Value::raw_after_ns] = after;
}

/// What a contestant's library prints is none of the table.
void be_quiet() {
  const int null = open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 3; ++fd) dup2(null, fd);
}

sigset_t child_ended() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  return set;
}

pid_t start(const std::vector<int>& sides, const Case& c, const std::vector<int>& cores, Measurement& measurement) {
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  const sigset_t ended = child_ended();
  sigprocmask(SIG_UNBLOCK, &ended, nullptr);
  be_quiet();
  if (sides.size() == 1) {
    run_side(sides[0], c, cores, measurement);
  } else {
    std::thread other([&] { run_side(1, c, cores, measurement); });
    run_side(0, c, cores, measurement);
    other.join();
  }
  std::exit(0);  // iceoryx takes its leave in a destructor; those of ours know that this is not their process
}

/// Waits for all, and ends all when one fails or time is up. Empty: all went well.
std::string wait_for(std::vector<pid_t> pids) {
  std::string error;
  const sigset_t ended = child_ended();
  const std::uint64_t deadline_ns = now_ns() + kPatienceMs * std::uint64_t{1'000'000};
  while (!pids.empty()) {
    for (auto pid = pids.begin(); pid != pids.end();) {
      int status = 0;
      if (waitpid(*pid, &status, WNOHANG) <= 0) {
        ++pid;
        continue;
      }
      pid = pids.erase(pid);
      if (status == 0 || !error.empty()) continue;
      error = arena->error[0] != 0 ? arena->error : "a side ended with wait status " + std::to_string(status);
      for (const pid_t other : pids) kill(other, SIGKILL);
    }
    if (pids.empty()) break;
    if (error.empty() && now_ns() > deadline_ns) {
      error = "did not finish within half a minute";
      for (const pid_t pid : pids) kill(pid, SIGKILL);
    }
    const timespec second{1, 0};
    sigtimedwait(&ended, nullptr, &second);  // and not by polling, which would be counted as system calls
  }
  return error;
}

}  // namespace

double raw_round_trip_ns(int side) {
  constexpr std::uint64_t kBlocks = 7, kTimes = 1000;
  double blocks[kBlocks];
  std::uint64_t number = arena->there.value;  // the same on both sides: nobody writes before they meet
  arena->meet();
  for (double& block : blocks) {
    const std::uint64_t start = now_ns();
    for (std::uint64_t end = number + kTimes; number < end;) {
      ++number;
      if (side == 0) {
        arena->there.value.store(number, std::memory_order_release);
        spin_until([&] { return arena->back.value.load(std::memory_order_acquire) == number; });
      } else {
        spin_until([&] { return arena->there.value.load(std::memory_order_acquire) == number; });
        arena->back.value.store(number, std::memory_order_release);
      }
    }
    block = static_cast<double>(now_ns() - start) / kTimes;
  }
  std::nth_element(blocks, blocks + kBlocks / 2, blocks + kBlocks);
  return blocks[kBlocks / 2];
}

const char* class_of(double raw_ns) { return raw_ns < 80 ? "fast" : raw_ns < 250 ? "middle" : "slow"; }

void pin(int core, pid_t pid) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(core), &set);
  if (sched_setaffinity(pid, sizeof set, &set) != 0) give_up("sched_setaffinity", std::strerror(errno));
}

std::vector<int> two_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return {};
  std::vector<int> found;
  std::string siblings;
  for (int i = 0; i < CPU_SETSIZE && found.size() < 2; ++i) {
    if (!CPU_ISSET(static_cast<unsigned>(i), &set)) continue;
    std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(i) + "/topology/thread_siblings_list");
    std::string mine;
    file >> mine;
    if (!found.empty() && !mine.empty() && mine == siblings) continue;
    siblings = mine;
    found.push_back(i);
  }
  return found.size() == 2 ? found : std::vector<int>{};
}

Outcome run(const Contestant& contestant, const Case& c, const std::vector<int>& cores) {
  Outcome outcome;
  void* const memory = mmap(nullptr, sizeof(Arena), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  arena = new (memory) Arena;
  std::fill(std::begin(arena->values), std::end(arena->values), NAN);
  shares_core = c.place == Place::one_core || c.place == Place::unpinned;
  const auto measurement = contestant.prepare(c);
  const sigset_t ended = child_ended();
  sigprocmask(SIG_BLOCK, &ended, nullptr);
  std::vector<pid_t> pids;
  if (c.place == Place::threads) pids = {start({0, 1}, c, cores, *measurement)};
  else pids = {start({0}, c, cores, *measurement), start({1}, c, cores, *measurement)};
  outcome.error = wait_for(pids);
  std::copy(std::begin(arena->values), std::end(arena->values), outcome.values);
  if (!std::isnan(outcome[Value::p999_ns])) {
    outcome.quantiles_ns.assign(std::begin(arena->quantiles_ns), std::end(arena->quantiles_ns));
  }
  munmap(memory, sizeof(Arena));
  return outcome;
}

std::string unique_name() {
  static int number = 0;
  return "zb." + std::to_string(getpid()) + "." + std::to_string(number++);
}

}  // namespace zipc::bench
