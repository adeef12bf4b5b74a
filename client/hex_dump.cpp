#include "client/hex_dump.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace zipc {
namespace {

constexpr std::size_t kBytesPerLine = 16;
constexpr std::size_t kOffsetDigits = 8;
constexpr std::size_t kHexStart = kOffsetDigits + 2;
constexpr std::size_t kTextStart = kHexStart + kBytesPerLine * 3 + 2;
constexpr std::size_t kLineLength = kTextStart + 1 + kBytesPerLine + 2;  // with both bars and the newline

using Line = std::array<char, kLineLength + 1>;

void format_line(const unsigned char* bytes, std::size_t count, std::size_t offset, Line& line) noexcept {
  constexpr char kDigits[] = "0123456789abcdef";
  line.fill(' ');
  for (std::size_t i = 0; i < kOffsetDigits; ++i) {
    line[i] = kDigits[(offset >> (4 * (kOffsetDigits - 1 - i))) & 15];
  }
  for (std::size_t i = 0; i < count; ++i) {
    char* hex = &line[kHexStart + i * 3 + (i >= kBytesPerLine / 2 ? 1 : 0)];
    hex[0] = kDigits[bytes[i] >> 4];
    hex[1] = kDigits[bytes[i] & 15];
    line[kTextStart + 1 + i] = bytes[i] >= ' ' && bytes[i] <= '~' ? static_cast<char>(bytes[i]) : '.';
  }
  line[kTextStart] = '|';
  line[kLineLength - 2] = '|';
  line[kLineLength - 1] = '\n';
  line[kLineLength] = '\0';
}

}  // namespace

std::size_t hex_dump(const void* memory, std::size_t size, char* text, std::size_t capacity) noexcept {
  std::size_t written = 0;
  for (std::size_t offset = 0; offset < size && written + 1 < capacity; offset += kBytesPerLine) {
    const std::size_t count = std::min(kBytesPerLine, size - offset);
    std::array<unsigned char, kBytesPerLine> bytes{};  // a copy: the peers go on writing while we look
    std::memcpy(bytes.data(), static_cast<const unsigned char*>(memory) + offset, count);
    Line line;
    format_line(bytes.data(), count, offset, line);
    const std::size_t fitting = std::min(kLineLength, capacity - 1 - written);
    std::memcpy(text + written, line.data(), fitting);
    written += fitting;
  }
  if (capacity > 0) text[written] = '\0';
  return (size + kBytesPerLine - 1) / kBytesPerLine * kLineLength;
}

}  // namespace zipc
