/// Runs one case in two processes or threads, pinned or not, between two looks at the machine's cache-line round trip.
#pragma once

#include <sys/types.h>

#include <vector>

#include "arena.h"
#include "contestant.h"

namespace zipc::bench {

struct Outcome {
  std::string error;  // empty: the values are good
  double values[static_cast<std::size_t>(Value::count)];  // NaN: not measured
  std::vector<double> quantiles_ns;  // of round trips, else empty

  [[nodiscard]] double operator[](Value value) const { return values[static_cast<std::size_t>(value)]; }
};

/// The processors for the two sides: the first two that this process may use and that are not threads of one core.
/// Empty when there is one only.
[[nodiscard]] std::vector<int> two_cores();

/// Has a thread, or the calling one, run on this processor only.
void pin(int core, pid_t pid = 0);

/// The raw round trip of a cache line between two sides that both call this: by loads and stores alone, the median of a few blocks.
[[nodiscard]] double raw_round_trip_ns(int side);

/// Figures of one machine differ by what the raw round trip takes, so they are told apart by it: "fast", "middle" or "slow".
[[nodiscard]] const char* class_of(double raw_ns);

/// Blocks until it is measured; ends what hangs after half a minute.
[[nodiscard]] Outcome run(const Contestant& contestant, const Case& c, const std::vector<int>& cores);

}  // namespace zipc::bench
