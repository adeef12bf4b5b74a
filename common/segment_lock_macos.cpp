// flock() of a file beside the segment: shared memory objects of macOS cannot be locked. Compiled, never run.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "common/segment_lock.h"

namespace zipc {
namespace {

/// The segment's owner is part of the path: another user's locks are other files.
std::string lock_path(int segment_fd, const std::string& name, LockKind kind) {
  constexpr const char* kSuffixes[] = {".sender", ".receiver", ".set-up"};
  struct stat status {};
  fstat(segment_fd, &status);
  return "/tmp/zipc." + std::to_string(status.st_uid) + "." + name.substr(1) + kSuffixes[static_cast<int>(kind)];
}

}  // namespace

Result<LockHandle> try_lock(int segment_fd, const std::string& name, LockKind kind) {
  const std::string path = lock_path(segment_fd, name, kind);
  UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return Failure{Error::system, "cannot open the lock file " + path + ": " + std::strerror(errno)};
  if (flock(file.get(), LOCK_EX | LOCK_NB) == 0) return file;
  if (errno == EWOULDBLOCK) return Failure{Error::busy, "the segment of " + name + " is locked"};
  return Failure{Error::system, "cannot lock " + path + ": " + std::strerror(errno)};
}

void unlock(int, LockHandle& handle, LockKind) noexcept { handle.reset(); }

bool is_locked(int segment_fd, const std::string& name, LockKind kind) noexcept {
  UniqueFd file(open(lock_path(segment_fd, name, kind).c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  return file && flock(file.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

}  // namespace zipc
