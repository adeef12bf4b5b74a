#include "common/doorbell.h"

#include <sys/socket.h>

#include <atomic>
#include <cerrno>

namespace zipc {
namespace {

std::atomic<Bellringer> bellringer{nullptr};

#ifdef MSG_NOSIGNAL
constexpr int kAtOnce = MSG_DONTWAIT | MSG_NOSIGNAL;
#else
constexpr int kAtOnce = MSG_DONTWAIT;  // where there are no doorbells
#endif

}  // namespace

void Doorbell::ring() const noexcept {
  static_cast<void>(!send(fd.get(), "", 1, kAtOnce));  // it fails only if it is ringing already, or void
}

void Doorbell::make_void() const noexcept { shutdown(fd.get(), SHUT_RDWR); }

bool Doorbell::take_rings() const noexcept {
  char taken[1024];
  const ssize_t count = recv(fd.get(), taken, sizeof taken, MSG_DONTWAIT);
  return count > 0 || (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR));
}

bool ring_doorbell(const void* memory, std::uint32_t serial) noexcept {
  const Bellringer ringer = bellringer.load(std::memory_order_relaxed);  // a function: nothing else has to be visible
  return ringer != nullptr && ringer(memory, serial);
}

void set_bellringer(Bellringer ringer) noexcept { bellringer.store(ringer, std::memory_order_relaxed); }  // the same

}  // namespace zipc
