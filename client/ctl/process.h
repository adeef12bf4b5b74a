/// What this machine can tell of a process that holds a role.
#pragma once

#include <string>
#include <zipc/channel.hpp>

namespace zipc::ctl {

/// Text is printable ASCII: a process chooses its own name and arguments, and they end up on a terminal.
struct ProcessFacts {
  std::string user;          ///< name of the holder's user; empty: it has none here
  std::string program;       ///< as the kernel calls it, 15 characters at most; empty: unknown
  std::string command_line;  ///< its arguments, cut to a readable length; empty: unknown
  bool stopped = false;      ///< by a signal or a debugger

  friend bool operator==(const ProcessFacts&, const ProcessFacts&) = default;
};

/// Looks the holder up in /proc. Its pid is one of the broker's pid namespace, so it may be another process's here:
/// what has another user, or is younger than the lease, is not taken for the holder. Where there is no /proc, only the
/// user is known. Cost: reads three small files.
[[nodiscard]] ProcessFacts look_up(const Holder& holder);

/// The name of a user or group, or its number where it has none: "alice (1000)", "1000".
[[nodiscard]] std::string user_text(std::uint32_t uid);
[[nodiscard]] std::string group_text(std::uint32_t gid);

}  // namespace zipc::ctl
