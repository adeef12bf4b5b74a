/// Doorbells: by them a side of a channel is woken that waits in an event loop of its own, and not in the library.
///
/// A doorbell is a pair of sockets (common/doorbell.h), one for each role that has asked for one or whose peer has.
/// Its holder polls one end; by the other the peer rings it for a message or for space, the broker for everything else: a
/// departure, a move, the end of the role. It is the holder's as long as it has the role: a successor gets another one, so that
/// nobody can ring it who has no business there any more.
///
/// Clients are not trusted with it: no call of the broker's on a doorbell can block, whatever they do with their end, and one that
/// they have made void is replaced when somebody asks for it.
///
/// *Thread safety.* One thread.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <zipc/channel.hpp>
#include <zipc/error.hpp>

#include "common/doorbell.h"
#include "common/unique_fd.h"

namespace zipc {

class Doorbells {
 public:
  /// How many descriptors they may have of so many. The rest is for connections.
  [[nodiscard]] static constexpr std::uint64_t share_of(std::uint64_t descriptors) noexcept { return descriptors / 4; }

  enum class End { to_poll, to_ring };
  /// Another descriptor of that end of the doorbell of `role`, which is made if there is none that is of use. Error::limit_reached,
  /// unsupported (the platform has none).
  [[nodiscard]] Result<Doorbell> get(const std::string& channel, Role role, End end);

  /// Rings it, if there is one.
  void ring(const std::string& channel, Role role) noexcept;

  /// The role has another holder from now on, or none: rings for the last time, and says so.
  void drop(const std::string& channel, Role role) noexcept;

  /// How many descriptors they have.
  [[nodiscard]] std::size_t descriptors() const noexcept { return 2 * count_; }

 private:
  struct Pair {
    Doorbell to_poll, to_ring;
  };
  /// Null: there is none.
  [[nodiscard]] const Pair* find(const std::string& channel, Role role) const noexcept;

  using OfChannel = std::array<std::optional<Pair>, 2>;
  std::map<std::string, OfChannel, std::less<>> doorbells_;  ///< of channels that have one at least
  std::size_t count_ = 0;
};

}  // namespace zipc
