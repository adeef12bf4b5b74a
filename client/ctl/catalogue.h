/// zipcctl list, get, ping and errors: what there is, for people as tables and for programs as JSON.
#pragma once

#include <string>

#include "client/ctl/access.h"

namespace zipc::ctl {

struct ListOptions {
  bool json = false;
};
struct GetOptions {
  std::string channel;
  bool json = false;
};
struct PingOptions {
  bool json = false;
};
struct ErrorsOptions {
  bool json = false;
};

[[nodiscard]] Result<void> run(Access& access, const ListOptions& options);
[[nodiscard]] Result<void> run(Access& access, const GetOptions& options);
[[nodiscard]] Result<void> run(Access& access, const PingOptions& options);
/// Asks nobody.
[[nodiscard]] Result<void> run(Access& access, const ErrorsOptions& options);

}  // namespace zipc::ctl
