/// SIGHUP, SIGINT and SIGTERM end a transfer where it can be ended: between two messages, or while it waits. The same for
/// whoever looks on.
///
/// The state is the process's, as signal handlers are. A signal that arrives just before a wait is not lost: it also
/// makes a pipe readable, which every wait for a file looks at.
#pragma once

#include <chrono>
#include <zipc/error.hpp>

namespace zipc::ctl {

/// Of a wait that no signal ends: how late one may be noticed.
inline constexpr std::chrono::milliseconds kSlice{100};

/// From now on SIGHUP, SIGINT and SIGTERM are noted (a second one ends the process at once), and SIGPIPE is an error of
/// write(). A signal that the parent has told us to ignore stays ignored.
[[nodiscard]] Result<void> note_signals();

/// The number of the signal that has arrived; 0: none.
[[nodiscard]] int interrupting_signal() noexcept;

/// The failure with which a transfer ends then; main turns it into the exit code 128 + signal.
[[nodiscard]] Failure interrupted();

enum class Readiness { to_read, to_write };

/// Blocks until reading or writing `fd` would not. Fails when a signal has arrived, also if `fd` is ready.
[[nodiscard]] Result<void> wait_until_ready(int fd, Readiness readiness);

/// Blocks until one of the two can be read or some signal has arrived: the caller looks which. Fails when it is one of
/// the signals that end us.
[[nodiscard]] Result<void> wait_for_input(int fd, int other_fd);

/// Blocks for `duration`. Fails when a signal that ends us arrives meanwhile.
[[nodiscard]] Result<void> pause_for(std::chrono::milliseconds duration);

}  // namespace zipc::ctl
