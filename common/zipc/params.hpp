/// The two sizes of a channel and its two roles: the nouns that every layer shares.
#pragma once

#include <cstdint>

namespace zipc {

/// The sizes of a channel. Fixed for the life of its segment.
struct Params {
  std::uint32_t queue_size = 0;    ///< slots; one always stays unused, so queue_size - 1 messages fit. 2 .. 2^24
  std::uint32_t message_size = 0;  ///< longest message in bytes. 1 .. 2^31

  friend constexpr bool operator==(const Params&, const Params&) = default;
};

/// One end of a channel. The number is `mode` of the C context.
enum class Role : std::uint8_t { sender = 0, receiver = 1 };

[[nodiscard]] constexpr Role other(Role role) noexcept { return role == Role::sender ? Role::receiver : Role::sender; }
[[nodiscard]] constexpr const char* to_string(Role role) noexcept { return role == Role::sender ? "sender" : "receiver"; }

}  // namespace zipc
