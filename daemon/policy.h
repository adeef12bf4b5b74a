/// Who asks, who may, and how much: the rules of the configuration, as pure functions over values.
///
/// Nothing here looks at a file, a clock or a process. What a rule refuses comes back as a Failure whose `rule` names
/// the line or key of the configuration that refused.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/zipc/error.hpp"
#include "config/config.h"

namespace zipc {

/// One client's connection, for as long as the broker runs.
enum class SessionId : std::uint64_t { none = 0 };

struct Process;

inline constexpr uid_t kUnknownUser = static_cast<uid_t>(-1);
inline constexpr gid_t kUnknownGroup = static_cast<gid_t>(-1);

/// A process that asks for something or holds it, as the kernel describes it; never as it describes itself.
struct Client {
  pid_t pid = 0;  ///< 0: unknown
  uid_t uid = kUnknownUser;
  gid_t gid = kUnknownGroup;
  std::vector<gid_t> groups;  ///< supplementary ones
  SessionId session = SessionId::none;
  std::weak_ptr<const Process> process = {};  ///< to ask how it ended, while anybody may: see processes.h
};

/// Who may use a channel: as for a file, except that one needs to read and to write.
struct Permissions {
  std::uint32_t mode = 0600;  ///< 0 .. 0777
  uid_t owner = 0;
  gid_t group = kUnknownGroup;

  friend bool operator==(const Permissions&, const Permissions&) = default;
};

/// What a channel shall be.
struct ChannelSpec {
  std::string name;
  Params params;
  Permissions permissions;
  std::chrono::milliseconds linger{0};  ///< kLingerForever: never reaped
  LeaseTtl lease_ttl = {};
  Waiting waiting = Waiting::adaptive;
  bool provisioned = false;             ///< by the configuration; otherwise made on request
  int line = 0;                         ///< of its entry in the configuration; 0 for a dynamic channel

  friend bool operator==(const ChannelSpec&, const ChannelSpec&) = default;
};

/// A configuration whose user and group names have become numbers.
struct Policy {
  Limits limits;
  Params default_params;
  DynamicConfig dynamic;
  std::vector<ChannelSpec> channels;  ///< provisioned ones; names are unique
  std::string file;                   ///< where it was read; empty: the built-in defaults
  uid_t own_uid = 0;                  ///< whom the broker runs as: like root, that user may do everything
};

[[nodiscard]] bool is_privileged(const Client& client, const Policy& policy) noexcept;

/// Error::permission_denied unless `client` may both read and write under the permissions of `channel`.
[[nodiscard]] Result<void> check_access(const ChannelSpec& channel, const Client& client, const Policy& policy);

/// Error::permission_denied unless clients may create channels, and one of this name.
[[nodiscard]] Result<void> check_dynamic_name(const std::string& name, const Policy& policy);

/// "file:line" of a provisioned channel's entry.
[[nodiscard]] std::string place_of(const ChannelSpec& channel, const Policy& policy);

/// "0640".
[[nodiscard]] std::string octal(std::uint32_t mode);

}  // namespace zipc
