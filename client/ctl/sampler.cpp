#include "client/ctl/sampler.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "client/ctl/complaint.h"

namespace zipc::ctl {
namespace {

constexpr milliseconds kSecondLook{200};  // after the first: rates need two

Observation observe(Client& client) {
  auto broker = client.ping();
  if (!broker) return broker.failure();
  auto channels = client.list();
  if (!channels) return channels.failure();
  return Sample{.at = std::chrono::steady_clock::now(), .broker = *std::move(broker), .channels = *std::move(channels)};
}

}  // namespace

struct Sampler::State {
  State(Client connected, milliseconds every) : client(std::move(connected)), interval(every) {}
  ~State() {
    for (const int end : pipe_ends) {
      if (end >= 0) close(end);
    }
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  Client client;  ///< the thread's alone
  const milliseconds interval;
  std::array<int, 2> pipe_ends{-1, -1};  ///< holds a byte for each observation

  std::mutex mutex;
  std::condition_variable stopping;
  bool stopped = false;
  std::deque<Observation> observations;
};

Result<Sampler> Sampler::start(Client client, milliseconds interval) {
  auto state = std::make_shared<State>(std::move(client), interval);
  if (pipe(state->pipe_ends.data()) != 0) return system_failure("make", "a pipe", errno);
  for (const int end : state->pipe_ends) {
    fcntl(end, F_SETFD, FD_CLOEXEC);
    fcntl(end, F_SETFL, O_NONBLOCK);
  }
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the thread that waits for them
  std::thread([state] { look(*state); }).detach();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return Sampler(std::move(state));
}

Sampler::~Sampler() {
  if (!state_) return;
  const std::scoped_lock lock(state_->mutex);
  state_->stopped = true;
  state_->stopping.notify_all();
}

int Sampler::fd() const noexcept { return state_->pipe_ends[0]; }

std::optional<Observation> Sampler::take() {
  const std::scoped_lock lock(state_->mutex);
  if (state_->observations.empty()) return {};
  char byte = 0;
  static_cast<void>(read(state_->pipe_ends[0], &byte, 1) == 1);
  Observation oldest = std::move(state_->observations.front());
  state_->observations.pop_front();
  return oldest;
}

void Sampler::look(State& state) {
  milliseconds pause = std::min(kSecondLook, state.interval);
  for (;;) {
    Observation observation = observe(state.client);
    std::unique_lock lock(state.mutex);
    if (state.stopped) return;
    state.observations.push_back(std::move(observation));
    static_cast<void>(write(state.pipe_ends[1], "", 1) == 1);
    if (state.stopping.wait_for(lock, pause, [&] { return state.stopped; })) return;
    pause = state.interval;
  }
}

}  // namespace zipc::ctl
