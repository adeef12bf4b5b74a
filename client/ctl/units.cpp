#include "client/ctl/units.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>
#include <optional>
#include <span>
#include <utility>

namespace zipc::ctl {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array<Unit, 5> kSizeUnits{{{"", 1}, {"B", 1}, {"KiB", 1u << 10}, {"MiB", 1u << 20}, {"GiB", 1u << 30}}};
constexpr std::array<Unit, 4> kDurationUnits{{{"ms", 1}, {"s", 1000}, {"min", 60'000}, {"h", 3'600'000}}};

/// A whole number followed by one of `units`, in the smallest of them; nothing if it is not that, or too large.
std::optional<std::uint64_t> parse(std::string_view text, std::span<const Unit> units) {
  std::uint64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return {};
  text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
  for (const Unit& unit : units) {
    if (text != unit.name) continue;
    constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (number > largest / unit.factor) return {};
    return number * unit.factor;
  }
  return {};
}

/// ": did you mean 1MiB?" for 1MB, 1mb, 1M.
std::string with_binary_unit(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view unit = text.substr(digits);
  if (digits == 0 || unit.empty() || unit.find_first_not_of("iIbB", 1) != std::string_view::npos || unit.size() > 3) return {};
  const std::size_t letter = std::string_view("kmgKMG").find(unit.front());
  if (letter == std::string_view::npos) return {};
  return ": did you mean " + std::string(text.substr(0, digits)) + "KMG"[letter % 3] + "iB?";
}

Failure unexpected(std::string_view text, std::string_view expected) {
  std::string sentence = "'";
  sentence.append(text).append("' is not ").append(expected);
  return Failure{Error::invalid_argument, std::move(sentence)};
}

std::int64_t round_up(std::int64_t value, std::int64_t unit) { return (value + unit - 1) / unit; }

}  // namespace

Result<std::uint64_t> parse_count(std::string_view text) {
  static constexpr std::array<Unit, 1> kNoUnit{{{"", 1}}};
  if (const auto count = parse(text, kNoUnit); count && *count > 0) return *count;
  return unexpected(text, "a whole number from 1 on");
}

Result<std::uint64_t> parse_size(std::string_view text) {
  if (const auto bytes = parse(text, kSizeUnits)) return *bytes;
  return unexpected(text, "a size such as 4096, 64KiB or 16MiB" + with_binary_unit(text));
}

Result<milliseconds> parse_duration(std::string_view text) {
  if (text == "forever") return kNoLimit;
  if (text == "0") return milliseconds{0};
  if (const auto count = parse(text, kDurationUnits)) return milliseconds{*count};
  return unexpected(text, "a duration such as 500ms, 10s, 2min, 1h or forever");
}

std::string format_size(double bytes) {
  static constexpr std::array<const char*, 6> kNames{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < kNames.size()) {
    bytes /= 1024;
    ++unit;
  }
  const bool whole = unit == 0 || bytes == std::floor(bytes);
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.*f %s", whole ? 0 : 1, bytes, kNames[unit]);
  return text.data();
}

std::string format_count(std::uint64_t count) {
  std::string digits = std::to_string(count);
  for (std::size_t end = digits.size(); end > 3; end -= 3) digits.insert(end - 3, 1, ',');
  return digits;
}

std::string format_count(std::uint64_t count, std::string_view noun) {
  std::string text = format_count(count);
  text.append(" ").append(noun);
  if (count != 1) text.append("s");
  return text;
}

std::string format_duration(milliseconds duration) {
  const std::int64_t count = duration.count();
  if (count < 0 || duration == kNoLimit) return "forever";
  if (count < 1000) return std::to_string(count) + "ms";
  if (count < 120'000) return std::to_string(round_up(count, 1000)) + "s";
  if (count < 7'200'000) return std::to_string(round_up(count, 60'000)) + "min";
  return std::to_string(round_up(count, 3'600'000)) + "h";
}

std::string format_clock(std::chrono::seconds duration) {
  const long long total = duration.count();
  std::array<char, 48> text{};
  if (total >= 3600) {
    std::snprintf(text.data(), text.size(), "%lld:%02lld:%02lld", total / 3600, total / 60 % 60, total % 60);
  } else {
    std::snprintf(text.data(), text.size(), "%lld:%02lld", total / 60, total % 60);
  }
  return text.data();
}

}  // namespace zipc::ctl
