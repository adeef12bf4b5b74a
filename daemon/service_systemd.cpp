#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include <chrono>
#include <cstring>

#include "daemon/service.h"

namespace zipc::service {

Result<UniqueFd> inherited_socket() {
  const int count = sd_listen_fds(1);  // 1: what we start does not inherit the variables
  if (count == 0) return UniqueFd();
  if (count < 0) return Failure{Error::system, std::string("cannot take over the socket: ") + std::strerror(-count)};
  if (count > 1) {
    return Failure{Error::invalid_argument,
                   "the service manager passes " + std::to_string(count) + " sockets; one is expected"};
  }
  UniqueFd socket(SD_LISTEN_FDS_START);
  if (sd_is_socket_unix(socket.get(), SOCK_STREAM, 1, nullptr, 0) > 0) return socket;
  return Failure{Error::invalid_argument,
                 "the service manager passes something that is not a listening Unix stream socket"};
}

void ready() { sd_notify(0, "READY=1"); }

void reloading() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const auto now_us = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", static_cast<long long>(now_us));
}

void stopping() { sd_notify(0, "STOPPING=1"); }

void status(const std::string& text) { sd_notify(0, ("STATUS=" + text).c_str()); }

}  // namespace zipc::service
