/// The text of one value into its meaning: sizes with units, durations, permissions, paths, users. Knows neither keys
/// nor places. Every failure says what was expected and what was found, and what to write where that can be guessed.
///
/// An empty text is a value that was left out. All of these allocate and none of them throws but for want of memory.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <zipc/error.hpp>
#include <zipc/params.hpp>

namespace zipc {

/// What a number must lie in, both ends included.
struct Range {
  std::uint64_t min = 0;
  std::uint64_t max = std::numeric_limits<std::uint64_t>::max();
};

/// "true" or "false".
[[nodiscard]] Result<bool> parse_flag(std::string_view text);

/// Decimal digits.
[[nodiscard]] Result<std::uint32_t> parse_count(std::string_view text, Range range);

/// "4096", "4096B", "64KiB", "64 MiB", "1GiB"; in bytes.
[[nodiscard]] Result<std::uint64_t> parse_bytes(std::string_view text, Range range);

/// "500ms", "10s", "2min", "1h", "0", "forever"; at most 1000 h.
[[nodiscard]] Result<std::chrono::milliseconds> parse_linger(std::string_view text);

/// "30s", "5min", "forever" (nullopt); 100 ms to 1000 h.
[[nodiscard]] Result<std::optional<std::chrono::milliseconds>> parse_lease_ttl(std::string_view text);

/// "adaptive", "spin", "sleep", "poll".
[[nodiscard]] Result<Waiting> parse_waiting(std::string_view text);

/// "0660", "660" or "0o660": octal, 0 to 0777.
[[nodiscard]] Result<std::uint32_t> parse_mode(std::string_view text);

/// An absolute path that fits a socket address.
[[nodiscard]] Result<std::string> parse_socket_path(std::string_view text);

/// A user or group of this machine by name, or any number; empty is accepted.
[[nodiscard]] Result<std::string> parse_user(std::string_view text);
[[nodiscard]] Result<std::string> parse_group(std::string_view text);

/// A pattern for fnmatch(3) that can match a channel name.
[[nodiscard]] Result<std::string> parse_name_pattern(std::string_view text);

/// A channel name: check_name().
[[nodiscard]] Result<std::string> parse_channel_name(std::string_view text);

}  // namespace zipc
