#include "client/ctl/process.h"

#include <grp.h>
#include <pwd.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <sstream>
#include <string_view>

namespace zipc::ctl {
namespace {

std::string user_name(std::uint32_t uid) {
  const passwd* entry = getpwuid(uid);
  return entry == nullptr ? std::string() : std::string(entry->pw_name);
}

std::string with_number(const std::string& name, std::uint32_t number) {
  return name.empty() ? std::to_string(number) : name + " (" + std::to_string(number) + ")";
}

#ifdef __linux__

constexpr std::size_t kCommandLineMax = 120;      // characters that are shown of the arguments
constexpr std::int64_t kClockToleranceMs = 1000;  // between the kernel's clock ticks and the broker's clock

std::string printable(std::string_view text) {
  std::string clean;
  for (const char c : text) clean.push_back(c >= 0x20 && c < 0x7f ? c : '?');
  return clean;
}

std::string read_file(int pid, const char* name) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/" + name, std::ios::binary);
  std::string text(4096, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

/// The effective user: the second number of the line "Uid:". -1: unknown.
std::int64_t effective_uid(const std::string& status) {
  const std::size_t line = status.find("\nUid:");
  if (line == std::string::npos) return -1;
  std::istringstream numbers(status.substr(line + 5));
  std::int64_t real = -1;
  std::int64_t effective = -1;
  numbers >> real >> effective;
  return numbers ? effective : -1;
}

struct Stat {
  char state = '?';
  std::int64_t age_ms = -1;  ///< -1: unknown
};

/// "42 (any name) S 1 ...": the third field is the state, the 22nd the start, in clock ticks since the machine started.
Stat parse_stat(const std::string& text) {
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream fields(text.substr(name_end + 1));
  Stat stat;
  fields >> stat.state;
  std::int64_t value = 0;
  constexpr int kStartField = 22;
  for (int field = 4; field <= kStartField; ++field) fields >> value;
  if (!fields) return {};
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  stat.age_ms = now.tv_sec * 1000 + now.tv_nsec / 1'000'000 - value * 1000 / sysconf(_SC_CLK_TCK);
  return stat;
}

/// Arguments are separated by NUL bytes, and the last one has one too.
std::string command_line(std::string text) {
  while (!text.empty() && text.back() == '\0') text.pop_back();
  for (char& c : text) {
    if (c == '\0') c = ' ';
  }
  if (text.size() > kCommandLineMax) text = text.substr(0, kCommandLineMax) + "...";
  return printable(text);
}

void look_into_proc(const Holder& holder, ProcessFacts& facts) {
  constexpr std::uint32_t kUnknownUser = 0xffffffff;  // of a holder that an earlier zipcd had let in
  const bool is_known = holder.uid != kUnknownUser;
  if (is_known && effective_uid(read_file(holder.pid, "status")) != static_cast<std::int64_t>(holder.uid)) return;
  const Stat stat = parse_stat(read_file(holder.pid, "stat"));
  if (stat.age_ms < 0 || stat.age_ms + kClockToleranceMs < holder.held_ms) return;
  std::string name = read_file(holder.pid, "comm");
  if (!name.empty() && name.back() == '\n') name.pop_back();
  facts.program = printable(name);
  facts.command_line = command_line(read_file(holder.pid, "cmdline"));
  facts.stopped = stat.state == 'T' || stat.state == 't';
}

#endif

}  // namespace

ProcessFacts look_up(const Holder& holder) {
  ProcessFacts facts;
  facts.user = user_name(holder.uid);
#ifdef __linux__
  look_into_proc(holder, facts);
#endif
  return facts;
}

std::string user_text(std::uint32_t uid) { return with_number(user_name(uid), uid); }

std::string group_text(std::uint32_t gid) {
  const group* entry = getgrgid(gid);
  return with_number(entry == nullptr ? std::string() : std::string(entry->gr_name), gid);
}

}  // namespace zipc::ctl
