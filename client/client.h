/// What zipc::Client has behind it, and the door through which it makes endpoints.
#pragma once

#include <mutex>
#include <zipc/zipc.hpp>

#include "client/connection.h"

namespace zipc {

struct Access {
  static Result<Sender> sender(const Result<ZipcContext>& context);
  static Result<Receiver> receiver(const Result<ZipcContext>& context);
};

class Client::Connection {
 public:
  explicit Connection(std::unique_ptr<zipc::Connection> broker) : broker_(std::move(broker)) {}

  /// One exchange at a time. The reply's parameters.
  [[nodiscard]] Result<protocol::json::object> call(std::string_view method, protocol::json::object parameters) {
    const std::scoped_lock lock(mutex_);
    return broker_->call(method, std::move(parameters));
  }

  [[nodiscard]] Result<ZipcContext> attach(std::string_view name, Role role, const std::optional<Params>& params);

  [[nodiscard]] const std::string& socket_path() const noexcept { return broker_->socket_path(); }

 private:
  std::mutex mutex_;
  std::unique_ptr<zipc::Connection> broker_;
};

/// A connection of its own, on which the broker reports.
class Watch::Stream {
 public:
  explicit Stream(std::unique_ptr<zipc::Connection> connection) : broker(std::move(connection)) {}
  std::unique_ptr<zipc::Connection> broker;
};

}  // namespace zipc
