#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <unordered_map>

#include "daemon/liveness.h"
#include "daemon/log.h"

namespace zipc {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

/// When to look again at a lock that is still there after the kernel's word. It is microseconds late, or as long as a hypervisor
/// takes the processor away in between; a holder that did not go at all (it closed another description of the same segment) is
/// then left in peace.
constexpr std::array kLookAgainAfter{std::chrono::milliseconds(1),   std::chrono::milliseconds(5),   std::chrono::milliseconds(25),
                                     std::chrono::milliseconds(125), std::chrono::milliseconds(625), std::chrono::milliseconds(3125)};

std::size_t watches_of_user() {
  std::size_t most = 8192;  // the least that the kernel sets by itself
  std::ifstream("/proc/sys/fs/inotify/max_user_watches") >> most;
  return most;
}

}  // namespace

class Liveness::Watcher {
 public:
  Watcher(asio::io_context& io, std::size_t most_resting) : io_(io), events_(io), most_resting_(most_resting) {
    const int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0) {
      log::warning(std::string("no inotify, so dead holders are noticed late: ") + std::strerror(errno));
      return;
    }
    events_.assign(fd);
    read();
  }

  bool watch(const std::string& name, int fd) {
    resting_.erase(name);
    if (!events_.is_open()) return false;
    if (watches_.contains(name)) return true;
    // By descriptor, not by name: the name may lead to another file by now.
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    const auto add = [&] { return inotify_add_watch(events_.native_handle(), path.c_str(), IN_CLOSE_WRITE); };
    int watch = add();
    while (watch < 0 && errno == ENOSPC && !resting_.empty()) {  // the user has no more
      give_up_one_that_rests();
      watch = add();
    }
    if (watch < 0) {
      log::warning("cannot watch " + name + ", so a dead holder is noticed late: " + std::strerror(errno));
      return false;
    }
    lose(watch);  // the kernel has one for each file: it may have been renamed
    watches_[name] = watch;
    names_[watch] = name;
    return true;
  }

  void watch_holder(const std::string& name, int fd) {
    if (watch(name, fd)) look_later(name, 0);
  }

  void rest(const std::string& name) {
    rechecks_.erase(name);
    if (watches_.contains(name)) resting_.insert(name);
    if (resting_.size() > most_resting_) give_up_one_that_rests();
  }

  void unwatch(const std::string& name) {
    const auto watch = watches_.find(name);
    if (watch == watches_.end()) return;
    inotify_rm_watch(events_.native_handle(), watch->second);  // fails if the file has gone, and the watch with it
    lose(watch->second);
  }

  void catch_up() {
    if (!events_.is_open()) return;
    // Into a buffer of its own: the pending read may have filled the other. One that finds nothing left goes on
    // waiting.
    alignas(inotify_event) std::array<char, 4096> buffer;
    ssize_t size = 0;
    while ((size = ::read(events_.native_handle(), buffer.data(), buffer.size())) > 0) {
      for (const std::string& name : take_names(buffer, static_cast<std::size_t>(size))) look(name, 0);
    }
    std::set<std::string> soon;
    for (const auto& [name, recheck] : rechecks_) soon.insert(name);
    for (const std::string& name : soon) {
      if (prompt) prompt(name);  // whatever it says, the look that is due stays so
    }
  }

  void stop() {
    stopped_ = true;
    rechecks_.clear();
    error_code ignored;
    events_.close(ignored);
  }

  Prompt prompt;

 private:
  struct Recheck {
    asio::steady_timer timer;
    std::size_t step = 0;
  };

  void read() {
    events_.async_read_some(asio::buffer(buffer_), [this](const error_code& error, std::size_t size) {
      if (error == asio::error::operation_aborted) return;
      if (error) return log::error("cannot read from inotify: " + error.message());
      for (const std::string& name : take_names(buffer_, size)) look(name, 0);
      if (!stopped_) read();
    });
  }

  void give_up_one_that_rests() { unwatch(std::string(*resting_.begin())); }

  /// Forgets what is known of a watch that the kernel has no more, or has for another name.
  void lose(int watch) {
    const auto name = names_.find(watch);
    if (name == names_.end()) return;
    rechecks_.erase(name->second);
    resting_.erase(name->second);
    watches_.erase(name->second);
    names_.erase(name);
  }

  /// The channels that the first `size` bytes of `buffer` are about. Files that have gone while nobody held them are lost; of
  /// others the holder may be on its way out, and is looked at again.
  [[nodiscard]] std::set<std::string> take_names(const std::array<char, 4096>& buffer, std::size_t size) {
    std::set<std::string> names;
    for (std::size_t offset = 0; offset + sizeof(inotify_event) <= size;) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + offset, sizeof event);
      offset += sizeof event + event.len;
      if ((event.mask & IN_Q_OVERFLOW) != 0) {  // some were dropped: it may be any
        for (const auto& [name, watch] : watches_) names.insert(name);
      } else if (const auto name = names_.find(event.wd); name != names_.end()) {
        names.insert(name->second);
        if ((event.mask & IN_IGNORED) != 0 && resting_.contains(name->second)) lose(event.wd);
      }
    }
    return names;
  }

  void look(const std::string& name, std::size_t step) {
    if (resting_.contains(name)) return;
    const bool still_held = prompt && prompt(name);  // may unwatch the channel
    if (!still_held || step == kLookAgainAfter.size() || !watches_.contains(name) || stopped_) {
      rechecks_.erase(name);
      return;
    }
    look_later(name, step);
  }

  void look_later(const std::string& name, std::size_t step) {
    auto [recheck, is_new] = rechecks_.try_emplace(name, Recheck{asio::steady_timer(io_), step});
    recheck->second.step = step;
    recheck->second.timer.expires_after(kLookAgainAfter[step]);
    recheck->second.timer.async_wait([this, name](const error_code& error) {
      const auto due = rechecks_.find(name);
      if (error || due == rechecks_.end()) return;
      look(name, due->second.step + 1);
    });
  }

  asio::io_context& io_;
  asio::posix::stream_descriptor events_;
  alignas(inotify_event) std::array<char, 4096> buffer_{};
  std::map<std::string, int> watches_;
  std::unordered_map<int, std::string> names_;
  std::set<std::string> resting_;  // of the watched channels, those that nobody holds
  std::size_t most_resting_;
  std::map<std::string, Recheck> rechecks_;  // channels that are looked at again soon
  bool stopped_ = false;
};

Liveness::Liveness(asio::io_context& io, std::optional<std::size_t> most_resting)
    : watcher_(std::make_unique<Watcher>(io, most_resting ? *most_resting : watches_of_user() / 4)) {}
Liveness::~Liveness() = default;
void Liveness::on_prompt(Prompt prompt) { watcher_->prompt = std::move(prompt); }
bool Liveness::watch(const std::string& name, int fd) { return watcher_->watch(name, fd); }
void Liveness::watch_holder(const std::string& name, int fd) { watcher_->watch_holder(name, fd); }
void Liveness::rest(const std::string& name) { watcher_->rest(name); }
void Liveness::unwatch(const std::string& name) { watcher_->unwatch(name); }
void Liveness::catch_up() { watcher_->catch_up(); }
void Liveness::stop() { watcher_->stop(); }

}  // namespace zipc
