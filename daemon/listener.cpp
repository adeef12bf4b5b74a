#include "daemon/listener.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace zipc {
namespace {

Failure from_errno(const std::string& what) { return {Error::system, what + ": " + std::strerror(errno)}; }

sockaddr_un address_of(const std::string& path) noexcept {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

UniqueFd new_socket() {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM, 0));
  if (fd) fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
  return fd;
}

Result<UniqueFd> lock(const std::string& path) {
  const std::string lock_path = path + ".lock";
  UniqueFd fd(open(lock_path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) {
    const bool is_denied = errno == EACCES;
    Failure failure = from_errno("cannot open the lock file " + lock_path);
    if (is_denied) failure.message += "; --socket PATH listens elsewhere, where this user may make files";
    return failure;
  }
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno != EWOULDBLOCK) return from_errno("cannot lock " + lock_path);
  return Failure{Error::busy, "another zipcd runs on the socket " + path + ": it holds " + lock_path};
}

/// Removes a socket that nobody listens at.
Result<void> remove_stale(const std::string& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return from_errno("cannot look at " + path);
  }
  if (!S_ISSOCK(status.st_mode)) return Failure{Error::system, path + " exists and is not a socket; it is left alone"};
  const UniqueFd probe = new_socket();
  if (!probe) return from_errno("cannot make a socket");
  const sockaddr_un address = address_of(path);
  if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return Failure{Error::busy, "somebody listens at the socket " + path + " already"};
  }
  if (errno != ECONNREFUSED) return from_errno("cannot tell whether anybody listens at " + path);
  if (unlink(path.c_str()) != 0) return from_errno("cannot remove the stale socket " + path);
  return {};
}

/// Binds without giving anybody access, who is then given it by mode and group, before anybody can connect.
Result<void> bind_closed(int socket, const std::string& path) {
  const sockaddr_un address = address_of(path);
  const mode_t umask_before = umask(0777);
  const int result = ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int error = errno;
  umask(umask_before);
  errno = error;
  if (result != 0) return from_errno("cannot bind the socket " + path);
  return {};
}

}  // namespace

std::string canonical_socket_path(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error);
  if (error) return path;
  const fs::path folder = fs::weakly_canonical(absolute.parent_path(), error);
  return ((error ? absolute.parent_path() : folder) / absolute.filename()).string();
}

Result<Listener> Listener::bind(const std::string& path, std::uint32_t mode, std::optional<gid_t> group) {
  if (path.size() >= sizeof sockaddr_un{}.sun_path) {
    return Failure{Error::invalid_argument, "the socket path " + path + " is longer than " +
                                                std::to_string(sizeof sockaddr_un{}.sun_path - 1) + " bytes"};
  }
  auto held = lock(path);
  if (!held) return held.failure();
  if (auto removed = remove_stale(path); !removed) return removed.failure();
  UniqueFd socket = new_socket();
  if (!socket) return from_errno("cannot make a socket");
  if (auto bound = bind_closed(socket.get(), path); !bound) return bound.failure();
  Listener listener;  // from here on, it removes the socket when something fails
  listener.path_ = path;
  listener.lock_ = std::move(*held);
  if (auto opened = listener.open_to(mode, group); !opened) return opened.failure();
  if (listen(socket.get(), SOMAXCONN) != 0) return from_errno("cannot listen at " + path);
  listener.socket_ = std::move(socket);
  return listener;
}

Result<void> Listener::open_to(std::uint32_t mode, std::optional<gid_t> group) const {
  if (group && chown(path_.c_str(), static_cast<uid_t>(-1), *group) != 0) {
    return from_errno("cannot give the socket " + path_ + " to group " + std::to_string(*group));
  }
  if (chmod(path_.c_str(), static_cast<mode_t>(mode)) != 0)
    return from_errno("cannot set the mode of the socket " + path_);
  return {};
}

Listener Listener::adopt(UniqueFd socket) {
  Listener listener;
  sockaddr_un address{};
  socklen_t size = sizeof address;
  if (getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0 && address.sun_path[0] == '/') {
    listener.path_ =
        canonical_socket_path(std::string(address.sun_path, strnlen(address.sun_path, sizeof address.sun_path)));
  }
  listener.socket_ = std::move(socket);
  return listener;
}

Listener::~Listener() {
  if (lock_) unlink(path_.c_str());
}

}  // namespace zipc
