/// "Did you mean": the known word that a misspelt one was probably meant to be.
#pragma once

#include <string_view>
#include <vector>

namespace zipc {

/// The word of `known` nearest to `word`, or an empty view when none is near: at most one slip in three letters, where
/// a slip is a letter missing, added, changed, or swapped with its neighbour. Case and '-' for '_' cost nothing.
[[nodiscard]] std::string_view nearest(std::string_view word, const std::vector<std::string_view>& known);

}  // namespace zipc
