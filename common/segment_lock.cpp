// What the platforms share: waiting for a lock.
#include "common/segment_lock.h"

#include <thread>

namespace zipc {

// Polls, because a blocking lock cannot time out. Only the short set-up lock is waited for.
Result<LockHandle> lock_within(int segment_fd, const std::string& name, LockKind kind,
                               std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (true) {
    auto lock = try_lock(segment_fd, name, kind);
    if (lock.error() != Error::busy || std::chrono::steady_clock::now() >= deadline) return lock;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

}  // namespace zipc
