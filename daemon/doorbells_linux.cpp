#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <random>

#include "daemon/doorbells.h"
#include "daemon/refusals.h"

namespace zipc {
namespace {

/// By chance, for a broker that is started later must not give the number of an earlier one's doorbell to another.
std::uint32_t make_serial() {
  static std::random_device source;
  const std::uint32_t serial = source() & kDoorbellSerialMax;
  return serial != 0 ? serial : 1;
}

Failure no_descriptor(int number) {
  return {.code = Error::limit_reached,
          .message = std::string("no descriptor for a doorbell: ") + std::strerror(number),
          .rule = kDescriptorLimit};
}

/// Whether one of those who have an end has made it void.
bool is_shut(const Doorbell& to_poll) noexcept {
  pollfd polled{.fd = to_poll.fd.get(), .events = POLLRDHUP, .revents = 0};
  return poll(&polled, 1, 0) > 0;
}

std::uint64_t most() noexcept {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  return Doorbells::share_of(limit.rlim_cur);
}

}  // namespace

Result<Doorbell> Doorbells::get(const std::string& channel, Role role, End end) {
  if (const Pair* known = find(channel, role); known != nullptr && is_shut(known->to_poll)) drop(channel, role);
  if (find(channel, role) == nullptr) {
    if (descriptors() + 2 > most()) return no_descriptor(EMFILE);
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return no_descriptor(errno);
    const std::uint32_t serial = make_serial();
    Pair made{.to_poll = {.fd = UniqueFd(ends[0]), .serial = serial}, .to_ring = {.fd = UniqueFd(ends[1]), .serial = serial}};
    doorbells_[channel][index_of(role)] = std::move(made);
    ++count_;
  }
  const Pair& pair = *find(channel, role);
  const Doorbell& wanted = end == End::to_poll ? pair.to_poll : pair.to_ring;
  Doorbell copy{.fd = UniqueFd(fcntl(wanted.fd.get(), F_DUPFD_CLOEXEC, 0)), .serial = wanted.serial};
  if (!copy.fd) return no_descriptor(errno);
  return copy;
}

void Doorbells::ring(const std::string& channel, Role role) noexcept {
  if (const Pair* pair = find(channel, role)) pair->to_ring.ring();
}

const Doorbells::Pair* Doorbells::find(const std::string& channel, Role role) const noexcept {
  const auto known = doorbells_.find(channel);
  return known != doorbells_.end() && known->second[index_of(role)] ? &*known->second[index_of(role)] : nullptr;
}

void Doorbells::drop(const std::string& channel, Role role) noexcept {
  const auto known = doorbells_.find(channel);
  if (known == doorbells_.end()) return;
  auto& pair = known->second[index_of(role)];
  if (!pair) return;
  pair->to_ring.make_void();
  pair.reset();
  --count_;
  if (!known->second[0] && !known->second[1]) doorbells_.erase(known);
}

}  // namespace zipc
