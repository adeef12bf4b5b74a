#include "client/ctl/interruption.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "client/ctl/complaint.h"

namespace zipc::ctl {
namespace {

volatile sig_atomic_t arrived = 0;
std::array<int, 2> wake_pipe{-1, -1};

extern "C" void note(int number) {
  const int saved = errno;
  arrived = number;
  const char byte = 0;
  const auto written = write(wake_pipe[1], &byte, 1);  // a full pipe wakes as well
  static_cast<void>(written);
  errno = saved;
}

void handle(int number) {
  struct sigaction before {};
  sigaction(number, nullptr, &before);
  if (before.sa_handler == SIG_IGN) return;
  struct sigaction action {};
  action.sa_handler = note;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, nullptr);
}

}  // namespace

Result<void> note_signals() {
  if (pipe(wake_pipe.data()) != 0) return system_failure("make", "a pipe", errno);
  fcntl(wake_pipe[1], F_SETFL, O_NONBLOCK);
  handle(SIGHUP);
  handle(SIGINT);
  handle(SIGTERM);
  signal(SIGPIPE, SIG_IGN);
  return {};
}

int interrupting_signal() noexcept { return arrived; }

Failure interrupted() {
  const char* name = arrived == SIGHUP ? "SIGHUP" : arrived == SIGINT ? "SIGINT" : "SIGTERM";
  return Failure{Error::system, std::string("ended by ") + name};
}

Result<void> wait_until_ready(int fd, Readiness readiness) {
  std::array<pollfd, 2> watched{{
      {.fd = fd, .events = static_cast<short>(readiness == Readiness::to_read ? POLLIN : POLLOUT), .revents = 0},
      {.fd = wake_pipe[0], .events = POLLIN, .revents = 0},
  }};
  while (arrived == 0) {
    if (poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR)
      return system_failure("wait for", "a file", errno);
    if (watched[0].revents != 0 && arrived == 0) return {};  // a producer that the same signal has ended makes the file ready, too
  }
  return interrupted();
}

Result<void> wait_for_input(int fd, int other_fd) {
  std::array<pollfd, 3> watched{{
      {.fd = fd, .events = POLLIN, .revents = 0},
      {.fd = other_fd, .events = POLLIN, .revents = 0},
      {.fd = wake_pipe[0], .events = POLLIN, .revents = 0},
  }};
  if (arrived != 0) return interrupted();
  if (poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) {
    return system_failure("wait for", "input", errno);
  }
  return arrived == 0 ? Result<void>{} : interrupted();
}

Result<void> pause_for(std::chrono::milliseconds duration) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + duration;
  pollfd wake{.fd = wake_pipe[0], .events = POLLIN, .revents = 0};
  for (auto now = Clock::now(); now < end && arrived == 0; now = Clock::now()) {
    poll(&wake, 1, static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(end - now).count()));
  }
  return arrived == 0 ? Result<void>{} : interrupted();
}

}  // namespace zipc::ctl
