#include "client/ctl/input.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "client/ctl/complaint.h"
#include "client/ctl/interruption.h"

namespace zipc::ctl {
namespace {

constexpr std::size_t kReadSize = 64 * 1024;  // bytes asked for at a time when looking for lines

std::optional<std::uint64_t> bytes_to_come(int fd) {
  struct stat status {};
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return {};
  const off_t position = lseek(fd, 0, SEEK_CUR);
  if (position < 0 || position > status.st_size) return {};
  return static_cast<std::uint64_t>(status.st_size - position);
}

}  // namespace

Result<Input> Input::open(const std::string& path) {
  if (path.empty() || path == "-") return Input(STDIN_FILENO, "standard input");
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return system_failure("open", path, errno);
  return Input(fd, path);
}

Input::Input(int fd, std::string name) : fd_(fd), name_(std::move(name)), size_(bytes_to_come(fd)) {}

Input::Input(Input&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), name_(std::move(other.name_)), size_(other.size_) {}

Input::~Input() {
  if (fd_ > STDIN_FILENO) close(fd_);
}

Result<std::size_t> Input::read(std::span<std::byte> room) {
  for (;;) {
    if (auto ready = wait_until_ready(fd_, Readiness::to_read); !ready) return ready.failure();
    const ssize_t count = ::read(fd_, room.data(), room.size());
    if (count == 0 && interrupting_signal() != 0) return interrupted();  // which may be what has ended the input
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR && errno != EAGAIN) return system_failure("read", name_, errno);
  }
}

Result<std::size_t> Input::read_fully(std::span<std::byte> room) {
  std::size_t filled = 0;
  while (filled < room.size()) {
    const auto count = read(room.subspan(filled));
    if (!count) return count.failure();
    if (*count == 0) break;
    filled += *count;
  }
  return filled;
}

Result<std::string_view> LineReader::next() {
  ++number_;
  for (std::size_t searched = 0;;) {
    const std::size_t newline = buffer_.find('\n', begin_ + searched);
    if (newline != std::string::npos) return take(newline + 1 - begin_);
    searched = buffer_.size() - begin_;
    if (searched > longest_) return take(searched);
    const auto count = read_more();
    if (!count) return count.failure();
    if (*count == 0) return take(searched);
  }
}

Result<std::string_view> LineReader::take(std::size_t size) {
  if (size > longest_) {
    return Failure{Error::message_too_large, "line " + std::to_string(number_) + " is longer than the " +
                                                 std::to_string(longest_) + " bytes that fit into a message"};
  }
  const std::string_view line = std::string_view(buffer_).substr(begin_, size);
  begin_ += size;
  return line;
}

/// Moves what is left to the front and reads a block behind it.
Result<std::size_t> LineReader::read_more() {
  buffer_.erase(0, std::exchange(begin_, 0));
  const std::size_t kept = buffer_.size();
  buffer_.resize(kept + kReadSize);
  const auto count = input_.read(std::as_writable_bytes(std::span(buffer_).subspan(kept)));
  buffer_.resize(kept + (count ? *count : 0));
  return count;
}

}  // namespace zipc::ctl
