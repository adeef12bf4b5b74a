// Compiled, never run.
#include <signal.h>
#include <sys/socket.h>
#include <sys/ucred.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "daemon/peer.h"

namespace zipc {

Result<Client> peer_of(int socket) {
  Client client;
  socklen_t pid_size = sizeof client.pid;
  if (getpeereid(socket, &client.uid, &client.gid) != 0 ||
      getsockopt(socket, SOL_LOCAL, LOCAL_PEERPID, &client.pid, &pid_size) != 0) {
    return Failure{Error::system, std::string("cannot tell who connects: ") + std::strerror(errno)};
  }
  xucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(socket, SOL_LOCAL, LOCAL_PEERCRED, &credentials, &size) == 0) {
    const int count = std::clamp<int>(credentials.cr_ngroups, 0, NGROUPS);
    client.groups.assign(credentials.cr_groups, credentials.cr_groups + count);
  }
  return client;
}

bool process_is_gone(pid_t pid) noexcept { return kill(pid, 0) != 0 && errno == ESRCH; }

UniqueFd open_process(int, pid_t) noexcept { return {}; }

std::optional<ProcessEnd> how_ended(const Process&) noexcept { return std::nullopt; }

}  // namespace zipc
