/// The one numbering of errors: C (`zipc_error`), C++ (`zipc::Error`), the wire (`io.zipc.Broker.*`), and exit codes.
///
/// Expected conditions (full, taken, refused) are values that the direct caller handles; nothing here throws. Each
/// error says why it happens and what to do about it (`advice`). The table stands in common/error.cpp.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <zipc/params.hpp>

#if defined(__GNUC__)
#define ZIPC_EXPORT __attribute__((visibility("default")))
#define ZIPC_HIDDEN __attribute__((visibility("hidden")))
#else
#define ZIPC_EXPORT
#define ZIPC_HIDDEN
#endif

namespace zipc {

/// What went wrong. The number is the same in C, in C++ and as the exit code of zipcctl; it never changes its meaning.
enum class Error : int {
  ok = 0,
  system = 1,               ///< the operating system refused; the message holds its words
  invalid_argument = 2,     ///< a null pointer, an impossible option, a wrong command line
  invalid_name = 3,         ///< the channel name breaks the naming rule
  invalid_params = 4,       ///< queue_size or message_size is out of range
  full = 5,                 ///< the queue is full; nothing was written
  empty = 6,                ///< no message is waiting
  timeout = 7,              ///< the time given ran out
  message_too_large = 8,    ///< longer than message_size; nothing was written
  closed = 9,               ///< the context was destroyed, or was never created
  role_taken = 10,          ///< another process is sender (or receiver) of this channel
  params_mismatch = 11,     ///< the channel exists with other sizes
  channel_not_found = 12,   ///< no channel of this name
  channel_exists = 13,      ///< the name is in use already
  channel_in_use = 14,      ///< somebody holds a role of it
  channel_provisioned = 15, ///< the configuration file provides it
  permission_denied = 16,   ///< a rule of the broker, or the mode of the segment, says no
  limit_reached = 17,       ///< a limit of the configuration
  out_of_memory = 18,       ///< the shared memory file system is full
  corrupt = 19,             ///< shared memory holds an impossible value
  foreign_segment = 20,     ///< the file of this name was not made by zipc, and is not a ZIPC segment
  no_broker = 21,           ///< nobody listens at the broker's sockets
  protocol = 22,            ///< the other side of the socket does not speak this protocol
  lease_not_found = 23,     ///< no lease of this number is held over this connection
  busy = 24,                ///< another process is setting the segment up, and does not finish
  unsupported = 25,         ///< not on this platform
  peer_gone = 26,           ///< the other end of the channel has gone, and nothing of it is left to receive
  fenced = 27,              ///< this process's role was revoked, or its lease ran out: somebody else may have it
  invalid_config = 28,      ///< the configuration has mistakes; nothing was changed
};
inline constexpr int kErrorCount = 29;

/// One line of the table of errors. All strings are static.
struct ErrorInfo {
  Error code;
  const char* name;          ///< as in C without the prefix, lower case: "role_taken"
  const char* varlink_name;  ///< without the interface: "RoleTaken"
  const char* summary;       ///< a sentence without operands
  const char* advice;        ///< what to do about it
};

/// The line of `code`; for a number outside the table, that of Error::system. Cost: an index.
[[nodiscard]] ZIPC_EXPORT const ErrorInfo& error_info(Error code) noexcept;

/// An error with its operands: in words, and those that a program may want to act on.
struct Failure {
  Error code = Error::ok;
  std::string message;   ///< one sentence that names the operands, without a final newline
  int holder_pid = 0;    ///< role_taken: the holder, as far as known; otherwise 0
  Params expected = {};  ///< params_mismatch: the sizes that the channel has; otherwise zeros
  std::string rule = {}; ///< permission_denied: the rule that refused; limit_reached: the limit; otherwise empty
};

/// A value, or why there is none. Like std::expected (which C++20 lacks); it does not throw.
/// Using the value of a failed Result, or the failure of a good one, is a bug in the caller (undefined behaviour: nothing looks
/// whether it is there).
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}           // NOLINT: implicit on purpose
  Result(Failure failure) : state_(std::in_place_index<1>, std::move(failure)) {} // NOLINT: implicit on purpose

  [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  T& value() & noexcept { return *held(std::get_if<0>(&state_)); }
  const T& value() const& noexcept { return *held(std::get_if<0>(&state_)); }
  T&& value() && noexcept { return std::move(value()); }
  T& operator*() & noexcept { return value(); }
  const T& operator*() const& noexcept { return value(); }
  T&& operator*() && noexcept { return std::move(*this).value(); }
  T* operator->() noexcept { return &value(); }
  const T* operator->() const noexcept { return &value(); }

  /// Error::ok when there is a value.
  [[nodiscard]] Error error() const noexcept { return has_value() ? Error::ok : failure().code; }
  [[nodiscard]] const Failure& failure() const noexcept { return *std::get_if<1>(&state_); }

 private:
  template <class Held>
  static Held* held(Held* value) noexcept {
    // Else it is asked for every message of a Result<Sender>: a stream of 64 bytes took 1.07 times as long.
    if (value == nullptr) __builtin_unreachable();
    return value;
  }

  std::variant<T, Failure> state_;
};

/// Success, or why not.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Failure failure) : failure_(std::move(failure)) {}  // NOLINT: implicit on purpose

  [[nodiscard]] bool has_value() const noexcept { return failure_.code == Error::ok; }
  explicit operator bool() const noexcept { return has_value(); }
  [[nodiscard]] Error error() const noexcept { return failure_.code; }
  [[nodiscard]] const Failure& failure() const noexcept { return failure_; }

 private:
  Failure failure_;
};

}  // namespace zipc
