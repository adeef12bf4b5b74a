#include "config/diagnostics.h"

#include <algorithm>

namespace zipc {
namespace {

constexpr std::size_t kDiagnosticsMax = 999;  // nobody reads more; keeps memory bounded
constexpr std::size_t kQuotedBytesMax = 60;    // a line of a log stays a line

bool is_control(char c) { return (c >= 0 && c < ' ') || c == 0x7F; }
bool continues_a_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }  // UTF-8

/// The first kQuotedBytesMax bytes of `text`, without half a character at the end.
std::string_view shortened(std::string_view text) {
  std::size_t size = std::min(text.size(), kQuotedBytesMax);
  while (size > 0 && size < text.size() && continues_a_character(text[size])) --size;
  return text.substr(0, size);
}

}  // namespace

bool Diagnostics::is_full() const noexcept { return found_.size() == kDiagnosticsMax; }

void Diagnostics::add(Position where, std::string message) {
  if (is_full()) return;
  const auto [first, last] = found_.equal_range(where);
  const bool known = std::any_of(first, last, [&](const auto& entry) { return entry.second == message; });
  if (!known) found_.emplace(where, std::move(message));
}

std::vector<Diagnostic> Diagnostics::list() const {
  std::vector<Diagnostic> list;
  list.reserve(found_.size() + 1);
  for (const auto& [where, message] : found_) list.push_back({file_, where.line, where.column, message});
  if (is_full()) list.push_back({file_, 0, 0, "there may be more mistakes: only " + std::to_string(list.size()) + " are listed"});
  return list;
}

std::string to_string(const Diagnostic& d) {
  std::string text = d.file;
  if (d.line > 0) text.append(":").append(std::to_string(d.line)).append(":").append(std::to_string(d.column));
  return text.append(": ").append(d.message);
}

std::string quoted(std::string_view text) {
  if (text.empty()) return "nothing";
  const std::string_view head = shortened(text);
  std::string result(head);
  std::replace_if(result.begin(), result.end(), is_control, '?');
  return '"' + result + (head.size() < text.size() ? "...\"" : "\"");
}

std::string any_of(const std::vector<std::string_view>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 < words.size() ? ", " : " or ";
    text += words[i];
  }
  return text;
}

}  // namespace zipc
