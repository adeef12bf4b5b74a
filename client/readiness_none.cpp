#include "client/readiness.h"

namespace zipc {

class BrokerLink {};
struct Readiness::Own {};

Readiness::Readiness(std::string channel, Role role, std::string broker)
    : channel_(std::move(channel)), role_(role), broker_(std::move(broker)) {}
Readiness::~Readiness() = default;

Result<int> Readiness::descriptor() {
  return Failure{Error::unsupported, "on this platform there is no descriptor to wait by; wait with the blocking calls, "
                                     "in a thread if need be"};
}

bool Readiness::arm(Ring) noexcept { return false; }
void Readiness::disarm(Ring) noexcept {}
void Readiness::make_readable() noexcept {}
bool Readiness::ring_peer(std::uint32_t) noexcept { return false; }

namespace readiness {
void add(const void*, std::shared_ptr<Readiness>) {}
void remove(const void*) noexcept {}
std::shared_ptr<Readiness> find(const void*) noexcept { return nullptr; }
void lock_for_fork() noexcept {}
void unlock_after_fork() noexcept {}
}  // namespace readiness

}  // namespace zipc
