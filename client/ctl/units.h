/// Sizes and durations as people write and read them. The units are those of the configuration file.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <zipc/error.hpp>

namespace zipc::ctl {

using std::chrono::milliseconds;

/// Wait without limit, keep for ever.
inline constexpr milliseconds kNoLimit = milliseconds::max();

/// A whole number from 1 on. Error::invalid_argument.
[[nodiscard]] Result<std::uint64_t> parse_count(std::string_view text);

/// "4096", "64KiB", "16MiB", "1GiB". Error::invalid_argument, saying what was expected.
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text);

/// "500ms", "10s", "2min", "1h", "0", or "forever", which is kNoLimit. Error::invalid_argument, saying what was
/// expected.
[[nodiscard]] Result<milliseconds> parse_duration(std::string_view text);

/// "512 B", "64 KiB", "1.5 MiB".
[[nodiscard]] std::string format_size(double bytes);

/// "1,234,567".
[[nodiscard]] std::string format_count(std::uint64_t count);

/// "1 message", "1,234 messages".
[[nodiscard]] std::string format_count(std::uint64_t count, std::string_view noun);

/// "350ms", "8s", "5min", "3h", rounded up to the unit; "forever" for a negative one.
[[nodiscard]] std::string format_duration(milliseconds duration);

/// Minutes and seconds as a clock shows them: "0:07", "12:30", "1:02:03".
[[nodiscard]] std::string format_clock(std::chrono::seconds duration);

}  // namespace zipc::ctl
