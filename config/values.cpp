#include "config/values.h"

#include <grp.h>
#include <pwd.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <span>
#include <vector>

#include "common/name.h"
#include "common/suggestion.h"
#include "config/config.h"
#include "config/diagnostics.h"

namespace zipc {
namespace {

constexpr std::size_t kPatternBytesMax = 255;            // a bracket expression for each byte of a name, and some
constexpr std::uint32_t kIdMax = 0xFFFFFFFE;             // (uid_t)-1 means "no user"
constexpr std::uint64_t kDurationMsMax = 3'600'000'000;  // 1000 h; the segment's header keeps milliseconds in 32 bits
constexpr std::uint64_t kLeaseTtlMsMin = 100;            // below it, a busy machine alone makes a holder late

Failure expected(const std::string& what, std::string_view found, const std::string& hint = "") {
  return {Error::invalid_argument, "expected " + what + ", not " + quoted(found) + (hint.empty() ? "" : "; " + hint)};
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_visible(char c) { return c > ' ' && c <= '~'; }

/// All of `text` as a number; nothing if it is anything else, or too large.
std::optional<std::uint64_t> to_number(std::string_view text, int base = 10) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  const bool is_whole = error == std::errc{} && end == text.data() + text.size();
  return is_whole ? std::optional(value) : std::nullopt;
}

/// A unit as it is written, and as it is often written instead.
struct Unit {
  std::string_view name;
  std::uint64_t factor;
  std::string_view mistaken = "";  ///< lower case, each word with a space on either side
};

constexpr Unit kByteUnits[] = {{"B", 1, " b byte bytes "},
                               {"KiB", std::uint64_t{1} << 10, " k kb kib ki "},
                               {"MiB", std::uint64_t{1} << 20, " m mb mib mi "},
                               {"GiB", std::uint64_t{1} << 30, " g gb gib gi "}};
constexpr Unit kTimeUnits[] = {{"ms", 1, " msec msecs milliseconds "},
                               {"s", 1000, " sec secs second seconds "},
                               {"min", 60'000, " m mins minute minutes "},
                               {"h", 3'600'000, " hr hrs hour hours "}};

/// Digits and what follows them, less one space in between.
struct Quantity {
  std::string_view digits;
  std::string_view unit;
};

Quantity split(std::string_view text) {
  const auto size = static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), is_digit) - text.begin());
  std::string_view unit = text.substr(size);
  if (unit.size() > 1 && unit.front() == ' ') unit.remove_prefix(1);
  return {text.substr(0, size), unit};
}

/// The quantity in the smallest unit; nothing for an unknown unit or more than 64 bits.
std::optional<std::uint64_t> in_smallest_unit(const Quantity& quantity, std::span<const Unit> units) {
  const auto number = to_number(quantity.digits);
  const auto unit = std::find_if(units.begin(), units.end(), [&](const Unit& u) { return u.name == quantity.unit; });
  if (!number || unit == units.end()) return std::nullopt;
  if (*number > std::numeric_limits<std::uint64_t>::max() / unit->factor) return std::nullopt;
  return *number * unit->factor;
}

/// "write 64KiB" for "64 kb"; empty when there is nothing to guess.
std::string spelling(const Quantity& quantity, std::span<const Unit> units) {
  std::string word(quantity.unit);
  std::transform(word.begin(), word.end(), word.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  const std::string padded = " " + word + " ";
  for (const Unit& unit : units) {
    const bool is_meant =
        !quantity.digits.empty() && unit.name != quantity.unit && unit.mistaken.find(padded) != std::string_view::npos;
    if (is_meant) return "write " + std::string(quantity.digits) + std::string(unit.name);
  }
  return "";
}

/// A size in the largest unit that divides it.
std::string written(std::uint64_t bytes) {
  for (auto unit = std::rbegin(kByteUnits); unit != std::rend(kByteUnits); ++unit) {
    if (bytes != 0 && bytes % unit->factor == 0) return std::to_string(bytes / unit->factor) + std::string(unit->name);
  }
  return "0B";
}

std::string duration_hint(const Quantity& quantity) {
  if (quantity.digits.empty() || !quantity.unit.empty()) return spelling(quantity, kTimeUnits);
  return "give a unit: " + std::string(quantity.digits) + "s or " + std::string(quantity.digits) + "ms";
}

/// A number, or a name for which `exists` is true.
template <class Exists>
Result<std::string> parse_account(std::string_view text, const std::string& what, Exists exists) {
  const std::string name(text);
  const bool is_number = !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
  const bool is_known = is_number ? to_number(text).value_or(kIdMax + 1ull) <= kIdMax : exists(name.c_str());
  if (!text.empty() && !is_known) return expected("a " + what + " of this machine, or a number", text);
  return name;
}

/// The offset of the last character of the element of `pattern` that starts at `i`; npos when it is not complete.
std::size_t end_of_element(std::string_view pattern, std::size_t i) {
  if (pattern[i] == '\\') return i + 1 < pattern.size() ? i + 1 : std::string_view::npos;
  if (pattern[i] != '[') return i;
  const std::string_view inside = pattern.substr(i + 1);
  const std::size_t negation = inside.starts_with('!') || inside.starts_with('^') ? 1 : 0;
  return pattern.find(']', i + 1 + negation + 1);  // a ']' that comes first is one of the characters
}

/// What keeps a pattern from ever matching a name, or empty.
std::string_view flaw(std::string_view pattern) {
  if (!pattern.starts_with('/')) return "it must start with '/', as names do";
  if (pattern.size() > kPatternBytesMax) return "it is longer than 255 bytes";
  if (pattern.find('/', 1) != std::string_view::npos) return "a second '/' never matches";
  if (!std::all_of(pattern.begin(), pattern.end(), is_visible))
    return "it may consist of printable ASCII without spaces";
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char first = pattern[i];
    i = end_of_element(pattern, i);
    if (i == std::string_view::npos) return first == '[' ? "a '[' is not closed by a ']'" : "nothing follows the '\\'";
  }
  return "";
}

}  // namespace

Result<bool> parse_flag(std::string_view text) {
  if (text != "true" && text != "false") return expected("true or false", text);
  return text == "true";
}

Result<std::uint32_t> parse_count(std::string_view text, Range range) {
  const auto number = to_number(text);
  if (number && *number >= range.min && *number <= range.max) return static_cast<std::uint32_t>(*number);
  return expected("a whole number from " + std::to_string(range.min) + " to " + std::to_string(range.max), text);
}

Result<std::uint64_t> parse_bytes(std::string_view text, Range range) {
  Quantity quantity = split(text);
  if (quantity.unit.empty()) quantity.unit = "B";
  const auto bytes = in_smallest_unit(quantity, kByteUnits);
  if (bytes && *bytes >= range.min && *bytes <= range.max) return *bytes;
  return expected("a size from " + written(range.min) + " to " + written(range.max) + ", such as 4096, 64KiB or 1MiB",
                  text, spelling(quantity, kByteUnits));
}

Result<std::chrono::milliseconds> parse_linger(std::string_view text) {
  if (text == "forever") return kLingerForever;
  if (text == "0") return std::chrono::milliseconds(0);
  const Quantity quantity = split(text);
  const auto ms = in_smallest_unit(quantity, kTimeUnits);
  if (ms && *ms <= kDurationMsMax) return std::chrono::milliseconds(*ms);
  return expected("a duration such as 500ms, 10s, 2min or 1h, at most 1000h, or forever", text,
                  duration_hint(quantity));
}

Result<std::optional<std::chrono::milliseconds>> parse_lease_ttl(std::string_view text) {
  using Ttl = std::optional<std::chrono::milliseconds>;
  if (text == "forever") return Ttl();
  const Quantity quantity = split(text);
  const auto ms = in_smallest_unit(quantity, kTimeUnits);
  if (ms && *ms >= kLeaseTtlMsMin && *ms <= kDurationMsMax) return Ttl(*ms);
  const bool is_none = ms == 0 || text == "0" || text == "none" || text == "never";
  return expected("a duration from 100ms to 1000h, such as 30s or 5min, or forever", text,
                  is_none ? "write forever" : duration_hint(quantity));
}

Result<Waiting> parse_waiting(std::string_view text) {
  std::vector<std::string_view> names;
  for (const Waiting waiting : kWaitings) {
    if (text == to_string(waiting)) return waiting;
    names.emplace_back(to_string(waiting));
  }
  const std::string_view guess = nearest(text, names);
  return expected(any_of(names), text, guess.empty() ? "" : "did you mean " + quoted(guess) + "?");
}

Result<std::uint32_t> parse_mode(std::string_view text) {
  const auto mode = to_number(text.starts_with("0o") ? text.substr(2) : text, 8);
  if (mode && *mode <= 0777) return static_cast<std::uint32_t>(*mode);
  return expected("an octal permission from 0000 to 0777, such as 0660", text);
}

Result<std::string> parse_socket_path(std::string_view text) {
  constexpr std::size_t kBytesMax = sizeof(sockaddr_un::sun_path) - 1;
  const bool is_plain = std::none_of(text.begin(), text.end(), [](char c) { return c >= 0 && c < ' '; });
  if (text.starts_with('/') && text.size() > 1 && text.size() <= kBytesMax && is_plain) return std::string(text);
  return expected("an absolute path of at most " + std::to_string(kBytesMax) + " bytes, such as /run/zipcd.sock", text);
}

Result<std::string> parse_user(std::string_view text) {
  return parse_account(text, "user", [](const char* name) { return ::getpwnam(name) != nullptr; });
}

Result<std::string> parse_group(std::string_view text) {
  return parse_account(text, "group", [](const char* name) { return ::getgrnam(name) != nullptr; });
}

Result<std::string> parse_name_pattern(std::string_view text) {
  const std::string why(flaw(text));
  if (!why.empty()) return expected("a pattern such as /* or /sensor-*", text, why);
  return std::string(text);
}

Result<std::string> parse_channel_name(std::string_view text) {
  if (auto checked = check_name(text); !checked) return checked.failure();
  return std::string(text);
}

}  // namespace zipc
