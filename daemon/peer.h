/// Which process is at the other end of a connection, and whether a process still exists.
#pragma once

#include <sys/types.h>

#include "common/zipc/error.hpp"
#include "daemon/policy.h"

namespace zipc {

/// Who connected `socket`, as the kernel noted at that moment. Without a session. Error::system.
[[nodiscard]] Result<Client> peer_of(int socket);

/// Whether nothing has this process number any more. A number that was given to another process counts as there.
[[nodiscard]] bool process_is_gone(pid_t pid) noexcept;

}  // namespace zipc
