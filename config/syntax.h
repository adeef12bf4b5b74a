/// What is wrong with a text as YAML, in words for the person who wrote it. Adds to yaml-cpp what that overlooks.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/diagnostics.h"

namespace zipc {

/// The first control character that is neither a tab nor the end of a line. yaml-cpp takes 0x04 for the end of the
/// text, and decodes UTF-16, whose places would be wrong.
[[nodiscard]] std::optional<Position> first_control_character(std::string_view text);

/// `text` without white space at its end, where yaml-cpp overlooks a quote that is not closed.
[[nodiscard]] std::string trimmed(std::string_view text);

/// Whether yaml-cpp's message is about a bracket that is not closed, which it reports where the text ends.
[[nodiscard]] bool is_about_open_bracket(std::string_view said);

/// What people have usually done when yaml-cpp says `said` about offset `at` of `text` (-1: unknown).
[[nodiscard]] std::string explained(std::string_view said, std::string_view text, int at);

}  // namespace zipc
