/// Which process is at the other end of a connection, whether a process still exists, and how it ended.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>

#include "common/unique_fd.h"
#include "common/zipc/error.hpp"
#include "daemon/policy.h"

namespace zipc {

/// Who connected `socket`, as the kernel noted at that moment. Without a session. Error::system.
[[nodiscard]] Result<Client> peer_of(int socket);

/// Whether nothing has this process number any more. A number that was given to another process counts as there.
[[nodiscard]] bool process_is_gone(pid_t pid) noexcept;

/// A process that cannot be mistaken for a later one of the same number.
struct Process {
  UniqueFd fd;  ///< a pidfd
  pid_t pid = 0;
  std::shared_ptr<const void> count;  ///< by which Processes counts its descriptors
};

/// How a process ended.
struct ProcessEnd {
  bool by_signal = false;
  int number = 0;  ///< of the signal, otherwise the exit code
};

/// A pidfd of the process that connected `socket`, whose number then was `pid`. Empty when it is gone, no descriptor is
/// left, or the platform has none.
[[nodiscard]] UniqueFd open_process(int socket, pid_t pid) noexcept;

/// nullopt: it has not ended, or nobody knows how. On Linux that is known once its parent has waited for it (since
/// 6.15), and before that if we may look at it in /proc and it did not end with 0. Does not wait.
[[nodiscard]] std::optional<ProcessEnd> how_ended(const Process& process) noexcept;

}  // namespace zipc
