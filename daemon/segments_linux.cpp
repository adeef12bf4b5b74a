#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "common/name.h"
#include "daemon/segments.h"

namespace zipc::platform {

bool copy_header(int fd, void* bytes, std::size_t size) noexcept {
  ssize_t copied = 0;
  do {
    copied = pread(fd, bytes, size, 0);
  } while (copied < 0 && errno == EINTR);
  return copied == static_cast<ssize_t>(size);
}

bool write_header_word(int fd, std::size_t offset, std::uint32_t value) noexcept {
  return pwrite(fd, &value, sizeof value, static_cast<off_t>(offset)) == sizeof value;
}

bool allocate(int fd, std::uint64_t size) noexcept {
  int error = 0;
  do {
    error = posix_fallocate(fd, 0, static_cast<off_t>(size));
  } while (error == EINTR);
  return error == 0;
}

std::vector<std::string> segment_names() {
  std::vector<std::string> names;
  const auto close = [](DIR* folder) { closedir(folder); };
  const std::unique_ptr<DIR, decltype(close)> folder(opendir("/dev/shm"), close);
  if (!folder) return names;
  while (const dirent* entry = readdir(folder.get())) {
    std::string name = std::string("/").append(entry->d_name);
    if (check_name(name)) names.push_back(std::move(name));
  }
  return names;
}

bool is_open_elsewhere(int fd) noexcept {
  // The kernel grants a write lease on a file only while nobody else has it open, and a mapping counts as open. It may
  // refuse for other reasons too; then somebody may be there. The lease goes with the return: who opens the file in
  // between waits that long, and the signal that we get for it (SIGIO) is ignored.
  const bool alone = fcntl(fd, F_SETLEASE, F_WRLCK) == 0;
  if (alone) fcntl(fd, F_SETLEASE, F_UNLCK);
  return !alone;
}

}  // namespace zipc::platform
