// launchd passes sockets by name and wants no other word. Compiled, never run.
#include <launch.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "daemon/service.h"

namespace zipc::service {
namespace {

constexpr const char* kSocketName = "zipcd";  // the key under Sockets in the property list

}  // namespace

Result<UniqueFd> inherited_socket() {
  int* fds = nullptr;
  std::size_t count = 0;
  const int error = launch_activate_socket(kSocketName, &fds, &count);
  const std::unique_ptr<int, decltype(&std::free)> owner(fds, &std::free);
  if (error == ESRCH || error == ENOENT) return UniqueFd();  // not started by launchd, or without a socket
  if (error != 0)
    return Failure{Error::system, std::string("launchd does not pass the socket: ") + std::strerror(error)};
  UniqueFd socket(count > 0 ? fds[0] : -1);
  for (std::size_t i = 1; i < count; ++i) UniqueFd(fds[i]).reset();
  if (count > 1) return Failure{Error::invalid_argument, "launchd passes several sockets; one is expected"};
  return socket;
}

void ready() {}
void reloading() {}
void stopping() {}
void status(const std::string&) {}

}  // namespace zipc::service
