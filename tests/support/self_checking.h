/// Messages that check themselves: number, length and every byte follow from the number and a seed. The same format as
/// tests/interop/old_peer.c, so that either can check the other.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace zipc::test {

inline constexpr std::size_t kSmallestMessage = 8;

inline std::uint64_t mix(std::uint64_t x) {  // the finalizer of splitmix64
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

inline std::size_t message_length(std::uint64_t number, std::uint64_t seed, std::size_t longest) {
  return kSmallestMessage + mix(number ^ seed) % (longest - kSmallestMessage + 1);
}

inline std::byte pattern(std::uint64_t number, std::size_t i, std::uint64_t seed) {
  return static_cast<std::byte>(number * 131 + i * 7 + seed);
}

/// Fills `into`, which has room for the longest message, and returns the part that is the message.
inline std::span<const std::byte> make_message(std::uint64_t number, std::uint64_t seed, std::span<std::byte> into) {
  const std::size_t length = message_length(number, seed, into.size());
  std::memcpy(into.data(), &number, sizeof number);
  for (std::size_t i = kSmallestMessage; i < length; ++i) into[i] = pattern(number, i, seed);
  return into.first(length);
}

/// Whether `message` is message `number` of messages up to `longest` bytes.
inline bool is_message(std::span<const std::byte> message, std::uint64_t number, std::uint64_t seed, std::size_t longest) {
  if (message.size() != message_length(number, seed, longest)) return false;
  if (std::memcmp(message.data(), &number, sizeof number) != 0) return false;
  for (std::size_t i = kSmallestMessage; i < message.size(); ++i) {
    if (message[i] != pattern(number, i, seed)) return false;
  }
  return true;
}

}  // namespace zipc::test
