#include "client/ctl/output.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "client/ctl/complaint.h"
#include "client/ctl/interruption.h"

namespace zipc::ctl {
namespace {

/// The permissions that the file at `path` has, or that a new one would get.
mode_t permissions_for(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) == 0) return status.st_mode & 0777;
  const mode_t mask = umask(0);
  umask(mask);
  return 0666 & ~mask;
}

bool is_device_or_pipe(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

}  // namespace

Result<Output> Output::open(const std::string& path, Kind kind) {
  if (path.empty() || path == "-") return Output(STDOUT_FILENO, "standard output", {});
  if (std::error_code ignored; std::filesystem::is_directory(path, ignored)) {
    return system_failure("write", path, EISDIR);
  }
  if (kind == Kind::replaced_when_complete && !is_device_or_pipe(path)) return open_temporary(path);
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return system_failure("open", path, errno);
  return Output(fd, path, {});
}

Result<Output> Output::open_temporary(const std::string& path) {
  std::error_code unresolved;
  auto target = std::filesystem::canonical(path, unresolved);  // replaces the file, not a link to it
  if (unresolved) target = path;
  std::string temporary = (target.parent_path() / ".zipcctl.XXXXXX").string();
  const int fd = mkstemp(temporary.data());
  if (fd < 0) return system_failure("create a temporary file beside", path, errno);
  fchmod(fd, permissions_for(target.string()));
  return Output(fd, target.string(), std::move(temporary));
}

Output::Output(int fd, std::string path, std::string temporary)
    : fd_(fd), path_(std::move(path)), temporary_(std::move(temporary)) {}

Output::Output(Output&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, std::string())) {}

Output::~Output() {
  if (fd_ > STDERR_FILENO) close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

bool Output::is_standard_output() const noexcept { return fd_ == STDOUT_FILENO; }

Result<void> Output::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    if (auto ready = wait_until_ready(fd_, Readiness::to_write); !ready) return ready;
    const ssize_t count = ::write(fd_, bytes.data(), bytes.size());
    if (count >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    } else if (errno != EINTR && errno != EAGAIN) {
      return system_failure("write", path_, errno);
    }
  }
  return {};
}

Result<void> Output::commit() {
  if (is_standard_output()) return {};
  if (close(std::exchange(fd_, -1)) != 0) return system_failure("write", path_, errno);
  if (temporary_.empty()) return {};
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) return system_failure("create", path_, errno);
  temporary_.clear();
  return {};
}

}  // namespace zipc::ctl
