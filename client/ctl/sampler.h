/// Looks at the broker again and again, from a thread of its own: a broker that does not answer stops nobody who draws.
///
/// *Thread safety.* Everything but the destructor may be called from any thread.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <vector>
#include <zipc/zipc.hpp>

#include "client/ctl/units.h"

namespace zipc::ctl {

/// The broker and its channels at one moment.
struct Sample {
  std::chrono::steady_clock::time_point at;
  BrokerInfo broker;
  std::vector<ChannelInfo> channels;
};

/// A sample, or why there is none.
using Observation = Result<Sample>;

class Sampler {
 public:
  /// Looks at once, again soon after so that something can be compared, and then at every `interval`. Error::system.
  [[nodiscard]] static Result<Sampler> start(Client client, milliseconds interval);

  Sampler(Sampler&&) noexcept = default;
  Sampler& operator=(Sampler&&) = delete;
  /// Does not wait for a broker that does not answer: the thread ends by itself when it does, or with the process.
  ~Sampler();

  /// Can be read when there may be an observation to take().
  [[nodiscard]] int fd() const noexcept;
  /// The next observation; nothing if there is none that was not taken yet. Does not block.
  [[nodiscard]] std::optional<Observation> take();

 private:
  struct State;
  explicit Sampler(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}
  static void look(State& state);

  std::shared_ptr<State> state_;
};

}  // namespace zipc::ctl
