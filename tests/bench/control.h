/// The control plane: what zipcd takes to hand out a channel, to start, to be idle and to read its configuration again.
#pragma once

#include <string>
#include <vector>

namespace zipc::bench {

struct Finding {
  std::string what;
  double value = 0;
  std::string unit;       // "ns", "x", "KiB", ""
  std::string bound = {};  // what is wanted, e.g. "<= 6x"; empty: nothing in particular
  bool met = false;
};

/// Starts its own zipcd with 10 and then with `many` channels. Empty, and why, when there is none.
[[nodiscard]] std::vector<Finding> measure_control_plane(bool smoke, const std::vector<int>& cores, std::string& why_not);

}  // namespace zipc::bench
