#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

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

}  // namespace zipc
