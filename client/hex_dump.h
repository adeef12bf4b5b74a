/// Memory as hexadecimal text, for zipc_dump_hex() and its kin.
#pragma once

#include <cstddef>

namespace zipc {

/// Like snprintf: writes at most `capacity` bytes of the text, its final NUL included, and returns the length of the whole text.
/// 16 bytes a line, every line of the same length: offset, hexadecimal digits, printable characters.
[[nodiscard]] std::size_t hex_dump(const void* memory, std::size_t size, char* text, std::size_t capacity) noexcept;

}  // namespace zipc
