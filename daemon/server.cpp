#include "daemon/server.h"

#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <optional>
#include <utility>
#include <variant>

#include "daemon/accounts.h"
#include "daemon/broker.h"
#include "daemon/changes.h"
#include "daemon/connections.h"
#include "daemon/events.h"
#include "daemon/listener.h"
#include "daemon/liveness.h"
#include "daemon/log.h"
#include "daemon/methods.h"
#include "daemon/processes.h"
#include "daemon/receipts.h"
#include "daemon/self.h"
#include "daemon/service.h"
#include "daemon/turns.h"

namespace zipc {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::steady_clock;

/// The status text is written this long after a count has changed, however many follow.
constexpr auto kStatusDelay = std::chrono::milliseconds(50);

/// Leases are numbered from the time of the start, in milliseconds, so that a number of an earlier broker, which a
/// client may still have, is not that of another lease now. As a JSON number it is exact.
LeaseId first_lease() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return LeaseId{static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count())};
}

/// nullopt: zipcd's own. Error::invalid_argument: there is no such group.
Result<std::optional<gid_t>> group_of(const SocketConfig& socket) {
  if (socket.group.empty()) return std::optional<gid_t>();
  if (const auto group = find_group(socket.group)) return group;
  return Failure{Error::invalid_argument, "there is no group " + socket.group};
}

class Server {
 public:
  Server(const Config& config, const ServerOptions& options, Listener listener)
      : options_(options),
        socket_(config.socket),
        listener_(std::move(listener)),
        liveness_(io_),
        processes_(io_),
        events_(io_, processes_),
        broker_(broker_id_of(geteuid(), listener_.path()), resolve(config, options.config_file), first_lease(),
                liveness_, events_, processes_),
        methods_(broker_, events_,
                 {.connections = [this] { return connections_.count(); },
                  .descriptors = [this] { return descriptors_expected(); },
                  .socket_changes = [this](const SocketConfig& next) { return socket_changes(next); },
                  .follow = [this](const Config& next) { return follow(next); },
                  .started = steady_clock::now()}),
        turns_(io_),
        receipts_(io_),
        connections_(io_, listener_.take_socket(), config.limits, methods_, processes_, turns_, receipts_, [this] { settle(); }),
        signals_(io_, SIGTERM, SIGINT, SIGHUP),
        reap_timer_(io_),
        status_timer_(io_) {}

  void run() {
    liveness_.on_prompt([this](const std::string& name) {
      const bool somebody_is_there = broker_.look_at(name, steady_clock::now());
      settle();
      return somebody_is_there;
    });
    events_.on_tick([this](bool is_first) {
      broker_.look_at_queues(is_first, steady_clock::now());
      settle();
    });
    broker_.start(steady_clock::now());
    wait_for_signal();
    connections_.start();
    if (const auto open = open_descriptors()) descriptors_fixed_ = *open - descriptors_in_use();
    log::info("listening at " + listener_.path());
    settle();
    publish_status();
    service::ready();
    io_.run();
  }

 private:
  void wait_for_signal() {
    signals_.async_wait([this](const error_code& error, int signal) {
      if (error) return;
      if (signal != SIGHUP) return stop(signal);
      reload();
      wait_for_signal();
    });
  }

  void stop(int signal) {
    log::info(std::string("stopping at ") + (signal == SIGTERM ? "SIGTERM" : "SIGINT"));
    service::stopping();
    stopping_ = true;
    connections_.stop();
    receipts_.stop();
    broker_.stop(steady_clock::now());
    liveness_.stop();
    processes_.stop();
    reap_timer_.cancel();
    status_timer_.cancel();
  }

  void reload() {
    service::reloading();
    const Result<void> loaded = load();
    note_ = loaded ? "" : "; " + loaded.failure().message;
    settle();
    publish_status();
    service::ready();
  }

  /// Applies the configuration file if it is valid; otherwise nothing changes.
  Result<void> load() {
    if (options_.config_file.empty()) {
      log::warning("there is no configuration file to reload");
      return {};
    }
    const ConfigResult result = load_config_file(options_.config_file, ConfigSource::file);
    if (const auto* mistakes = std::get_if<std::vector<Diagnostic>>(&result)) {
      for (const Diagnostic& mistake : *mistakes) log::error(to_string(mistake));
      log::error("the configuration is not reloaded: nothing has changed");
      return Failure{Error::invalid_argument,
                     "reload failed: " + log::plural(mistakes->size(), "mistake") + " in " + options_.config_file};
    }
    const Config& config = std::get<Config>(result);
    const Client ourselves{.pid = getpid(), .uid = geteuid(), .gid = getegid(), .groups = {}};
    const auto applied = broker_.apply(resolve(config, options_.config_file), ourselves, steady_clock::now());
    if (!applied) {
      log::error(applied.failure().message);
      log::error("the configuration is not reloaded: nothing has changed");
      return Failure{applied.error(), "reload failed: " + applied.failure().message};
    }
    if (auto followed = follow(config); !followed) {
      log::error(followed.failure().message);
      return Failure{followed.error(), "reload failed: " + followed.failure().message};
    }
    log::info("configuration reloaded from " + options_.config_file);
    return {};
  }

  [[nodiscard]] std::string socket_changes(const SocketConfig& next) const {
    std::string words = changes(socket_, next);
    if (!words.empty() && !listener_.is_ours()) words += ", without effect: the service manager has made the socket";
    return words;
  }

  /// What a configuration says about more than channels.
  Result<void> follow(const Config& config) {
    connections_.set_limits(config.limits);
    const SocketConfig& next = config.socket;
    if (next.path != socket_.path) log::warning("socket.path is " + next.path + " now; it takes effect at the next start");
    if (next.mode == socket_.mode && next.group == socket_.group) return {};
    if (!listener_.is_ours()) {
      log::warning("socket.mode and socket.group have no effect: the service manager has made the socket");
      return {};
    }
    if (auto opened = open_socket_to(next); !opened) {
      return Failure{opened.error(), "the channels are as configured, but who may connect is as before: " + opened.failure().message};
    }
    log::info("the socket has mode " + octal(next.mode) + " now, " + (next.group.empty() ? "zipcd's own group" : "group " + next.group));
    socket_.mode = next.mode;
    socket_.group = next.group;
    return {};
  }

  Result<void> open_socket_to(const SocketConfig& next) {
    auto group = group_of(next);
    if (!group) return group.failure();
    if (next.group == socket_.group) return listener_.open_to(next.mode, std::nullopt);
    return listener_.open_to(next.mode, group->value_or(getegid()));
  }

  /// After anything that may have changed the broker: sets the clock for what is due next, and the status.
  void settle() {
    if (stopping_) return;
    if (const auto deadline = broker_.next_deadline(); deadline != reap_at_) {
      reap_at_ = deadline;
      reap_timer_.cancel();
      if (deadline) wait_until(*deadline);
    }
    if (status_due_ || status_text() == status_) return;
    status_due_ = true;
    status_timer_.expires_after(kStatusDelay);
    status_timer_.async_wait([this](const error_code& error) {
      if (!error) publish_status();
    });
  }

  void wait_until(TimePoint deadline) {
    reap_timer_.expires_at(deadline);
    reap_timer_.async_wait([this](const error_code& error) {
      if (error) return;
      reap_at_.reset();
      broker_.reap(steady_clock::now());
      settle();
    });
  }

  [[nodiscard]] std::string status_text() const {
    const std::size_t without = broker_.registry().without_memory();
    return log::plural(broker_.registry().channels().size(), "channel") +
           (without != 0 ? ", " + std::to_string(without) + " of them without memory" : "") + ", " +
           log::plural(broker_.registry().lease_count(), "lease") + ", " + log::plural(connections_.count(), "connection") +
           note_;
  }

  [[nodiscard]] std::size_t descriptors_in_use() const noexcept {
    return connections_.descriptors() + processes_.descriptors() + broker_.doorbell_descriptors();
  }

  [[nodiscard]] std::optional<std::size_t> descriptors_expected() const noexcept {
    if (!descriptors_fixed_) return std::nullopt;
    return *descriptors_fixed_ + descriptors_in_use();
  }

  void publish_status() {
    status_due_ = false;
    status_ = status_text();
    service::status(status_);
  }

  // In the order of dependence: what stands below uses what stands above.
  asio::io_context io_{1};
  ServerOptions options_;
  SocketConfig socket_;  ///< in force; its path is that of the configuration at the start
  Listener listener_;
  Liveness liveness_;
  Processes processes_;
  Events events_;
  Broker broker_;
  Methods methods_;
  Turns turns_;
  Receipts receipts_;
  Connections connections_;
  asio::signal_set signals_;
  asio::steady_timer reap_timer_;
  std::optional<TimePoint> reap_at_;  ///< what reap_timer_ waits for
  asio::steady_timer status_timer_;
  std::optional<std::size_t> descriptors_fixed_;  ///< how many are open as long as zipcd runs
  std::string status_;                            ///< as last published
  std::string note_;                              ///< what went wrong last, for the status
  bool status_due_ = false;
  bool stopping_ = false;
};

Result<Listener> make_listener(const Config& config, const ServerOptions& options) {
  auto inherited = service::inherited_socket();
  if (!inherited) return inherited.failure();
  if (*inherited) {
    Listener listener = Listener::adopt(std::move(*inherited));
    if (!options.socket_path.empty()) log::warning("--socket is ignored: the service manager passes the socket");
    return listener;
  }
  const auto group = group_of(config.socket);
  if (!group) return group.failure();
  const std::string& path = options.socket_path.empty() ? config.socket.path : options.socket_path;
  return Listener::bind(canonical_socket_path(path), config.socket.mode, *group);
}

/// Two descriptors a connection: as many as the system allows without asking anybody.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

Result<void> serve(const Config& config, const ServerOptions& options) {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGIO, SIG_IGN);  // of file leases: segments_linux.cpp
  raise_descriptor_limit();
  auto listener = make_listener(config, options);
  if (!listener) return listener.failure();
  Server(config, options, std::move(*listener)).run();
  return {};
}

}  // namespace zipc
