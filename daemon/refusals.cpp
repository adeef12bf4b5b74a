#include "daemon/refusals.h"

#include "daemon/log.h"

namespace zipc {

void Refusals::refused(uid_t uid, const Failure& failure) {
  if (failure.code != Error::limit_reached || !logged_[uid].insert(failure.rule).second) return;
  log::warning("user " + std::to_string(uid) + " is refused: " + log::printable(failure.message));
}

}  // namespace zipc
