/// What a program does first about descriptors 0 to 2, which its parent may have closed.
#pragma once

#include <fcntl.h>
#include <unistd.h>

namespace zipc {

/// Opens /dev/null in place of each of them that is closed: else the next file or socket would get its number, and what is
/// printed would be written there. Standard input and output are opened so that reading and writing fail with EBADF, as when they
/// are closed; what goes to standard error is lost. Before anything else is opened, and any other thread exists.
inline void occupy_standard_descriptors() noexcept {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) != -1) continue;
    open("/dev/null", fd == STDOUT_FILENO ? O_RDONLY : O_WRONLY);  // the lowest number that is free
  }
}

}  // namespace zipc
