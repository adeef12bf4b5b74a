/// The control plane: what zipcd takes to hand out a channel, to start, to be idle and to read its configuration again.
#pragma once

#include <string>
#include <vector>

namespace zipc::bench {

/// What is wanted of it stands in targets.py, which also calculates what follows from two of them.
struct Finding {
  std::string what;
  std::string unit;    // "ns", "x", "KiB", ""
  int channels = 0;    // that zipcd has
  std::string where = {};  // "one core" or "two cores", of client and server; empty: where the scheduler wants them
  std::vector<double> values;  // one a round
};

/// Starts its own zipcd with 10 and then with 10,000 channels (`smoke`: 100). Empty, and why, when there is none.
[[nodiscard]] std::vector<Finding> measure_control_plane(bool smoke, const std::vector<int>& cores, std::string& why_not);

}  // namespace zipc::bench
