/// The whole of zipcd at work: its socket, its clients, its clock, its signals, around one Broker.
#pragma once

#include <string>

#include "common/zipc/error.hpp"
#include "config/config.h"

namespace zipc {

struct ServerOptions {
  std::string config_file;  ///< read again at SIGHUP; empty: there is none
  std::string socket_path;  ///< goes before the configuration's; empty: that one
};

/// Serves until SIGTERM or SIGINT. One thread, this one.
/// Error::busy when another zipcd runs on the socket; otherwise what is in the way of listening.
[[nodiscard]] Result<void> serve(const Config& config, const ServerOptions& options);

}  // namespace zipc
