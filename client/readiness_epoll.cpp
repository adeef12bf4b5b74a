#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "client/attachments.h"
#include "client/connection.h"
#include "client/readiness.h"

namespace zipc {
namespace {

using std::chrono::milliseconds;

/// How often to look where nobody rings: beside an existing peer or without a broker; and where nobody is, for an existing
/// peer that comes is not seen otherwise.
constexpr milliseconds kLookBesideOthers{10};
constexpr milliseconds kLookWhileAlone{100};
/// An existing receiver may take the place of a zipc receiver that was killed, unseen.
constexpr milliseconds kSenderLooks = kSenderSleep.beside_zipc;

/// How long a call that does not block may wait for the broker. What it has asked for happens all the same: who is waited
/// for too long still reads the request.
constexpr milliseconds kPatience{100};
/// When to ask again, after a refusal or no answer. If nobody listens, which costs little: kLookBesideOthers.
constexpr milliseconds kAskAgain{1000};

enum : std::uint32_t { kOfDoorbell, kOfTimer, kOfOurs, kOfLink };

Failure system_failure(const char* what) {
  return {Error::system, std::string(what) + ": " + std::strerror(errno)};
}

Result<Doorbell> doorbell_in(const Result<protocol::json::object>& answer, std::vector<UniqueFd> fds) {
  if (!answer) return answer.failure();
  const auto reply = protocol::decode_doorbell_reply(*answer);
  if (!reply) return Failure{Error::protocol, "the broker's reply makes no sense: " + reply.failure().message};
  const auto index = static_cast<std::size_t>(reply->doorbell);
  // The kernel drops what there is no descriptor for.
  if (index >= fds.size()) return Failure{Error::limit_reached, "this process has no descriptor left for a doorbell"};
  return Doorbell{.fd = std::move(fds[index]), .serial = reply->serial};
}

}  // namespace

/// A connection on which nothing is asked but for doorbells, and whose end is waited for. One for all roles of a process.
class BrokerLink {
 public:
  explicit BrokerLink(std::unique_ptr<Connection> connection) noexcept : connection_(std::move(connection)) {}

  /// Waits for the broker for `patience`.
  static Result<std::shared_ptr<BrokerLink>> to(const std::string& path, milliseconds patience);

  [[nodiscard]] Result<Doorbell> get(const std::string& channel, Role role) {
    const std::scoped_lock lock(links_mutex);
    std::vector<UniqueFd> fds;
    bool is_refusal = false;
    auto answer = connection_->call_here(protocol::method::kGetDoorbell,
                                         protocol::encode(protocol::DoorbellCall{.name = channel, .role = role}), &fds,
                                         is_refusal);
    if (!answer && !is_refusal) {
      has_ended_ = true;
      connection_->hang_up();  // what else may come over it answers a question nobody asks any more
    }
    return doorbell_in(answer, std::move(fds));
  }

  [[nodiscard]] int native_handle() const noexcept { return connection_->native_handle(); }
  void note_end() noexcept {
    const std::scoped_lock lock(links_mutex);
    has_ended_ = true;
  }

  static inline std::mutex links_mutex;  ///< of all that there are

 private:
  std::unique_ptr<Connection> connection_;
  bool has_ended_ = false;
};

Result<std::shared_ptr<BrokerLink>> BrokerLink::to(const std::string& path, milliseconds patience) {
  static auto& links = *new std::map<std::string, std::weak_ptr<BrokerLink>>;
  const std::scoped_lock lock(links_mutex);
  auto& known = links[path];
  if (auto link = known.lock(); link && !link->has_ended_ && link->connection_->is_ours()) return link;
  const auto timeout = broker_timeout();
  if (!timeout) return timeout.failure();
  auto connection = Connection::open({path}, std::min(patience, *timeout), std::min(kPatience, *timeout));
  if (!connection) return connection.failure();
  auto link = std::make_shared<BrokerLink>(std::move(*connection));
  known = link;
  return link;
}

/// What the descriptor consists of.
struct Readiness::Own {
  UniqueFd epoll;
  UniqueFd timer;
  UniqueFd ours;  ///< an eventfd that this process makes readable itself; nobody else has it but its children
  Doorbell doorbell;
  std::shared_ptr<BrokerLink> link;  ///< null: the broker that gave the doorbell has gone
  bool is_void = false;              ///< the doorbell is of no use, for nobody has it any more
  milliseconds period{0};            ///< of the timer; 0: it stands
  Clock::time_point ask_again{};     ///< when to look for a broker, if is_void or without a link
  pid_t process = getpid();

  bool add(int fd, std::uint32_t events, std::uint32_t whose) const noexcept {
    epoll_event event{};
    event.events = events;
    event.data.u32 = whose;
    return epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0;
  }
  // Closing would not do it: other processes have the same file open.
  void remove(int fd) const noexcept { epoll_ctl(epoll.get(), EPOLL_CTL_DEL, fd, nullptr); }

  void unlink() noexcept {
    if (link) remove(link->native_handle());
    link.reset();
  }

  void set_period(milliseconds wanted) noexcept {
    if (wanted == period) return;
    period = wanted;
    const timespec spec{.tv_sec = 0, .tv_nsec = static_cast<long>(std::chrono::nanoseconds(wanted).count())};
    const itimerspec times{.it_interval = spec, .it_value = spec};
    timerfd_settime(timer.get(), 0, &times, nullptr);
  }

  /// S0 of waiting.h. Makes the descriptor unreadable, and notes why it was readable where that matters.
  void drain() noexcept {
    std::array<epoll_event, 4> events;
    const int count = epoll_wait(epoll.get(), events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count; ++i) {
      std::uint64_t value = 0;
      switch (events[static_cast<std::size_t>(i)].data.u32) {
        case kOfDoorbell:
          if (doorbell.take_rings()) break;  // [doorbell]
          is_void = true;
          remove(doorbell.fd.get());
          break;
        case kOfOurs: static_cast<void>(!read(ours.get(), &value, sizeof value)); break;
        case kOfTimer: static_cast<void>(!read(timer.get(), &value, sizeof value)); break;
        default:
          link->note_end();
          unlink();
      }
    }
  }

  [[nodiscard]] milliseconds period_beside(Role role, Bellman bellman) const noexcept {
    if (!link || bellman == Bellman::none) return kLookBesideOthers;
    if (bellman == Bellman::nobody_yet) return kLookWhileAlone;
    return role == Role::sender ? kSenderLooks : milliseconds(0);
  }
};

Readiness::Readiness(std::string channel, Role role, std::string broker)
    : channel_(std::move(channel)), role_(role), broker_(std::move(broker)) {}
Readiness::~Readiness() = default;

Result<int> Readiness::descriptor() {
  if (own_ && own_->process == getpid()) return own_->epoll.get();
  own_.reset();  // a parent's: closed here, and nothing else, for it is one file for both
  auto own = std::make_unique<Own>();
  own->epoll.reset(epoll_create1(EPOLL_CLOEXEC));
  own->timer.reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  own->ours.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!own->epoll || !own->timer || !own->ours || !own->add(own->timer.get(), EPOLLIN, kOfTimer) ||
      !own->add(own->ours.get(), EPOLLIN, kOfOurs)) {
    return system_failure("cannot make a descriptor to wait by");
  }
  const auto patience = broker_timeout();
  if (!patience) return patience.failure();
  own_ = std::move(own);
  auto taken = take_doorbell(*patience);
  if (taken.error() == Error::no_broker) taken = take_doorbell(*patience);  // it has just been restarted
  if (!taken) {
    own_.reset();
    return taken.failure();
  }
  make_readable();
  return own_->epoll.get();
}

Result<void> Readiness::take_doorbell(milliseconds patience) {
  auto link = BrokerLink::to(broker_, patience);
  if (!link) return link.failure();
  auto doorbell = (*link)->get(channel_, role_);
  if (!doorbell) return doorbell.failure();
  if (!own_->add(doorbell->fd.get(), EPOLLIN, kOfDoorbell)) return system_failure("cannot poll a doorbell");
  if (own_->doorbell.fd) own_->remove(own_->doorbell.fd.get());
  own_->doorbell = std::move(*doorbell);
  own_->is_void = false;
  if (own_->link == *link) return {};
  own_->unlink();
  if (!own_->add((*link)->native_handle(), EPOLLRDHUP, kOfLink)) return system_failure("cannot poll the broker");
  own_->link = std::move(*link);
  return {};
}

void Readiness::look_for_broker() noexcept {
  if (Clock::now() < own_->ask_again) return;
  try {
    const auto taken = take_doorbell(milliseconds(0));
    if (!taken) own_->ask_again = Clock::now() + (taken.error() == Error::no_broker ? kLookBesideOthers : kAskAgain);
  } catch (const std::bad_alloc&) {
    own_->ask_again = Clock::now() + kAskAgain;
  }
}

bool Readiness::arm(Ring ring) noexcept {
  if (!own_ || own_->process != getpid()) return false;
  own_->drain();
  if (own_->is_void || !own_->link) look_for_broker();
  if (own_->is_void) {  // nobody can ring it: then nobody shall try
    own_->set_period(kLookBesideOthers);
    return true;
  }
  own_->set_period(own_->period_beside(role_, ring.wait_by_doorbell(role_, own_->doorbell.serial)));
  return true;
}

void Readiness::disarm(Ring ring) noexcept {
  if (ring.stop_waiting_by_doorbell(role_)) make_readable();
}

void Readiness::make_readable() noexcept {
  constexpr std::uint64_t once = 1;
  if (own_ && own_->process == getpid()) static_cast<void>(!write(own_->ours.get(), &once, sizeof once));
}

bool Readiness::ring_peer(std::uint32_t serial) noexcept try {
  if (peer_.serial != serial || (!peer_.fd && Clock::now() >= ask_again_)) return ask_for_peers(serial);
  if (!peer_.fd) return have_peer_rung();
  peer_.ring();  // [doorbell]
  return true;
} catch (const std::bad_alloc&) {
  return false;
}

// Without waiting for an answer: the broker is slow, or has no room for another connection, or we have no descriptor left. For
// the latter two there is the connection by which the role was taken, unless it is a Client's or a parent's, or another thread
// is talking over it. What is sent over a new one may be thrown away unread: then the next message tries again.
bool Readiness::have_peer_rung() {
  const protocol::DoorbellCall call{.name = channel_, .role = other(role_), .ring = true};
  if (Attachments::of_process().notify(broker_, protocol::method::kGetDoorbell, protocol::encode(call))) return true;
  auto connection = Connection::open({broker_}, milliseconds(0), milliseconds(1));
  if (connection) (*connection)->notify(protocol::method::kGetDoorbell, protocol::encode(call));
  return false;
}

// Over a connection of its own, which is closed again: this is done once for each doorbell, whatever else the process is
// talking about with the broker just now, and waits for the answer. If nobody listens, the peer has seen that, too, and looks
// by itself.
bool Readiness::ask_for_peers(std::uint32_t serial) {
  peer_ = {.fd = {}, .serial = serial};
  ask_again_ = Clock::now() + kAskAgain;
  auto connection = Connection::open({broker_}, milliseconds(0), kPatience);
  if (!connection) return have_peer_rung();
  std::vector<UniqueFd> fds;
  bool is_refusal = false;
  const protocol::DoorbellCall call{.name = channel_, .role = other(role_), .ring = true};
  const auto answer = (*connection)->call_here(protocol::method::kGetDoorbell, protocol::encode(call), &fds, is_refusal);
  if (!answer && answer.error() != Error::timeout) return have_peer_rung();  // who is only slow has the request
  if (auto doorbell = doorbell_in(answer, std::move(fds))) peer_.fd = std::move(doorbell->fd);
  return true;
}

namespace readiness {
namespace {

using Table = std::unordered_map<const void*, std::shared_ptr<Readiness>>;
std::mutex table_mutex;
Table& table() {
  static Table& table = *new Table;  // never destroyed: contexts may outlive every static object
  return table;
}

}  // namespace

void add(const void* memory, std::shared_ptr<Readiness> readiness) {
  const std::scoped_lock lock(table_mutex);
  table()[memory] = std::move(readiness);
}

void remove(const void* memory) noexcept {
  const std::scoped_lock lock(table_mutex);
  table().erase(memory);
}

std::shared_ptr<Readiness> find(const void* memory) noexcept {
  const std::scoped_lock lock(table_mutex);
  const auto known = table().find(memory);
  return known == table().end() ? nullptr : known->second;
}

void lock_for_fork() noexcept {
  BrokerLink::links_mutex.lock();
  table_mutex.lock();
}

void unlock_after_fork() noexcept {
  table_mutex.unlock();
  BrokerLink::links_mutex.unlock();
}

}  // namespace readiness
}  // namespace zipc
