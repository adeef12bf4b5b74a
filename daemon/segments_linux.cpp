#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>

#include "common/name.h"
#include "daemon/segments.h"

namespace zipc::platform {
namespace {

const std::string kFolder = "/dev/shm";

}  // namespace

std::optional<std::uint64_t> capacity() noexcept {
  struct statvfs status {};
  if (statvfs(kFolder.c_str(), &status) != 0 || status.f_blocks == 0) return std::nullopt;  // 0: a tmpfs without a limit
  return static_cast<std::uint64_t>(status.f_blocks) * status.f_frsize;
}

std::vector<std::string> files() {
  std::vector<std::string> names;
  const auto close = [](DIR* folder) { closedir(folder); };
  const std::unique_ptr<DIR, decltype(close)> folder(opendir(kFolder.c_str()), close);
  if (!folder) return names;
  while (const dirent* entry = readdir(folder.get())) names.push_back(std::string("/").append(entry->d_name));
  return names;
}

bool read_at(int fd, std::uint64_t offset, void* bytes, std::size_t size) noexcept {
  for (std::size_t done = 0; done < size;) {
    const ssize_t count = pread(fd, static_cast<std::byte*>(bytes) + done, size - done, static_cast<off_t>(offset + done));
    if (count == 0 || (count < 0 && errno != EINTR)) return false;
    if (count > 0) done += static_cast<std::size_t>(count);
  }
  return true;
}

bool write_at(int fd, std::uint64_t offset, const void* bytes, std::size_t size) noexcept {
  for (std::size_t done = 0; done < size;) {
    const ssize_t count =
        pwrite(fd, static_cast<const std::byte*>(bytes) + done, size - done, static_cast<off_t>(offset + done));
    if (count == 0 || (count < 0 && errno != EINTR)) return false;
    if (count > 0) done += static_cast<std::size_t>(count);
  }
  return true;
}

bool copy_header(int fd, void* bytes, std::size_t size) noexcept { return read_at(fd, 0, bytes, size); }

bool write_header_word(int fd, std::size_t offset, std::uint32_t value) noexcept {
  return write_at(fd, offset, &value, sizeof value);
}

bool change_bits(int fd, std::uint64_t offset, std::uint32_t set, std::uint32_t clear) noexcept {
  // By the kernel: it does it at once, and where a client has cut the file short it answers EFAULT, not with SIGBUS.
  const auto mapping = Mapping::map(fd, offset + sizeof set);
  if (!mapping) return false;
  const std::byte* word = static_cast<const std::byte*>(mapping->address()) + offset;
  const auto change = [&](unsigned operation, std::uint32_t bits) {
    for (unsigned bit = 32; bit-- > 0;) {
      if ((bits >> bit & 1) == 0) continue;
      const unsigned encoded = (FUTEX_OP_OPARG_SHIFT | operation) << 28 | bit << 12;
      if (syscall(SYS_futex, word, FUTEX_WAKE_OP, 0, 0, word, encoded) < 0) return false;
    }
    return true;
  };
  return change(FUTEX_OP_OR, set) && change(FUTEX_OP_ANDN, clear);
}

Result<void> rename_new(const std::string& from, const std::string& to) {
  const std::string paths[] = {kFolder + from, kFolder + to};
  if (syscall(SYS_renameat2, AT_FDCWD, paths[0].c_str(), AT_FDCWD, paths[1].c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno == EEXIST) return Failure{Error::channel_exists, "a segment " + to + " exists"};
  return Failure{Error::system, "cannot rename " + paths[0] + " to " + paths[1] + ": " + std::strerror(errno)};
}

Result<void> exchange(const std::string& one, const std::string& other) {
  const std::string paths[] = {kFolder + one, kFolder + other};
  if (syscall(SYS_renameat2, AT_FDCWD, paths[0].c_str(), AT_FDCWD, paths[1].c_str(), RENAME_EXCHANGE) == 0) return {};
  return Failure{Error::system, "cannot swap " + paths[0] + " and " + paths[1] + ": " + std::strerror(errno)};
}

bool allocate(int fd, std::uint64_t size) noexcept {
  int error = 0;
  do {
    error = posix_fallocate(fd, 0, static_cast<off_t>(size));
  } while (error == EINTR);
  return error == 0;
}

std::vector<std::string> segment_names() {
  std::vector<std::string> names = files();
  std::erase_if(names, [](const std::string& name) { return !check_name(name); });
  return names;
}

std::vector<FormerName> former_names() {
  std::vector<FormerName> formers;
  for (const std::string& file : files()) {
    if (auto former = parse_former_name(file)) formers.push_back(std::move(*former));
  }
  return formers;
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
