#include "daemon/service.h"

namespace zipc::service {

Result<UniqueFd> inherited_socket() { return UniqueFd(); }
void ready() {}
void reloading() {}
void stopping() {}
void status(const std::string&) {}

}  // namespace zipc::service
