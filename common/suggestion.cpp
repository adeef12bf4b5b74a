#include "common/suggestion.h"

#include <algorithm>
#include <cstddef>
#include <string>

namespace zipc {
namespace {

char folded(char c) {
  if (c == '-') return '_';
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string folded(std::string_view word) {
  std::string result(word);
  std::transform(result.begin(), result.end(), result.begin(), [](char c) { return folded(c); });
  return result;
}

/// The number of slips between two words (the "optimal string alignment" distance). Cost: a.size() * b.size().
std::size_t slips(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      const std::size_t changed = a[i - 1] == b[j - 1] ? 0 : 1;
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + changed});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[a.size()][b.size()];
}

std::size_t tolerated(std::string_view known) { return std::max<std::size_t>(1, known.size() / 3); }

/// Whether the lengths alone say that the words are not near: spares a long word its comparison.
bool is_far_in_length(std::string_view word, std::string_view known) {
  return word.size() > known.size() + tolerated(known) || word.size() + tolerated(known) < known.size();
}

}  // namespace

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& known) {
  std::string_view best;
  std::size_t fewest = std::string_view::npos;
  for (const std::string_view candidate : known) {
    if (is_far_in_length(word, candidate)) continue;
    const std::size_t found = slips(folded(word), candidate);
    if (found > tolerated(candidate) || found >= fewest) continue;
    best = candidate;
    fewest = found;
  }
  return best;
}

}  // namespace zipc
