/// The control plane's messages, as the broker and its clients exchange them: Varlink, which is JSON objects that end with a
/// NUL byte, over a Unix stream socket. What each method does stands in io.zipc.Broker.varlink.
///
/// This file knows the names and types on the wire and nothing else: no sockets, no state. Every decoder checks what it
/// reads, for the bytes come from another process; unknown members are ignored, so that later versions may add some.
#pragma once

#include <array>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/object.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <zipc/channel.hpp>
#include <zipc/error.hpp>

namespace zipc::protocol {

namespace json = boost::json;

/// Longest call in bytes, without the NUL: a name, a role and a few numbers need a hundredth of it.
inline constexpr std::size_t kCallSizeMax = 16 * 1024;
/// The same for root and the broker's user, who may send configurations.
inline constexpr std::size_t kPrivilegedCallSizeMax = 8 * 1024 * 1024;
/// Longest reply in bytes: a list of 100,000 channels.
inline constexpr std::size_t kReplySizeMax = 64 * 1024 * 1024;
/// Deepest nesting of a message: the deepest valid one is a Channel in a List.
inline constexpr std::size_t kDepthMax = 8;
/// Most descriptors in one message.
inline constexpr std::size_t kFdsMax = 2;

inline constexpr std::string_view kInterface = "io.zipc.Broker";
inline constexpr std::string_view kService = "org.varlink.service";

namespace method {
inline constexpr std::string_view kAcquire = "io.zipc.Broker.Acquire";
inline constexpr std::string_view kRelease = "io.zipc.Broker.Release";
inline constexpr std::string_view kRenew = "io.zipc.Broker.Renew";
inline constexpr std::string_view kGetDoorbell = "io.zipc.Broker.GetDoorbell";
inline constexpr std::string_view kRevoke = "io.zipc.Broker.Revoke";
inline constexpr std::string_view kResize = "io.zipc.Broker.Resize";
inline constexpr std::string_view kWatch = "io.zipc.Broker.Watch";
inline constexpr std::string_view kPlan = "io.zipc.Broker.Plan";
inline constexpr std::string_view kApply = "io.zipc.Broker.Apply";
inline constexpr std::string_view kCheck = "io.zipc.Broker.Check";
inline constexpr std::string_view kCreate = "io.zipc.Broker.Create";
inline constexpr std::string_view kRemove = "io.zipc.Broker.Remove";
inline constexpr std::string_view kList = "io.zipc.Broker.List";
inline constexpr std::string_view kGet = "io.zipc.Broker.Get";
inline constexpr std::string_view kPing = "io.zipc.Broker.Ping";
inline constexpr std::string_view kGetInfo = "org.varlink.service.GetInfo";
inline constexpr std::string_view kGetInterfaceDescription = "org.varlink.service.GetInterfaceDescription";
}  // namespace method

/// The text of io.zipc.Broker.varlink.
[[nodiscard]] std::string_view interface_description() noexcept;

/// Memory for the JSON of one call and its answer, to be had on the stack: what is made in it costs no allocation each, and goes with it.
/// For what every program does, which is to take a role; elsewhere the heap will do. What needs more than this takes it from there.
class Arena {
 public:
  Arena() noexcept : resource_(bytes_.data(), bytes_.size()) {}
  Arena(const Arena&) = delete;
  [[nodiscard]] json::storage_ptr memory() noexcept { return &resource_; }

 private:
  std::array<unsigned char, 3072> bytes_;  // a call of Acquire and its reply take a third
  json::monotonic_resource resource_;
};

/// A request as it came in.
struct Call {
  std::string method;
  json::object parameters;
  bool oneway = false;  ///< the caller wants no reply
  bool more = false;    ///< the caller accepts several replies
};

/// An answer: parameters, or, when `error` is not empty, the full name of a Varlink error and its parameters.
struct Reply {
  std::string error;
  json::object parameters;
  bool continues = false;  ///< more replies to the same call follow
};

/// Decodes one message, without its NUL. Error::protocol says what is wrong with it. The parameters are in `memory`.
[[nodiscard]] Result<Call> parse_call(std::string_view message, json::storage_ptr memory = {});
[[nodiscard]] Result<Reply> parse_reply(std::string_view message, json::storage_ptr memory = {});

/// Encodes one message, its final NUL included.
[[nodiscard]] std::string to_message(Call call);
[[nodiscard]] std::string to_message(Reply reply);

/// A failure as a Varlink error of our interface, and back. from_reply: `reply.error` is not empty; errors of other
/// interfaces become Error::protocol or Error::invalid_argument with their name in the message.
[[nodiscard]] Reply to_reply(const Failure& failure);
[[nodiscard]] Failure from_reply(const Reply& reply);

/// Parameters of the methods, as values. `decode_...` gives Error::invalid_argument, naming the member at fault.
struct AcquireCall {
  std::string name;
  Role role = Role::sender;
  std::optional<Params> params;
  bool resume = false;
};
struct AcquireReply {
  std::int64_t lease = 0;
  Params params;
  std::uint32_t generation = 0;
  int segment = 0;          ///< index of the descriptor
  std::optional<int> lock;  ///< index of the lock's descriptor
  bool resumed = false;
  Waiting waiting = Waiting::adaptive;
  bool watched = false;  ///< the broker sees by itself when the lease ends
};
struct ReleaseCall {
  std::int64_t lease = 0;
};
struct RenewCall {
  std::int64_t lease = 0;
};
struct DoorbellCall {
  std::string name;
  Role role = Role::sender;  ///< whose doorbell
  bool ring = false;
};
struct DoorbellReply {
  int doorbell = 0;  ///< index of the descriptor
  std::uint32_t serial = 0;
};
struct RevokeCall {
  std::string name;
  Role role = Role::sender;
};
struct ResizeCall {
  std::string name;
  Params params;
};
struct WatchCall {
  std::optional<std::string> name;  ///< nullopt: every channel that the caller may use
};
/// Of Plan and Apply.
struct ConfigCall {
  std::string config;  ///< the text of the file
  std::string file;    ///< its name, for messages
};
struct CheckCall {
  bool repair = false;
};
struct CreateCall {
  std::string name;
  std::optional<Params> params;
  std::optional<std::int64_t> linger_ms;
};
struct RemoveCall {
  std::string name;
  bool force = false;
};
struct GetCall {
  std::string name;
};
struct PingReply {
  std::string version;
  std::int64_t pid = 0;
  std::int64_t uid = 0;
  std::int64_t channels = 0;
  std::int64_t leases = 0;
  std::int64_t connections = 0;
  std::int64_t uptime_ms = 0;
};

[[nodiscard]] json::object encode(const AcquireCall& call, json::storage_ptr memory = {});
[[nodiscard]] json::object encode(const AcquireReply& reply, json::storage_ptr memory = {});
[[nodiscard]] json::object encode(const ReleaseCall& call);
[[nodiscard]] json::object encode(const CreateCall& call);
[[nodiscard]] json::object encode(const RemoveCall& call);
[[nodiscard]] json::object encode(const GetCall& call);
[[nodiscard]] json::object encode(const PingReply& reply);
[[nodiscard]] json::object encode(const ChannelInfo& channel);
[[nodiscard]] json::object encode(const RenewCall& call);
[[nodiscard]] json::object encode(const DoorbellCall& call);
[[nodiscard]] json::object encode(const DoorbellReply& reply);
[[nodiscard]] json::object encode(const RevokeCall& call);
[[nodiscard]] json::object encode(const ResizeCall& call);
[[nodiscard]] json::object encode(const WatchCall& call);
[[nodiscard]] json::object encode(const ConfigCall& call);
[[nodiscard]] json::object encode(const CheckCall& call);
[[nodiscard]] json::object encode(const Event& event);
[[nodiscard]] json::object encode(const PlanStep& step);
[[nodiscard]] json::object encode(const Finding& finding);

[[nodiscard]] Result<AcquireCall> decode_acquire(const json::object& parameters);
[[nodiscard]] Result<AcquireReply> decode_acquire_reply(const json::object& parameters);
[[nodiscard]] Result<ReleaseCall> decode_release(const json::object& parameters);
[[nodiscard]] Result<CreateCall> decode_create(const json::object& parameters);
[[nodiscard]] Result<RemoveCall> decode_remove(const json::object& parameters);
[[nodiscard]] Result<GetCall> decode_get(const json::object& parameters);
[[nodiscard]] Result<PingReply> decode_ping_reply(const json::object& parameters);
[[nodiscard]] Result<ChannelInfo> decode_channel(const json::object& channel);
[[nodiscard]] Result<RenewCall> decode_renew(const json::object& parameters);
[[nodiscard]] Result<DoorbellCall> decode_doorbell(const json::object& parameters);
[[nodiscard]] Result<DoorbellReply> decode_doorbell_reply(const json::object& parameters);
[[nodiscard]] Result<RevokeCall> decode_revoke(const json::object& parameters);
[[nodiscard]] Result<ResizeCall> decode_resize(const json::object& parameters);
[[nodiscard]] Result<WatchCall> decode_watch(const json::object& parameters);
[[nodiscard]] Result<ConfigCall> decode_config(const json::object& parameters);
[[nodiscard]] Result<CheckCall> decode_check(const json::object& parameters);
[[nodiscard]] Result<Event> decode_event(const json::object& event);
[[nodiscard]] Result<PlanStep> decode_plan_step(const json::object& step);
[[nodiscard]] Result<Finding> decode_finding(const json::object& finding);

}  // namespace zipc::protocol
