#include "common/test_point.h"

#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <string>
#include <string_view>

namespace zipc {
namespace {

struct Stop {
  std::string name;
  std::atomic<int> left{1};  ///< times until the process stops there
};

std::deque<Stop> parse(std::string_view text) {
  std::deque<Stop> stops;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(','));
    text.remove_prefix(one.size() == text.size() ? one.size() : one.size() + 1);
    const std::string_view name = one.substr(0, one.find(':'));
    Stop& stop = stops.emplace_back();
    stop.name = name;
    int times = 1;
    if (name.size() < one.size()) std::from_chars(one.data() + name.size() + 1, one.data() + one.size(), times);
    stop.left = times;
  }
  return stops;
}

std::deque<Stop>& stops() {
  static std::deque<Stop>& all = *new std::deque<Stop>([] {
    const char* text = std::getenv("ZIPC_STOP_AT");
    return parse(text != nullptr ? text : "");
  }());
  return all;
}

}  // namespace

void reach_test_point(const char* name) noexcept {
  static const bool is_wanted = !stops().empty();
  if (!is_wanted) return;
  for (Stop& stop : stops()) {
    if (stop.name == name && --stop.left == 0) raise(SIGSTOP);
  }
}

}  // namespace zipc
