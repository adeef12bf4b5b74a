/// Which contestant is measured in which case, and in which order.
#pragma once

#include <optional>

#include "contestant.h"

namespace zipc::bench {

struct Entrant {
  const Contestant* contestant;
  Case c;
};

struct Extent {
  bool quick, smoke;
};

/// All cases of one round; contestants of the same case stand side by side, so that they meet the same machine.
[[nodiscard]] std::vector<Entrant> plan(const Contestants& contestants, Extent extent);

void add_all(Contestants& contestants);

[[nodiscard]] const char* name_of(Workload workload);
[[nodiscard]] const char* name_of(Wait wait);
[[nodiscard]] const char* name_of(Place place);
/// For --only and the progress line.
[[nodiscard]] std::string text_of(const Case& c);

}  // namespace zipc::bench
