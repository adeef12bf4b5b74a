#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <random>

#include "daemon/doorbells.h"

namespace zipc {
namespace {

/// By chance, for a broker that is started later must not give the number of an earlier one's doorbell to another.
std::uint32_t make_serial() {
  static std::random_device source;
  const std::uint32_t serial = source() & kDoorbellSerialMax;
  return serial != 0 ? serial : 1;
}

Failure no_descriptor(int number) {
  const std::string rule = "the number of descriptors that zipcd may have (LimitNOFILE)";
  return {.code = Error::limit_reached,
          .message = std::string("no descriptor for a doorbell: ") + std::strerror(number),
          .rule = rule};
}

std::uint64_t most() noexcept {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  return Doorbells::share_of(limit.rlim_cur);
}

}  // namespace

Result<Doorbell> Doorbells::get(const std::string& channel, Role role) {
  const auto known = doorbells_.find(channel);
  if (known == doorbells_.end() || !known->second[index_of(role)]) {
    if (count_ >= most()) return no_descriptor(EMFILE);
    Doorbell made{.fd = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), .serial = make_serial()};
    if (!made.fd) return no_descriptor(errno);
    doorbells_[channel][index_of(role)] = std::move(made);
    ++count_;
  }
  const Doorbell& doorbell = *doorbells_.find(channel)->second[index_of(role)];
  Doorbell copy{.fd = UniqueFd(fcntl(doorbell.fd.get(), F_DUPFD_CLOEXEC, 0)), .serial = doorbell.serial};
  if (!copy.fd) return no_descriptor(errno);
  return copy;
}

void Doorbells::ring(const std::string& channel, Role role) noexcept {
  const auto known = doorbells_.find(channel);
  if (known == doorbells_.end()) return;
  if (const auto& doorbell = known->second[index_of(role)]) doorbell->add(kDoorbellRung);
}

void Doorbells::drop(const std::string& channel, Role role) noexcept {
  const auto known = doorbells_.find(channel);
  if (known == doorbells_.end()) return;
  auto& doorbell = known->second[index_of(role)];
  if (!doorbell) return;
  doorbell->add(kDoorbellVoid);
  doorbell.reset();
  --count_;
  if (!known->second[0] && !known->second[1]) doorbells_.erase(known);
}

}  // namespace zipc
