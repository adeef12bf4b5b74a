#include "common/name.h"

#include <algorithm>
#include <string>

namespace zipc {
namespace {

bool is_printable(char c) { return c > ' ' && c <= '~'; }

/// The name with every byte that could upset a terminal or a log replaced, and cut to a readable length.
std::string quoted(std::string_view name) {
  std::string text(name.substr(0, kNameSizeMax + 1));
  std::replace_if(text.begin(), text.end(), [](char c) { return !is_printable(c) && c != ' '; }, '?');
  return "'" + text + (name.size() > text.size() ? "...'" : "'");
}

Failure invalid(std::string_view name, const std::string& why) {
  return Failure{Error::invalid_name, "channel name " + quoted(name) + " " + why};
}

}  // namespace

Result<void> check_name(std::string_view name) {
  if (name.empty() || name.front() != '/') return invalid(name, "must start with '/'");
  if (name.size() < kNameSizeMin) return invalid(name, "must have at least one character after the '/'");
  if (name.size() > kNameSizeMax) {
    return invalid(name, "is " + std::to_string(name.size()) + " bytes long; the most is " + std::to_string(kNameSizeMax));
  }
  if (name.find('/', 1) != std::string_view::npos) return invalid(name, "must not contain a second '/'");
  if (!std::all_of(name.begin(), name.end(), is_printable)) {
    return invalid(name, "must consist of printable ASCII characters without spaces");
  }
  if (name == "/." || name == "/..") return invalid(name, "is not the name of a file");
  return {};
}

}  // namespace zipc
