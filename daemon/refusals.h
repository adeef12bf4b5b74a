/// What is logged of requests that a limit refuses: one line for each user and limit, and the next after there was room again.
///
/// A client that goes on asking does not fill the log, and an operator sees who has met with which limit.
#pragma once

#include <sys/types.h>

#include <map>
#include <set>
#include <string>

#include "common/zipc/error.hpp"

namespace zipc {

/// The limit that is not in the configuration, as it is named to clients.
inline constexpr const char* kDescriptorLimit = "the number of descriptors that zipcd may have (LimitNOFILE)";

class Refusals {
 public:
  /// `uid` is refused something. Logs the `failure` if its code is Error::limit_reached, unless that was done for the same
  /// user and limit since the last granted().
  void refused(uid_t uid, const Failure& failure);

  /// `uid` has got what it asked for, so there is room again.
  void granted(uid_t uid) { logged_.erase(uid); }

 private:
  std::map<uid_t, std::set<std::string>> logged_;  ///< of each user the rules that have refused it
};

}  // namespace zipc
