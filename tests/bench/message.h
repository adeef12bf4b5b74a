/// What a message of the benchmark holds, and how it is checked: the same inlined code for every contestant.
///
/// Every message has its full length. Its 8-byte words count up from its number; the sender writes all of them, the receiver
/// compares all of them. Sizes are compile-time constants, as a program's own struct would be.
#pragma once

#include <cstddef>
#include <cstdint>

namespace zipc::bench {

using Word = std::uint64_t __attribute__((may_alias));

/// A message in the sender's or receiver's own memory.
template <std::size_t Size>
struct Message {
  alignas(Size < 64 ? 8 : 64) std::byte bytes[Size];
};

/// Writes message `number` to `into`, which is aligned to 8.
template <std::size_t Size>
inline void fill(void* into, std::uint64_t number) noexcept {
  auto* words = static_cast<Word*>(into);
  for (std::size_t i = 0; i < Size / 8; ++i) words[i] = number + i;
}

/// Whether every byte is that of message `number`. `from` is aligned to 8.
template <std::size_t Size>
[[nodiscard]] inline bool check(const void* from, std::uint64_t number) noexcept {
  const auto* words = static_cast<const Word*>(from);
  std::uint64_t difference = 0;
  for (std::size_t i = 0; i < Size / 8; ++i) difference |= words[i] ^ (number + i);
  return difference == 0;
}

}  // namespace zipc::bench
