#include "control.h"

#include <dirent.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zipc.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "arena.h"
#include "bare_broker.h"
#include "contestant.h"
#include "runner.h"
#include "service.h"

namespace zipc::bench {
namespace {

/// A number from /proc/PID/status, e.g. of "VmRSS:".
double status_of(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string word; file >> word;) {
    double value = 0;
    if (word == key && file >> value) return value;
  }
  return 0;
}

/// Sleeps of all threads so far: each ends with a wake-up.
double wakeups_of(pid_t pid) {
  double sum = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
    sum += status_of(task.path().string() + "/status", "voluntary_ctxt_switches:");
  }
  return sum;
}

constexpr int kRoundsMost = 20, kTimes = 100;  // roles taken in a round

/// Each the median of a round.
struct Round {
  double acquire_ns, socket_ns, least_ns;  // of a role; of a raw round trip; of the bare broker
};
struct Rounds {
  Round rounds[kRoundsMost];
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

/// Request and answer, 100 bytes each, over a socket to a process that does nothing else.
class Echo {
 public:
  explicit Echo(int core) {
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds_) != 0) return;
    pid_ = fork();
    if (pid_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin(core);
    close(fds_[0]);
    char bytes[100];
    while (true) {
      const ssize_t n = read(fds_[1], bytes, sizeof bytes);
      if (n <= 0 || write(fds_[1], bytes, static_cast<std::size_t>(n)) != n) _exit(0);
    }
  }
  ~Echo() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    close(fds_[0]);
    close(fds_[1]);
  }
  Echo(const Echo&) = delete;
  void ask() {
    char bytes[100] = {};
    if (write(fds_[0], bytes, sizeof bytes) < 0 || read(fds_[0], bytes, sizeof bytes) < 0) std::perror("echo");
  }

 private:
  int fds_[2] = {-1, -1};
  pid_t pid_ = -1;
};

template <typename F>
std::vector<double> times_of(int count, F f) {
  std::vector<double> times;
  for (int i = 0; i < count; ++i) {
    const std::uint64_t start = now_ns();
    f(i);
    times.push_back(static_cast<double>(now_ns() - start));
  }
  return times;
}

/// Where client and server run: zipcd, and who answers the raw round trip.
struct Pinned {
  int client, server;
};

/// Which roles are taken: of `count` channels in turns, from number `first` on.
struct Channels {
  int first, count;
  [[nodiscard]] int turn(int number) const { return (first + number) % count; }
};

/// Takes a role, which maps the channel, and gives it back; and by turns a raw round trip, and the least that a role takes.
void take_roles(const std::string& socket, Channels channels, int rounds, Pinned where, const std::string& name, Rounds& result) {
  setenv("ZIPC_SOCKET", socket.c_str(), 1);
  setenv("ZIPC_BROKER", "require", 1);
  Echo echo(where.server);
  BareBroker bare(where.server, name, channels.count);
  pin(where.client);
  for (int round = 0; round < rounds; ++round) {
    const auto sockets = times_of(kTimes, [&](int) { echo.ask(); });
    const auto roles = times_of(kTimes, [&](int i) {
      const std::string channel = "/zb.c" + std::to_string(channels.turn(round * kTimes + i));
      ZipcContext sender = zipc_open_sender(channel.c_str());
      if (sender.queue == nullptr) std::_Exit(1);
      zipc_destroy(&sender);
    });
    const auto least = times_of(kTimes, [&](int i) { bare.take_role(channels.turn(round * kTimes + i)); });
    result.rounds[round] = {median(roles), median(sockets), median(least)};
  }
}

/// In a process of its own, so that this one never talks to a broker. Empty: a role could not be taken.
std::vector<Round> take_roles_apart(const std::string& socket, Channels channels, int rounds, Pinned where) {
  auto* shared = static_cast<Rounds*>(mmap(nullptr, sizeof(Rounds), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const std::string name = unique_name();  // whose files are removed at the end, whatever happens
  const pid_t pid = fork();
  if (pid == 0) {
    take_roles(socket, channels, rounds, where, name, *shared);
    _exit(0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  std::vector<Round> result;
  if (status == 0) result.assign(shared->rounds, shared->rounds + rounds);
  munmap(shared, sizeof(Rounds));
  return result;
}

template <typename F>
std::vector<double> each(const std::vector<Round>& rounds, F f) {
  std::vector<double> values;
  for (const Round& round : rounds) values.push_back(f(round));
  return values;
}

void write_config(const std::string& path, int channels) {
  std::ofstream file(path);
  file << "limits: {channels: " << channels + 16 << ", total_size: 4GiB}\nchannels:\n";
  for (int i = 0; i < channels; ++i) file << "  - {name: /zb.c" << i << ", queue_size: 2, message_size: 8}\n";
}

/// Ends with the configuration's channels removed.
void end(Service& zipcd, int channels) {
  zipcd.stop();
  for (int i = 0; i <= channels; ++i) shm_unlink(("/zb.c" + std::to_string(i)).c_str());
}

}  // namespace

std::vector<Finding> measure_control_plane(bool smoke, const std::vector<int>& cores, std::string& why_not) {
#ifndef ZIPCD
  static_cast<void>(smoke), static_cast<void>(cores);
  why_not = "zipcd was not built";
  return {};
#else
  const int few = 10, many = smoke ? 100 : 10'000, rounds = smoke ? 2 : kRoundsMost;
  std::vector<Finding> found;
  for (const int channels : {few, many}) {
    const auto add = [&](std::string what, std::string unit, std::vector<double> values, std::string where = {}) {
      found.push_back({std::move(what), std::move(unit), channels, std::move(where), std::move(values)});
    };
    const std::string config = Service::folder() + "/control.yaml", socket = Service::folder() + "/control.sock";
    write_config(config, channels);
    Service zipcd(ZIPCD);
    const std::uint64_t start = now_ns();
    why_not = zipcd.start({"--config", config, "--socket", socket}, "listening");
    if (!why_not.empty()) return {};
    add("zipcd starts", "ns", {static_cast<double>(now_ns() - start)});
    add("zipcd's RSS", "KiB", {status_of("/proc/" + std::to_string(zipcd.pid()) + "/status", "VmRSS:")});

    if (channels == many) {
      // What follows the start counts as start. That a process has fallen asleep for the first time is told to nobody: looked for.
      double before = -1;
      while (before != wakeups_of(zipcd.pid())) {
        before = wakeups_of(zipcd.pid());
        usleep(100'000);
      }
      const int seconds = smoke ? 1 : 10;
      sleep(static_cast<unsigned>(seconds));
      add("zipcd's wake-ups in " + std::to_string(seconds) + " s, idle", "", {wakeups_of(zipcd.pid()) - before});
    }
    // Where the scheduler has put zipcd and who answers the raw round trip decides about both, and not in the same way: so they are
    // put there.
    int next = 0;  // of the channels, as long as there are enough, that have never been taken
    for (const int server : {cores[1], cores[0]}) {
      const Pinned pinned{.client = cores[0], .server = server};
      const std::string where = server == cores[0] ? "one core" : "two cores";
      pin(server, zipcd.pid());
      const auto measure = [&](const std::string& which, int first) {
        const auto taken = take_roles_apart(socket, {first, channels}, rounds, pinned);
        const auto acquire_ns = [](const Round& r) { return r.acquire_ns; };
        const auto in_round_trips = [](const Round& r) { return r.acquire_ns / r.socket_ns; };
        add("role taken and given back, " + which, "ns", each(taken, acquire_ns), where);
        add("role taken and given back, in raw round trips, " + which, "x", each(taken, in_round_trips), where);
        return taken;
      };
      // Who takes a role of a channel for the first time has zipcd watch it.
      const auto first_time = channels == few ? std::vector<Round>{} : measure("of channels that were never taken", next);
      const auto others = measure("another channel each time", next);
      if (others.empty() || (channels != few && first_time.empty())) {
        why_not = "a role could not be taken";
        end(zipcd, channels);
        return {};
      }
      next += rounds * kTimes;
      add("raw round trip over a Unix socket", "ns", each(others, [](const Round& r) { return r.socket_ns; }), where);
      add("the least that a role takes, the system calls it cannot do without, in raw round trips", "x",
          each(others, [](const Round& r) { return r.least_ns / r.socket_ns; }), where);
    }
    write_config(config, channels + 1);
    const std::uint64_t reload = now_ns();
    kill(zipcd.pid(), SIGHUP);
    if (zipcd.await("configuration reloaded")) add("reload that adds one channel", "ns", {static_cast<double>(now_ns() - reload)});
    end(zipcd, channels);
  }
  return found;
#endif
}

}  // namespace zipc::bench
