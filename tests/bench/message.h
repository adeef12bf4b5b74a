/// What a message of the benchmark holds, and how it is checked: the same inlined code for every contestant.
///
/// Every message has its full length. Its 8-byte words count up from its number; the sender writes all of them, the receiver
/// compares all of them. Sizes are compile-time constants, as a program's own struct would be.
#pragma once

#include <cstddef>
#include <cstdint>

namespace zipc::bench {

using Word = std::uint64_t __attribute__((may_alias));
/// Two words, which are written and compared at once, in loops that are unrolled. All of it is spelled out: else the compiler does it
/// for one contestant and not for the other, and messages of 1 KiB of the same queue take 57 ns or 105.
using Words = std::uint64_t __attribute__((vector_size(16), aligned(8), may_alias));

/// A message in the sender's or receiver's own memory.
template <std::size_t Size>
struct Message {
  static_assert(Size == sizeof(Word) || Size % sizeof(Words) == 0);
  alignas(Size < 64 ? 8 : 64) std::byte bytes[Size];
};

/// Writes message `number` to `into`, which is aligned to 8.
template <std::size_t Size>
inline void fill(void* into, std::uint64_t number) noexcept {
  if constexpr (Size == sizeof(Word)) {
    *static_cast<Word*>(into) = number;
  } else {
    Words words = {number, number + 1};
#pragma GCC unroll 8
    for (std::size_t i = 0; i < Size / sizeof words; ++i, words += 2) static_cast<Words*>(into)[i] = words;
  }
}

/// Whether every byte is that of message `number`. `from` is aligned to 8.
template <std::size_t Size>
[[nodiscard]] inline bool check(const void* from, std::uint64_t number) noexcept {
  if constexpr (Size == sizeof(Word)) {
    return *static_cast<const Word*>(from) == number;
  } else {
    Words words = {number, number + 1}, difference = {};
#pragma GCC unroll 8
    for (std::size_t i = 0; i < Size / sizeof words; ++i, words += 2) difference |= static_cast<const Words*>(from)[i] ^ words;
    return (difference[0] | difference[1]) == 0;
  }
}

}  // namespace zipc::bench
