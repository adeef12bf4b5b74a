// Open-file-description locks.
#include <fcntl.h>

#include <cerrno>
#include <cstring>

#include "common/segment_lock.h"

namespace zipc {
namespace {

constexpr off_t kLockBase = 0x7A69706300000000;  // "zipc", past the end of any file

struct flock lock_request(short type, LockKind kind) noexcept {
  struct flock request {};
  request.l_type = type;
  request.l_whence = SEEK_SET;
  request.l_start = kLockBase + static_cast<off_t>(kind);
  request.l_len = 1;
  return request;
}

}  // namespace

Result<LockHandle> try_lock(int segment_fd, const std::string& name, LockKind kind) {
  auto request = lock_request(F_WRLCK, kind);
  if (fcntl(segment_fd, F_OFD_SETLK, &request) == 0) return LockHandle{};
  if (errno == EAGAIN || errno == EACCES) return Failure{Error::busy, "the segment of " + name + " is locked"};
  return Failure{Error::system, "cannot lock the segment of " + name + ": " + std::strerror(errno)};
}

void unlock(int segment_fd, LockHandle&, LockKind kind) noexcept {
  auto request = lock_request(F_UNLCK, kind);
  fcntl(segment_fd, F_OFD_SETLK, &request);
}

bool is_locked(int segment_fd, const std::string&, LockKind kind) noexcept {
  auto request = lock_request(F_WRLCK, kind);
  return fcntl(segment_fd, F_OFD_GETLK, &request) == 0 && request.l_type != F_UNLCK;
}

}  // namespace zipc
