#include "daemon/events.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "daemon/processes.h"
#include "daemon/subscription.h"

namespace zipc {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

std::int64_t now_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

std::string describe_death(const Event& event, const std::optional<ProcessEnd>& end) {
  const std::string who = event.pid != 0 ? "process " + std::to_string(event.pid) : "a process";
  const std::string how = end ? to_string(*end) : "has gone";
  return who + " " + how + " while it was the " + to_string(event.role.value_or(Role::sender)) + " of " + event.channel;
}

}  // namespace

std::string_view to_string(EventKind kind) noexcept {
  switch (kind) {
    case EventKind::created: return "created";
    case EventKind::adopted: return "adopted";
    case EventKind::leased: return "leased";
    case EventKind::released: return "released";
    case EventKind::died: return "died";
    case EventKind::fenced: return "fenced";
    case EventKind::resized: return "resized";
    case EventKind::withdrawn: return "withdrawn";
    case EventKind::reaped: return "reaped";
    case EventKind::removed: return "removed";
    case EventKind::full: return "full";
    case EventKind::drained: return "drained";
  }
  return "";
}

struct Events::Clock {
  explicit Clock(asio::io_context& io) : timer(io) {}
  asio::steady_timer timer;
};

Events::Events(asio::io_context& io, Processes& processes)
    : processes_(processes), io_(io), clock_(std::make_unique<Clock>(io)) {}

Events::~Events() = default;

std::shared_ptr<Subscription> Events::subscribe(const Client& client, std::optional<std::string> name) {
  auto subscription = std::make_shared<Subscription>(*this, io_, client, std::move(name));
  const bool is_first = !is_watched();
  subscriptions_.push_back(subscription.get());
  if (is_first) {
    if (tick_) tick_(true);
    tick_later();
  }
  return subscription;
}

void Events::leave(const Subscription& subscription) {
  std::erase(subscriptions_, &subscription);
  if (!is_watched()) clock_->timer.cancel();
}

void Events::tick_later() {
  clock_->timer.expires_after(kTick);  // from now: however long looking takes, others have as much time
  clock_->timer.async_wait([this](const error_code& error) {
    if (error || !is_watched()) return;
    if (tick_) tick_(false);
    tick_later();
  });
}

void Events::publish(Event event, const ChannelSpec& channel, const Policy& policy) {
  if (is_watched()) enter(std::move(event), true, channel, policy);
}

void Events::publish_death(Event event, const ChannelSpec& channel, const Policy& policy,
                           std::shared_ptr<const Process> process) {
  if (!is_watched()) return;
  const auto entry = enter(std::move(event), false, channel, policy);
  processes_.ask(std::move(process), [this, entry](const std::optional<ProcessEnd>& end) {
    entry->event.message = describe_death(entry->event, end);
    entry->is_complete = true;
    for (Subscription* subscription : subscriptions_) subscription->wake_.cancel();
  });
}

std::shared_ptr<Events::Entry> Events::enter(Event event, bool is_complete, const ChannelSpec& channel,
                                             const Policy& policy) {
  event.at_ms = now_ms();
  const auto entry = std::make_shared<Entry>(Entry{.event = std::move(event), .is_complete = is_complete});
  for (Subscription* subscription : subscriptions_) subscription->offer(entry, channel, policy);
  return entry;
}

void Subscription::offer(const std::shared_ptr<Events::Entry>& entry, const ChannelSpec& channel,
                         const Policy& policy) {
  if (is_closed_ || (name_ && *name_ != channel.name) || !check_access(channel, client_, policy)) return;
  if (backlog_.size() == kBacklogMax) {
    backlog_.pop_front();
    ++missed_;
  }
  backlog_.push_back(entry);
  wake_.cancel();
}

asio::awaitable<std::optional<Event>> Subscription::next() {
  while (!is_closed_ && (backlog_.empty() || !backlog_.front()->is_complete)) {
    error_code ignored;
    wake_.expires_at(asio::steady_timer::time_point::max());
    co_await wake_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  if (is_closed_) co_return std::nullopt;
  Event event = backlog_.front()->event;
  event.missed = std::exchange(missed_, 0);
  backlog_.pop_front();
  co_return event;
}

void Subscription::close() {
  is_closed_ = true;
  backlog_.clear();
  wake_.cancel();
}

}  // namespace zipc
