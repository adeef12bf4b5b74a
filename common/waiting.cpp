// What both ways of waiting share: how long to spin.
#include "common/waiting.h"

#include <unistd.h>

namespace zipc {

int spin_limit() noexcept {
  // About 10 us of looking: less than a sleep and a wake-up cost, so that a busy exchange stays out of the kernel.
  static const int limit = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 400 : 0;
  return limit;
}

}  // namespace zipc
