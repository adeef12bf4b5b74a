#include "daemon/turns.h"

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <utility>

namespace zipc {

namespace asio = boost::asio;

asio::awaitable<void> Turns::next(uid_t uid) {
  return asio::async_initiate<const asio::use_awaitable_t<>, void()>(
      [this, uid](auto handler) {
        const auto shared = std::make_shared<decltype(handler)>(std::move(handler));  // std::function copies
        enter(uid, [shared] { std::move (*shared)(); });
      },
      asio::use_awaitable);
}

void Turns::enter(uid_t uid, Turn turn) {
  const bool was_idle = users_.empty();
  auto& of_user = waiting_[uid];
  of_user.push_back(std::move(turn));
  if (of_user.size() == 1) users_.push_back(uid);
  if (was_idle) take_later();
}

void Turns::take_later() {
  asio::post(io_, [this] { take(); });
}

void Turns::take() {
  const uid_t uid = users_.front();
  users_.pop_front();
  const auto of_user = waiting_.find(uid);
  const Turn turn = std::move(of_user->second.front());
  of_user->second.pop_front();
  if (of_user->second.empty()) {
    waiting_.erase(of_user);
  } else {
    users_.push_back(uid);
  }
  if (!users_.empty()) take_later();
  turn();
}

}  // namespace zipc
