/// The socket that clients connect to: from the service manager, or made by us.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "common/unique_fd.h"
#include "common/zipc/error.hpp"

namespace zipc {

/// A listening socket. One that we have made is removed when the object ends; the lock file beside it stays, for
/// removing it would let two brokers lock two files.
class Listener {
 public:
  Listener() = default;
  Listener(Listener&&) = default;
  Listener& operator=(Listener&&) = delete;
  ~Listener();

  /// Listens at `path`, which is absolute. What is left there by a broker that is gone is removed, a socket that
  /// somebody listens at, or another kind of file, never. `group`: nullopt: our own. Error::busy when another zipcd has
  /// the lock or anybody listens there; invalid_argument for an impossible path; system.
  [[nodiscard]] static Result<Listener> bind(const std::string& path, std::uint32_t mode, std::optional<gid_t> group);

  /// Gives access to the socket, which is ours: `mode` as chmod(2) has it; nullopt leaves the group as it is. Error::system,
  /// and then its mode is as it was.
  [[nodiscard]] Result<void> open_to(std::uint32_t mode, std::optional<gid_t> group) const;

  /// Takes over a socket that the service manager listens at.
  [[nodiscard]] static Listener adopt(UniqueFd socket);

  /// The listening socket, for its user to close.
  [[nodiscard]] UniqueFd take_socket() noexcept { return std::move(socket_); }
  /// Whether we have made it; otherwise its file is the service manager's.
  [[nodiscard]] bool is_ours() const noexcept { return static_cast<bool>(lock_); }
  /// Where it listens, absolute.
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  UniqueFd socket_;
  UniqueFd lock_;  ///< held by us; none for a socket of the service manager
  std::string path_;
};

/// `path` made absolute and free of links in its folders, so that one socket has one name.
[[nodiscard]] std::string canonical_socket_path(const std::string& path);

}  // namespace zipc
