/// The two sizes of a channel, its two roles, and the ways to wait: the nouns that every layer shares.
#pragma once

#include <cstddef>
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

inline constexpr Role kRoles[] = {Role::sender, Role::receiver};

/// Its place in an array that has one entry for each.
[[nodiscard]] constexpr std::size_t index_of(Role role) noexcept { return static_cast<std::size_t>(role); }
[[nodiscard]] constexpr Role other(Role role) noexcept { return role == Role::sender ? Role::receiver : Role::sender; }
[[nodiscard]] constexpr const char* to_string(Role role) noexcept { return role == Role::sender ? "sender" : "receiver"; }

/// How a blocking call waits; zipc.h says what each costs. The numbers are those of zipc_waiting.
enum class Waiting : std::uint8_t {
  adaptive = 0,  ///< spins for a while, which it learns, then sleeps until it is woken
  spin = 1,      ///< looks without end
  sleep = 2,     ///< sleeps at once, until it is woken
  poll = 3,      ///< looks now and then, and sleeps in between; nobody wakes it
};
inline constexpr Waiting kWaitings[] = {Waiting::adaptive, Waiting::spin, Waiting::sleep, Waiting::poll};

[[nodiscard]] constexpr const char* to_string(Waiting waiting) noexcept {
  switch (waiting) {
    case Waiting::adaptive: return "adaptive";
    case Waiting::spin: return "spin";
    case Waiting::sleep: return "sleep";
    case Waiting::poll: return "poll";
  }
  return "unknown";
}

}  // namespace zipc
