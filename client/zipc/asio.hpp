/// Channels for programs that use Boost.Asio: AsyncReceiver and AsyncSender. Header-only; needs Boost.Asio 1.81 or newer,
/// and zipcd (see zipc_fd). Nothing else of zipc includes it.
///
///     auto opened = zipc::Receiver::open("/camera");
///     if (!opened) co_return complain(opened.failure().message);
///     auto receiver = zipc::asio::AsyncReceiver::create(io.get_executor(), std::move(*opened));
///     if (!receiver) co_return complain(receiver.failure().message);
///     for (;;) use((co_await receiver->async_receive(boost::asio::use_awaitable)).data);
///
/// *Operations* take every completion token: a callback, use_awaitable, use_future, deferred, as_tuple(...). They never
/// complete within the call that starts them, and there is no thread behind them. An operation ends with
///   - success;
///   - an error of the channel, as a boost::system::error_code that compares with zipc::Error: peer_gone (told once; the next
///     operation waits for a successor), fenced, closed, corrupt, message_too_large, no_broker, busy;
///   - boost::asio::error::operation_aborted: by cancel(), through its cancellation slot (of any type), or because the object
///     was destroyed. Then nothing was sent or received: no message is lost.
///
/// *Thread safety.* As of Asio's I/O objects: one thread, or strand, at a time; and one operation at a time, for a
/// received message stays good only until the next is received. Cost of an operation: one round through the executor, and
/// that of zipc_fd when it has to wait.
///
/// *Ownership.* An AsyncReceiver owns its Receiver. The descriptor stays the library's, and is never closed here.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include <zipc/zipc.hpp>

namespace zipc {

/// The category "zipc", whose values are those of zipc::Error.
[[nodiscard]] inline const boost::system::error_category& error_category() noexcept {
  class Category final : public boost::system::error_category {
   public:
    [[nodiscard]] const char* name() const noexcept override { return "zipc"; }
    [[nodiscard]] std::string message(int value) const override {
      return error_info(static_cast<Error>(value)).summary;
    }
  };
  static const Category category;
  return category;
}

[[nodiscard]] inline boost::system::error_code make_error_code(Error error) noexcept {
  return {static_cast<int>(error), error_category()};
}

}  // namespace zipc

template <>
struct boost::system::is_error_code_enum<zipc::Error> : std::true_type {};

namespace zipc::asio {
namespace detail {

using boost::system::error_code;

/// An end of a channel and its descriptor. Operations share it with the object that they are operations of.
template <class End, class Executor>
struct Polled {
  Polled(const Executor& executor, End&& own, int native_handle)
      : end(std::move(own)), descriptor(executor, native_handle) {}
  Polled(Polled&&) = delete;
  ~Polled() { let_go(); }

  /// Ends what is waiting. The descriptor is not ours to close.
  void let_go() noexcept {
    if (descriptor.is_open()) static_cast<void>(descriptor.release());
  }

  End end;
  boost::asio::posix::basic_stream_descriptor<Executor> descriptor;
  std::uint64_t cancellations = 0;
};

[[nodiscard]] inline Error error_of(Error outcome) noexcept { return outcome; }
[[nodiscard]] inline Error error_of(const MessageOrError& outcome) noexcept { return outcome.error(); }

/// `attempt(end)` until it finds something. What it takes is handed over in the same step, so that nothing can come in
/// between in which it would be lost.
template <class Shared, class Attempt>
class Operation {
 public:
  Operation(std::shared_ptr<Shared> shared, Attempt attempt)
      : shared_(std::move(shared)), attempt_(std::move(attempt)), cancellations_(shared_->cancellations) {}

  template <class Self>
  void operator()(Self& self, error_code error = {}) {
    const auto shared = shared_;  // for self, which has the other one, is moved from below
    if (!std::exchange(has_begun_, true)) {
      self.reset_cancellation_state(boost::asio::enable_total_cancellation());
      return boost::asio::post(shared->descriptor.get_executor(), std::move(self));
    }
    const bool is_cancelled = self.cancelled() != boost::asio::cancellation_type::none ||
                              cancellations_ != shared->cancellations || !shared->descriptor.is_open();
    if (is_cancelled) error = boost::asio::error::operation_aborted;
    if (error) return complete(self, error, std::invoke_result_t<Attempt&, decltype(shared->end)&>(Error::closed));
    const auto outcome = attempt_(shared->end);
    const Error found = error_of(outcome);
    if (found == Error::empty || found == Error::full) {
      return shared->descriptor.async_wait(boost::asio::posix::descriptor_base::wait_read, std::move(self));
    }
    complete(self, found == Error::ok ? error_code() : make_error_code(found), outcome);
  }

 private:
  template <class Self>
  static void complete(Self& self, error_code error, Error) {
    self.complete(error);
  }
  template <class Self>
  static void complete(Self& self, error_code error, const MessageOrError& outcome) {
    self.complete(error, outcome ? *outcome : Message{});
  }

  std::shared_ptr<Shared> shared_;
  Attempt attempt_;
  std::uint64_t cancellations_;
  bool has_begun_ = false;
};

/// What AsyncReceiver and AsyncSender have in common. Not used by itself.
template <class End, class Executor>
class AsyncEndpoint {
 public:
  using executor_type = Executor;

  AsyncEndpoint(AsyncEndpoint&&) noexcept = default;
  AsyncEndpoint& operator=(AsyncEndpoint&& other) noexcept {
    if (this != &other && polled_) polled_->let_go();
    polled_ = std::move(other.polled_);
    return *this;
  }

  [[nodiscard]] executor_type get_executor() const { return polled_->descriptor.get_executor(); }

  /// Ends the operation that is under way, with operation_aborted.
  void cancel() {
    ++polled_->cancellations;
    boost::system::error_code ignored;
    polled_->descriptor.cancel(ignored);
  }

 protected:
  explicit AsyncEndpoint(std::unique_ptr<Polled<End, Executor>> polled) : polled_(std::move(polled)) {}
  ~AsyncEndpoint() {
    if (polled_) polled_->let_go();
  }

  [[nodiscard]] static Result<std::unique_ptr<Polled<End, Executor>>> poll(const Executor& executor, End&& end) {
    const auto native_handle = end.native_handle();
    if (!native_handle) return native_handle.failure();
    return std::make_unique<Polled<End, Executor>>(executor, std::move(end), *native_handle);
  }

  template <class Signature, class Token, class Attempt>
  auto start(Attempt attempt, Token&& token) {
    return boost::asio::async_compose<Token, Signature>(
        Operation<Polled<End, Executor>, Attempt>(polled_, std::move(attempt)), token, polled_->descriptor);
  }

  std::shared_ptr<Polled<End, Executor>> polled_;
};

}  // namespace detail

/// The receiving end. `Executor`: a type of executor; AsyncReceiver is that for any.
template <class Executor = boost::asio::any_io_executor>
class BasicAsyncReceiver : public detail::AsyncEndpoint<Receiver, Executor> {
 public:
  /// Errors: those of zipc_fd, above all unsupported without a broker.
  [[nodiscard]] static Result<BasicAsyncReceiver> create(const Executor& executor, Receiver receiver) {
    auto polled = BasicAsyncReceiver::poll(executor, std::move(receiver));
    if (!polled) return polled.failure();
    return BasicAsyncReceiver(std::move(*polled));
  }

  /// Takes the oldest message out, when there is one. It stays good until the next is received: void(error_code, Message).
  template <class Token = boost::asio::default_completion_token_t<Executor>>
  auto async_receive(Token&& token = {}) {
    return this->template start<void(detail::error_code, Message)>(
        [](Receiver& receiver) -> Received { return receiver.receive(); }, token);
  }

  /// The oldest message, when there is one; it stays in the queue until pop(), also if this process dies:
  /// void(error_code, Message).
  template <class Token = boost::asio::default_completion_token_t<Executor>>
  auto async_peek(Token&& token = {}) {
    return this->template start<void(detail::error_code, Message)>(
        [](Receiver& receiver) -> Received { return receiver.peek(); }, token);
  }
  /// As Receiver::pop().
  [[nodiscard]] Error pop() noexcept { return receiver().pop(); }

  /// For all that does not wait.
  [[nodiscard]] Receiver& receiver() noexcept { return this->polled_->end; }

 private:
  using detail::AsyncEndpoint<Receiver, Executor>::AsyncEndpoint;
};

/// The sending end.
template <class Executor = boost::asio::any_io_executor>
class BasicAsyncSender : public detail::AsyncEndpoint<Sender, Executor> {
 public:
  /// Errors: those of zipc_fd, above all unsupported without a broker.
  [[nodiscard]] static Result<BasicAsyncSender> create(const Executor& executor, Sender sender) {
    auto polled = BasicAsyncSender::poll(executor, std::move(sender));
    if (!polled) return polled.failure();
    return BasicAsyncSender(std::move(*polled));
  }

  /// Sends a copy, when there is space. The bytes stay the caller's, and must be there until it completes:
  /// void(error_code).
  template <class Token = boost::asio::default_completion_token_t<Executor>>
  auto async_send(const boost::asio::const_buffer& message, Token&& token = {}) {
    const std::span bytes(static_cast<const std::byte*>(message.data()), message.size());
    return this->template start<void(detail::error_code)>(
        [bytes](Sender& sender) -> Error { return sender.send(bytes); }, token);
  }

  /// A free slot to write a message in place, when there is one; publish() sends it: void(error_code, Message).
  template <class Token = boost::asio::default_completion_token_t<Executor>>
  auto async_loan(Token&& token = {}) {
    return this->template start<void(detail::error_code, Message)>(
        [](Sender& sender) -> Loaned { return sender.loan(); }, token);
  }
  /// As Sender::publish().
  [[nodiscard]] Error publish(std::size_t size) noexcept { return sender().publish(size); }

  /// For all that does not wait.
  [[nodiscard]] Sender& sender() noexcept { return this->polled_->end; }

 private:
  using detail::AsyncEndpoint<Sender, Executor>::AsyncEndpoint;
};

using AsyncReceiver = BasicAsyncReceiver<>;
using AsyncSender = BasicAsyncSender<>;

}  // namespace zipc::asio
