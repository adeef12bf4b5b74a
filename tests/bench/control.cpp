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

struct Times {
  double acquire_ns, socket_ns, ratio;  // of the two
  double least_ratio;                   // of the bare broker to the raw round trip
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

/// p50 of taking a role, which maps the channel, and giving it back, of so many channels in turns; of a raw round trip; and of the
/// least that a role takes.
void take_roles(const std::string& socket, int channels, int rounds, Pinned where, const std::string& name, Times& result) {
  setenv("ZIPC_SOCKET", socket.c_str(), 1);
  setenv("ZIPC_BROKER", "require", 1);
  Echo echo(where.server);
  BareBroker bare(where.server, name);
  pin(where.client);
  std::vector<double> acquire, raw, ratio, least_ratio;
  for (int round = 0; round < rounds; ++round) {
    const auto sockets = times_of(100, [&](int) { echo.ask(); });
    const auto roles = times_of(100, [&](int i) {
      const std::string name = "/zb.c" + std::to_string((round * 100 + i) % channels);
      ZipcContext sender = zipc_open_sender(name.c_str());
      if (sender.queue == nullptr) std::_Exit(1);
      zipc_destroy(&sender);
    });
    const auto least = times_of(100, [&](int i) { bare.take_role(i); });
    raw.push_back(median(sockets));
    acquire.push_back(median(roles));
    ratio.push_back(acquire.back() / raw.back());
    least_ratio.push_back(median(least) / raw.back());
  }
  result = {median(acquire), median(raw), median(ratio), median(least_ratio)};
}

/// In a process of its own, so that this one never talks to a broker.
bool take_roles_apart(const std::string& socket, int channels, int rounds, Pinned where, Times& result) {
  auto* shared = static_cast<Times*>(mmap(nullptr, sizeof(Times), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const std::string name = unique_name();  // whose files are removed at the end, whatever happens
  const pid_t pid = fork();
  if (pid == 0) {
    take_roles(socket, channels, rounds, where, name, *shared);
    _exit(0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  result = *shared;
  munmap(shared, sizeof(Times));
  return status == 0;
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
  const int few = 10, many = smoke ? 100 : 10'000, rounds = smoke ? 2 : 20;
  std::vector<Finding> found;
  double on_one_core[2];  // taking a role, in raw round trips: the machine's speed changes between the two
  double rss_kib[2];
  for (const int channels : {few, many}) {
    const int which = channels == few ? 0 : 1;
    const std::string with = " with " + std::to_string(channels) + " channels";
    const std::string config = Service::folder() + "/control.yaml", socket = Service::folder() + "/control.sock";
    write_config(config, channels);
    Service zipcd(ZIPCD);
    const std::uint64_t start = now_ns();
    why_not = zipcd.start({"--config", config, "--socket", socket}, "listening");
    if (!why_not.empty()) return {};
    found.push_back({"zipcd starts" + with, static_cast<double>(now_ns() - start), "ns"});
    const std::string status = "/proc/" + std::to_string(zipcd.pid()) + "/status";
    rss_kib[which] = status_of(status, "VmRSS:");
    found.push_back({"zipcd's RSS" + with, rss_kib[which], "KiB"});

    if (channels == many) {
      // What follows the start counts as start. That a process has fallen asleep for the first time is told to nobody: looked for.
      double before = -1;
      while (before != wakeups_of(zipcd.pid())) {
        before = wakeups_of(zipcd.pid());
        usleep(100'000);
      }
      const int seconds = smoke ? 1 : 10;
      sleep(static_cast<unsigned>(seconds));
      const double wakeups = wakeups_of(zipcd.pid()) - before;
      found.push_back({"zipcd's wake-ups in " + std::to_string(seconds) + " s, idle" + with, wakeups, "", "0", wakeups == 0});
    }
    // What more channels cost by themselves, and what it costs to take one that has not been used for long. Where the scheduler
    // has put zipcd and who answers the raw round trip decides about both, and not in the same way: so they are put there.
    Times others{};
    bool is_measured = true;
    for (const int server : {cores[1], cores[0]}) {
      const Pinned where{.client = cores[0], .server = server};
      const std::string on = server == cores[0] ? " on one core" : " on two cores";
      pin(server, zipcd.pid());
      Times taken{};
      is_measured = is_measured && take_roles_apart(socket, few, rounds, where, taken);
      on_one_core[which] = taken.ratio;  // the last
      if (server == cores[0] && channels == many) {
        is_measured = is_measured && take_roles_apart(socket, channels, rounds, where, others);
      }
      found.push_back({"a raw round trip over a Unix socket" + on, taken.socket_ns, "ns"});
      found.push_back({"take a role, map, give it back" + on + "," + with, taken.acquire_ns, "ns"});
      found.push_back({"that against the raw round trip" + on + "," + with, taken.ratio, "x", "<= 6x", taken.ratio <= 6});
      found.push_back({"the least: the system calls it cannot do without, against the raw round trip" + on, taken.least_ratio, "x"});
      found.push_back({"roles a second, taken and given back" + on + "," + with, 1e9 / taken.acquire_ns, ""});
    }
    if (!is_measured) {
      why_not = "a role could not be taken";
      end(zipcd, channels);
      return {};
    }
    if (channels == many) {
      found.push_back({"take the role of another channel each time on one core," + with, others.acquire_ns, "ns"});
    }
    write_config(config, channels + 1);
    const std::uint64_t reload = now_ns();
    kill(zipcd.pid(), SIGHUP);
    if (zipcd.await("configuration reloaded")) {
      found.push_back({"reload that adds one channel," + with, static_cast<double>(now_ns() - reload), "ns"});
    }
    end(zipcd, channels);
  }
  const double growth = on_one_core[1] / on_one_core[0];  // which idle processors do not blur
  const std::string against = " with " + std::to_string(many) + " channels against " + std::to_string(few);
  found.push_back({"taking a role" + against, growth, "x", "<= 1.2x", growth <= 1.2});
  const double each = (rss_kib[1] - rss_kib[0]) / (many - few);
  found.push_back({"zipcd's RSS for each further channel", each, "KiB", "<= 4 KiB", each <= 4});
  return found;
#endif
}

}  // namespace zipc::bench
