/// How long who finds nothing leaves the other's cache line alone before it looks again. Every look takes it away, maybe just
/// before it is written; while nobody looks, a batch can build. What is best for a dialogue is not for a stream, and what is best
/// for a dialogue depends on how far apart the cores are: one pause instruction, or four.
#pragma once

#include <zipc/hot_path.hpp>  // spin_pause

#include <algorithm>

#include "arena.h"

namespace zipc::bench {

enum class Pause { none, brief, four, lasting };

/// As many pause instructions as take about 760 ns.
inline int lasting_pauses() {
  static const int count = [] {
    constexpr int kTried = 1000;
    std::uint64_t shortest_ns = ~std::uint64_t{0};
    for (int attempt = 0; attempt < 5; ++attempt) {
      const std::uint64_t start = now_ns();
      for (int i = 0; i < kTried; ++i) spin_pause();
      shortest_ns = std::min(shortest_ns, now_ns() - start);
    }
    return static_cast<int>(760 * kTried / std::max<std::uint64_t>(shortest_ns, 1));
  }();
  return count;
}

/// Pause instructions between two looks.
inline int pauses_of(Pause pause) {
  constexpr int kFew[] = {0, 1, 4};
  return pause == Pause::lasting ? lasting_pauses() : kFew[static_cast<int>(pause)];
}

inline void pause_for(int pauses) noexcept {
  for (int i = 0; i < pauses; ++i) spin_pause();
}

/// Looks until `look` has found something.
template <typename Look>
inline void look_until(Look look, int pauses) noexcept {
  while (!look()) {
    if (shares_core) [[unlikely]] sched_yield();
    pause_for(pauses);
  }
}

}  // namespace zipc::bench
