/// Locks that the kernel holds: who may be sender and who receiver of a segment, and who sets it up.
///
/// On Linux a lock is an open-file-description lock on one byte, far past the end of the segment's file. It belongs to the
/// open file description, and so lives as long as any descriptor *or mapping* made from it: it survives close(), fork() and
/// the broker, and goes with munmap() or the process, kill -9 included. Existing peers do not know it, and it does not
/// disturb them. On macOS shared memory cannot be locked: a lock is a flock() of a file beside it, kept open.
#pragma once

#include <chrono>
#include <string>

#include "common/unique_fd.h"
#include <zipc/error.hpp>

namespace zipc {

enum class LockKind { sender, receiver, set_up };
[[nodiscard]] constexpr LockKind lock_of(Role role) noexcept {
  return role == Role::sender ? LockKind::sender : LockKind::receiver;
}

/// What keeps a lock beside the segment's own open file description: nothing on Linux, the lock file on macOS.
using LockHandle = UniqueFd;

/// Locks `kind` for the open file description of `segment_fd`. Error::busy when another one holds it; system.
/// Does not block. `name` is the channel's.
[[nodiscard]] Result<LockHandle> try_lock(int segment_fd, const std::string& name, LockKind kind);

/// The same, waiting for `timeout` at most; then Error::busy.
[[nodiscard]] Result<LockHandle> lock_within(int segment_fd, const std::string& name, LockKind kind,
                                             std::chrono::milliseconds timeout);

/// Gives the lock back before the description is closed.
void unlock(int segment_fd, LockHandle& handle, LockKind kind) noexcept;

/// Whether an open file description *other than* that of `segment_fd` holds the lock. `segment_fd` may be read-only.
[[nodiscard]] bool is_locked(int segment_fd, const std::string& name, LockKind kind) noexcept;

}  // namespace zipc
