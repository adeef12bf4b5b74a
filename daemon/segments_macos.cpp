// Shared memory objects there cannot be read, listed or leased, and cannot be cut short once they have a size, so
// mapping one is safe. Compiled, never run.
#include <sys/mman.h>

#include <atomic>
#include <cstring>

#include "daemon/segments.h"

namespace zipc::platform {

bool copy_header(int fd, void* bytes, std::size_t size) noexcept {
  void* memory = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return false;
  std::memcpy(bytes, memory, size);
  munmap(memory, size);
  return true;
}

bool write_header_word(int fd, std::size_t offset, std::uint32_t value) noexcept {
  void* memory = mmap(nullptr, sizeof(SegmentHeader), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return false;
  std::memcpy(static_cast<std::byte*>(memory) + offset, &value, sizeof value);
  munmap(memory, sizeof(SegmentHeader));
  return true;
}

bool change_bits(int fd, std::uint64_t offset, std::uint32_t set, std::uint32_t clear) noexcept {
  void* memory = mmap(nullptr, offset + sizeof set, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return false;
  auto& word = *reinterpret_cast<std::atomic<std::uint32_t>*>(static_cast<std::byte*>(memory) + offset);
  word.fetch_or(set);
  word.fetch_and(~clear);
  munmap(memory, offset + sizeof set);
  return true;
}

bool read_at(int, std::uint64_t, void*, std::size_t) noexcept { return false; }
bool write_at(int, std::uint64_t, const void*, std::size_t) noexcept { return false; }

Result<void> rename_new(const std::string&, const std::string&) { return {}; }
Result<void> exchange(const std::string&, const std::string&) {
  return Failure{Error::unsupported, "macOS cannot give a channel other memory while it is in use"};
}
bool allocate(int, std::uint64_t) noexcept { return false; }

std::optional<std::uint64_t> capacity() noexcept { return std::nullopt; }
std::vector<std::string> files() { return {}; }
std::vector<std::string> segment_names() { return {}; }
std::vector<FormerName> former_names() { return {}; }

bool is_open_elsewhere(int) noexcept { return true; }

}  // namespace zipc::platform
