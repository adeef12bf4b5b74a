/// How this run of zipcctl reaches channels: over a broker, without one, or as it finds things.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <zipc/zipc.hpp>

namespace zipc::ctl {

/// What `send`, `receive` and `create` make a channel with when nobody says anything else.
inline constexpr Params kDefaultParams{.queue_size = 64, .message_size = 64 * 1024};

/// The sizes given on the command line.
struct Sizes {
  std::optional<std::uint32_t> queue_size;
  std::optional<std::uint32_t> message_size;

  [[nodiscard]] bool given() const noexcept { return queue_size || message_size; }
  /// With the defaults for what was not given.
  [[nodiscard]] Params params() const noexcept {
    return {.queue_size = queue_size.value_or(kDefaultParams.queue_size),
            .message_size = message_size.value_or(kDefaultParams.message_size)};
  }
};

/// Which broker the command line chooses.
struct AccessOptions {
  std::string socket;      ///< the broker that listens here and no other; empty: the library's choice
  bool no_broker = false;  ///< none at all
};

/// *Ownership.* Holds the connection to the broker, and so outlives the senders and receivers that it gives out.
class Access {
 public:
  /// Passes the choice on to the library, by the environment. Before any other thread exists.
  explicit Access(AccessOptions options);

  /// The connection to the broker, made at the first call. Error::no_broker when none may be asked or none listens;
  /// protocol; invalid_argument: ZIPC_BROKER is none of its words.
  [[nodiscard]] Result<std::reference_wrapper<Client>> broker();

  /// The same, or null when there is none and channels may be made without one.
  [[nodiscard]] Result<Client*> broker_if_any();

  /// Takes a role. With sizes as Sender::create; without, the channel's sizes are taken, and a channel that does not
  /// exist is made with the defaults. Both ends may do so at the same time.
  [[nodiscard]] Result<Sender> sender(std::string_view name, const Sizes& sizes);
  [[nodiscard]] Result<Receiver> receiver(std::string_view name, const Sizes& sizes);

 private:
  enum class Broker { automatic, required, off, unknown };

  [[nodiscard]] static Broker chosen_by_environment();

  AccessOptions options_;
  Broker use_ = Broker::automatic;
  std::optional<Client> client_;
};

}  // namespace zipc::ctl
