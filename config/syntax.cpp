#include "config/syntax.h"

#include <algorithm>
#include <array>

namespace zipc {
namespace {

constexpr std::string_view kOpenMapping = "end of map flow not found";
constexpr std::string_view kOpenSequence = "end of sequence flow not found";
constexpr std::string_view kTab = "a tab in the indentation; indent with spaces";

/// What people have usually done when yaml-cpp says so.
struct Advice {
  std::string_view said;
  std::string_view meant;
};
constexpr std::array kAdvice = {
    Advice{"end of map not found", "this line does not continue the mapping above it; check the indentation"},
    Advice{"end of sequence not found", "this line does not continue the list above it; check the indentation"},
    Advice{kOpenMapping, "this '{' is not closed by a '}'"},
    Advice{kOpenSequence, "this '[' is not closed by a ']'"},
    Advice{"illegal flow end", "this bracket does not match the one that is open"},
    Advice{"illegal map value", "a ':' cannot stand here; check the indentation, or put the text in quotes"},
    Advice{"illegal EOF in scalar", "a quote is opened and not closed"},
    Advice{"illegal tab when looking for indentation", kTab},
    Advice{"unknown token", "this character cannot start a value; put the text in quotes"},
    Advice{"bad file", "nested too deeply"},
};

/// Whether the line that contains offset `at` starts with white space that has a tab in it.
bool indented_by_tab(std::string_view text, std::size_t at) {
  const std::size_t before = text.substr(0, at).rfind('\n');
  const std::size_t start = before == std::string_view::npos ? 0 : before + 1;
  const std::string_view line = text.substr(start);
  return line.substr(0, line.find_first_not_of(" \t")).find('\t') != std::string_view::npos;
}

}  // namespace

std::optional<Position> first_control_character(std::string_view text) {
  const auto is_control = [](char c) { return c >= 0 && c < ' ' && c != '\t' && c != '\n' && c != '\r'; };
  const auto found = std::find_if(text.begin(), text.end(), is_control);
  if (found == text.end()) return std::nullopt;
  const std::string_view before = text.substr(0, static_cast<std::size_t>(found - text.begin()));
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const auto column = before.size() - (before.rfind('\n') + 1) + 1;  // npos + 1 is 0
  return Position{static_cast<int>(line), static_cast<int>(column)};
}

std::string trimmed(std::string_view text) {
  return std::string(text.substr(0, text.find_last_not_of(" \t\r\n") + 1));  // npos + 1 is 0
}

bool is_about_open_bracket(std::string_view said) { return said == kOpenMapping || said == kOpenSequence; }

std::string explained(std::string_view said, std::string_view text, int at) {
  if (at >= 0 && indented_by_tab(text, static_cast<std::size_t>(at))) return std::string(kTab);
  const auto advice = std::find_if(kAdvice.begin(), kAdvice.end(), [&](const Advice& a) { return a.said == said; });
  return std::string(advice == kAdvice.end() ? said : advice->meant);
}

}  // namespace zipc
