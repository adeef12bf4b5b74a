/// What zipcd and the service manager that started it tell each other. Without one, nothing happens.
///
/// One of service_systemd.cpp, service_launchd.cpp and service_none.cpp is compiled.
#pragma once

#include <string>

#include "common/unique_fd.h"
#include "common/zipc/error.hpp"

namespace zipc::service {

/// The socket that the service manager listens at for us; empty: it passed none. Error::invalid_argument when it passed
/// several, or something that is no listening Unix stream socket. Call once.
[[nodiscard]] Result<UniqueFd> inherited_socket();

/// Serving has begun, or begun again after reloading().
void ready();
/// The configuration is being read again.
void reloading();
void stopping();
/// What a person sees in the status of the service: one line.
void status(const std::string& text);

}  // namespace zipc::service
