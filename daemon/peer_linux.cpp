#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "common/unique_fd.h"
#include "daemon/peer.h"

namespace zipc {
namespace {

/// The supplementary groups; none when the kernel does not tell them (before 4.13).
std::vector<gid_t> groups_of(int socket) {
  std::vector<gid_t> groups(32);
  while (true) {
    auto bytes = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    const int result = getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes);
    const bool too_short = result != 0 && errno == ERANGE && bytes > groups.size() * sizeof(gid_t);
    groups.resize(result == 0 || too_short ? bytes / sizeof(gid_t) : 0);
    if (!too_short) return groups;
  }
}

// Of <asm/socket.h> since Linux 6.5 and <linux/pidfd.h> since 6.13, and its exit code since 6.15: older headers lack
// them, and an older kernel answers with an error.
constexpr int kSoPeerPidfd = 77;
struct PidfdInfo {
  std::uint64_t mask = 0;  ///< what is asked for, and then what was filled in
  std::uint64_t cgroup = 0;
  std::array<std::uint32_t, 11> ids{};
  std::int32_t wait_status = 0;
};
static_assert(sizeof(PidfdInfo) == 64, "PIDFD_INFO_SIZE_VER0, which is part of the number of the call");
constexpr unsigned long kPidfdGetInfo = _IOWR(0xFF, 11, PidfdInfo);
constexpr std::uint64_t kPidfdInfoExit = 1u << 3;

ProcessEnd decode(int wait_status) noexcept {
  if (WIFSIGNALED(wait_status)) return {.by_signal = true, .number = WTERMSIG(wait_status)};
  return {.by_signal = false, .number = WEXITSTATUS(wait_status)};
}

/// Of a process whose parent has waited for it.
std::optional<ProcessEnd> end_of_reaped(int pidfd) noexcept {
  PidfdInfo info{.mask = kPidfdInfoExit};
  if (ioctl(pidfd, kPidfdGetInfo, &info) != 0 || (info.mask & kPidfdInfoExit) == 0) return std::nullopt;
  return decode(info.wait_status);
}

/// Of a process whose parent has not: the last field of its line in /proc, which is 0 as well if we may not know it.
std::optional<ProcessEnd> end_of_zombie(pid_t pid) noexcept {
  std::array<char, 1024> buffer;
  std::array<char, 32> path{"/proc/"};
  char* end = std::to_chars(path.data() + 6, path.data() + path.size() - 6, pid).ptr;
  std::memcpy(end, "/stat", 6);
  const UniqueFd file(open(path.data(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::nullopt;
  const ssize_t size = read(file.get(), buffer.data(), buffer.size());
  if (size <= 0) return std::nullopt;
  const std::string_view line(buffer.data(), static_cast<std::size_t>(size));
  const std::size_t name_end = line.rfind(") ");  // the name may contain anything
  if (name_end == std::string_view::npos || !line.substr(name_end + 2).starts_with("Z ")) return std::nullopt;
  const std::string_view last = line.substr(line.rfind(' ') + 1);
  int wait_status = 0;
  std::from_chars(last.data(), last.data() + last.size(), wait_status);
  if (wait_status == 0) return std::nullopt;
  return decode(wait_status);
}

bool is_reaped(int pidfd) noexcept {
  return syscall(SYS_pidfd_send_signal, pidfd, 0, nullptr, 0) != 0 && errno == ESRCH;
}

}  // namespace

Result<Client> peer_of(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return Failure{Error::system, std::string("cannot tell who connects: ") + std::strerror(errno)};
  }
  return Client{.pid = credentials.pid, .uid = credentials.uid, .gid = credentials.gid, .groups = groups_of(socket)};
}

bool process_is_gone(pid_t pid) noexcept {
  // Not kill(pid, 0), to which a process that has ended, and only waits for its parent, is still there.
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!process) return errno == ESRCH;
  pollfd ended{.fd = process.get(), .events = POLLIN, .revents = 0};
  return poll(&ended, 1, 0) == 1;
}

UniqueFd open_process(int socket, pid_t pid) noexcept {
  int fd = -1;
  socklen_t size = sizeof fd;
  if (getsockopt(socket, SOL_SOCKET, kSoPeerPidfd, &fd, &size) == 0) return UniqueFd(fd);
  if (errno != ENOPROTOOPT) return {};
  // Whoever has this number now. If that is somebody else, the one who connected has ended already, without a lease.
  return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

std::optional<ProcessEnd> how_ended(const Process& process) noexcept {
  if (const auto end = end_of_reaped(process.fd.get())) return end;
  const auto end = end_of_zombie(process.pid);
  // If it has been waited for meanwhile, the line may be another process's of the same number.
  return end && is_reaped(process.fd.get()) ? end_of_reaped(process.fd.get()) : end;
}

}  // namespace zipc
