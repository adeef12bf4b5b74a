#include "client/ctl/dump.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <limits>
#include <span>

#include "client/ctl/complaint.h"

namespace zipc::ctl {
namespace {

constexpr std::uint64_t kHeaderSize = 128;  // the two cache lines before the lengths of the messages
constexpr std::size_t kLineSize = 16;
constexpr std::size_t kBlockSize = 4096 * kLineSize;

/// "00000040  01 02 ..  |..|", as zipc_dump_hex writes it.
void append_line(std::string& text, std::uint64_t offset, std::span<const unsigned char> bytes) {
  std::array<char, 24> cell{};
  std::snprintf(cell.data(), cell.size(), "%08llx ", static_cast<unsigned long long>(offset));
  text.append(cell.data());
  std::string printable;
  for (std::size_t i = 0; i < kLineSize; ++i) {
    if (i == kLineSize / 2) text.push_back(' ');
    if (i < bytes.size()) {
      std::snprintf(cell.data(), cell.size(), " %02x", static_cast<unsigned>(bytes[i]));
      text.append(cell.data());
      printable.push_back(bytes[i] >= 0x20 && bytes[i] < 0x7f ? static_cast<char>(bytes[i]) : '.');
    } else {
      text.append("   ");
    }
  }
  printable.resize(kLineSize, ' ');
  text.append("  |").append(printable).append("|\n");
}

Result<void> dump(int fd, const std::string& path, std::uint64_t limit) {
  std::array<unsigned char, kBlockSize> block{};
  for (std::uint64_t offset = 0; offset < limit;) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), limit - offset));
    const ssize_t count = pread(fd, block.data(), wanted, static_cast<off_t>(offset));
    if (count < 0) return system_failure("read", path, errno);
    if (count == 0) return {};
    std::string text;
    std::span<const unsigned char> rest(block.data(), static_cast<std::size_t>(count));
    while (!rest.empty()) {
      const std::size_t size = std::min(kLineSize, rest.size());
      append_line(text, offset, rest.first(size));
      rest = rest.subspan(size);
      offset += size;
    }
    if (auto printed = print(text); !printed) return printed;
  }
  return {};
}

Failure cannot_open(const std::string& channel, const std::string& path, int number) {
  if (number == ENOENT) return Failure{Error::channel_not_found, "there is no " + path + " for " + channel};
  if (number == ELOOP) return Failure{Error::foreign_segment, path + " is a symbolic link"};
  if (number != EACCES && number != EPERM) return system_failure("open", path, number);
  return advised(Failure{Error::permission_denied, "not permitted to read " + path},
                 "run this as the owner of the channel, or as root");
}

}  // namespace

Result<void> run(Access&, const DumpOptions& options) {
  const char* found = zipc_shm_path(options.channel.c_str());
  if (found == nullptr) return Failure{static_cast<Error>(zipc_last_error()->code), zipc_last_error()->message};
  const std::string path = found;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return cannot_open(options.channel, path, errno);
  auto dumped = dump(fd, path, options.all ? std::numeric_limits<std::uint64_t>::max() : kHeaderSize);
  close(fd);
  return dumped;
}

}  // namespace zipc::ctl
