#include "common/protocol.h"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <limits>
#include <utility>

#include "common/doorbell.h"
#include "io.zipc.Broker.varlink.h"

namespace zipc::protocol {
namespace {

Failure bad_member(std::string_view member, std::string_view expected) {
  return Failure{Error::invalid_argument,
                 "parameter '" + std::string(member) + "' must be " + std::string(expected)};
}

/// Takes members out of an object and remembers the first one that is missing or of the wrong kind.
class Reader {
 public:
  explicit Reader(const json::object& object) : object_(object) {}

  std::string text(std::string_view member) {
    const json::value* value = find(member);
    if (value != nullptr && value->is_string()) return std::string(value->get_string());
    fail(member, "a string");
    return {};
  }

  /// An integer from min to max.
  template <class T>
  T number(std::string_view member, T min = std::numeric_limits<T>::min(), T max = std::numeric_limits<T>::max()) {
    const json::value* value = find(member);
    if (value != nullptr) {
      boost::system::error_code error;
      const T number = value->to_number<T>(error);
      if (!error && !value->is_double() && number >= min && number <= max) return number;
    }
    fail(member, "an integer from " + std::to_string(min) + " to " + std::to_string(max));
    return min;
  }

  template <class T>
  std::optional<T> optional_number(std::string_view member, T min = std::numeric_limits<T>::min()) {
    if (absent(member)) return std::nullopt;
    return number<T>(member, min);
  }

  bool flag(std::string_view member) {
    const json::value* value = find(member);
    if (value != nullptr && value->is_bool()) return value->get_bool();
    fail(member, "true or false");
    return false;
  }
  bool optional_flag(std::string_view member) { return !absent(member) && flag(member); }

  Role role(std::string_view member) {
    const std::string word = text(member);
    if (word == to_string(Role::sender)) return Role::sender;
    if (word != to_string(Role::receiver)) fail(member, "\"sender\" or \"receiver\"");
    return Role::receiver;
  }

  /// Absent, from a broker that does not know it yet, or unknown, from a later one: adaptive.
  Waiting optional_waiting(std::string_view member) {
    const std::string word = optional_text(member).value_or("");
    for (const Waiting waiting : kWaitings) {
      if (word == to_string(waiting)) return waiting;
    }
    return Waiting::adaptive;
  }

  std::optional<std::string> optional_text(std::string_view member) {
    if (absent(member)) return std::nullopt;
    return text(member);
  }
  std::optional<Role> optional_role(std::string_view member) {
    if (absent(member)) return std::nullopt;
    return role(member);
  }

  const json::object* object(std::string_view member) {
    const json::value* value = find(member);
    if (value != nullptr && value->is_object()) return &value->get_object();
    fail(member, "an object");
    return nullptr;
  }
  const json::object* optional_object(std::string_view member) { return absent(member) ? nullptr : object(member); }

  Params params(std::string_view member) {
    const json::object* inner = object(member);
    if (inner == nullptr) return {};
    Reader reader(*inner);
    const Params params{.queue_size = reader.number<std::uint32_t>("queue_size"),
                        .message_size = reader.number<std::uint32_t>("message_size")};
    adopt_failure(reader);
    return params;
  }
  std::optional<Params> optional_params(std::string_view member) {
    if (absent(member)) return std::nullopt;
    return params(member);
  }

  std::optional<Holder> optional_holder(std::string_view member) {
    const json::object* inner = optional_object(member);
    if (inner == nullptr) return std::nullopt;
    Reader reader(*inner);
    const Holder holder{.lease = reader.number<std::int64_t>("lease"),
                        .pid = reader.number<int>("pid"),
                        .uid = reader.number<std::uint32_t>("uid"),
                        .held_ms = reader.number<std::int64_t>("held_ms"),
                        .expires_in_ms = reader.number<std::int64_t>("expires_in_ms"),
                        .asleep_ms = reader.number<std::int64_t>("asleep_ms"),
                        .idle_ms = reader.number<std::int64_t>("idle_ms"),
                        .behind = reader.flag("behind")};
    adopt_failure(reader);
    return holder;
  }

  /// `value`, if every member was fine.
  template <class T>
  Result<T> finish(T value) && {
    if (failure_.code != Error::ok) return std::move(failure_);
    return value;
  }

 private:
  const json::value* find(std::string_view member) const { return object_.if_contains(member); }
  bool absent(std::string_view member) const {
    const json::value* value = find(member);
    return value == nullptr || value->is_null();
  }
  void fail(std::string_view member, const std::string& expected) {
    if (failure_.code == Error::ok) failure_ = bad_member(member, expected);
  }
  void adopt_failure(Reader& inner) {
    if (failure_.code == Error::ok) failure_ = std::move(inner.failure_);
  }

  const json::object& object_;
  Failure failure_;
};

json::object encode(const Params& params, json::storage_ptr memory = {}) {
  return {{{"queue_size", params.queue_size}, {"message_size", params.message_size}}, std::move(memory)};
}

json::value encode(const std::optional<Holder>& holder) {
  if (!holder) return nullptr;
  return json::object{
      {"lease", holder->lease},
      {"pid", holder->pid},
      {"uid", holder->uid},
      {"held_ms", holder->held_ms},
      {"expires_in_ms", holder->expires_in_ms},
      {"asleep_ms", holder->asleep_ms},
      {"idle_ms", holder->idle_ms},
      {"behind", holder->behind}};
}

Result<json::object> parse_object(std::string_view message, json::storage_ptr memory) {
  json::parse_options options;
  options.max_depth = kDepthMax;
  boost::system::error_code error;
  json::value value = json::parse(message, error, std::move(memory), options);
  if (error) return Failure{Error::protocol, "not a JSON message: " + error.message()};
  if (!value.is_object()) return Failure{Error::protocol, "not a JSON object"};
  return std::move(value.get_object());
}

/// The member "parameters", which may be absent. Error::protocol when it is something else than an object.
Result<json::object> take_parameters(json::object& message) {
  json::value* parameters = message.if_contains("parameters");
  if (parameters == nullptr || parameters->is_null()) return json::object(message.storage());
  if (!parameters->is_object()) return Failure{Error::protocol, "'parameters' is not an object"};
  return std::move(parameters->get_object());
}

/// `message` with `parameters`, which are in the same memory and so are not copied.
std::string finish(json::object message, json::object parameters) {
  message.emplace("parameters", std::move(parameters));
  std::string text = json::serialize(message);
  text.push_back('\0');
  return text;
}

std::string text_or(const json::object& object, std::string_view member, std::string fallback) {
  const json::value* value = object.if_contains(member);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : fallback;
}

bool is_true(const json::object& object, std::string_view member) {
  const json::value* value = object.if_contains(member);
  return value != nullptr && value->is_bool() && value->get_bool();
}

}  // namespace

std::string_view interface_description() noexcept { return kInterfaceDescription; }

// Where parameters are assigned, and not moved as they are made, they are copied if the memory is another.
Result<Call> parse_call(std::string_view message, json::storage_ptr memory) {
  auto object = parse_object(message, std::move(memory));
  if (!object) return object.failure();
  const json::value* method = object->if_contains("method");
  if (method == nullptr || !method->is_string()) return Failure{Error::protocol, "a call needs a 'method'"};
  auto parameters = take_parameters(*object);
  if (!parameters) return parameters.failure();
  return Call{.method = std::string(method->get_string()),
              .parameters = std::move(*parameters),
              .oneway = is_true(*object, "oneway"),
              .more = is_true(*object, "more")};
}

Result<Reply> parse_reply(std::string_view message, json::storage_ptr memory) {
  auto object = parse_object(message, std::move(memory));
  if (!object) return object.failure();
  auto parameters = take_parameters(*object);
  if (!parameters) return parameters.failure();
  return Reply{.error = text_or(*object, "error", ""),
               .parameters = std::move(*parameters),
               .continues = is_true(*object, "continues")};
}

std::string to_message(Call call) {
  json::object message({{"method", call.method}}, call.parameters.storage());
  if (call.oneway) message["oneway"] = true;
  if (call.more) message["more"] = true;
  return finish(std::move(message), std::move(call.parameters));
}

std::string to_message(Reply reply) {
  json::object message(reply.parameters.storage());
  if (!reply.error.empty()) message["error"] = reply.error;
  if (reply.continues) message["continues"] = true;
  return finish(std::move(message), std::move(reply.parameters));
}

Reply to_reply(const Failure& failure) {
  Reply reply;
  reply.error = std::string(kInterface) + "." + error_info(failure.code).varlink_name;
  reply.parameters["message"] = failure.message;
  switch (failure.code) {
    case Error::role_taken: reply.parameters["holder"] = failure.holder_pid; break;
    case Error::params_mismatch: reply.parameters["expected"] = encode(failure.expected); break;
    case Error::permission_denied: reply.parameters["rule"] = failure.rule; break;
    case Error::limit_reached: reply.parameters["limit"] = failure.rule; break;
    case Error::invalid_name: reply.parameters["reason"] = failure.message; break;
    default: break;
  }
  return reply;
}

Failure from_reply(const Reply& reply) {
  const std::string prefix = std::string(kInterface) + ".";
  Failure failure{Error::protocol, text_or(reply.parameters, "message", "the broker answers " + reply.error)};
  for (int number = 1; number < kErrorCount; ++number) {
    const ErrorInfo& info = error_info(static_cast<Error>(number));
    if (reply.error == prefix + info.varlink_name) failure.code = info.code;
  }
  Reader reader(reply.parameters);
  if (failure.code == Error::role_taken) failure.holder_pid = reader.number<int>("holder", 0);
  if (failure.code == Error::params_mismatch) failure.expected = reader.params("expected");
  if (failure.code == Error::permission_denied) failure.rule = text_or(reply.parameters, "rule", "");
  if (failure.code == Error::limit_reached) failure.rule = text_or(reply.parameters, "limit", "");
  return failure;
}

json::object encode(const AcquireCall& call, json::storage_ptr memory) {
  json::object object({{"name", call.name}, {"role", to_string(call.role)}}, memory);
  if (call.params) object["params"] = encode(*call.params, memory);
  if (call.resume) object["resume"] = true;
  return object;
}

json::object encode(const AcquireReply& reply, json::storage_ptr memory) {
  json::object object({{"lease", reply.lease},
                       {"params", encode(reply.params, memory)},
                       {"generation", reply.generation},
                       {"segment", reply.segment},
                       {"resumed", reply.resumed},
                       {"waiting", to_string(reply.waiting)},
                       {"watched", reply.watched}},
                      memory);
  if (reply.lock) object["lock"] = *reply.lock;
  return object;
}

json::object encode(const ReleaseCall& call) { return {{"lease", call.lease}}; }

json::object encode(const CreateCall& call) {
  json::object object{{"name", call.name}};
  if (call.params) object["params"] = encode(*call.params);
  if (call.linger_ms) object["linger_ms"] = *call.linger_ms;
  return object;
}

json::object encode(const RemoveCall& call) {
  json::object object{{"name", call.name}};
  if (call.force) object["force"] = true;
  return object;
}

json::object encode(const GetCall& call) { return {{"name", call.name}}; }

json::object encode(const PingReply& reply) {
  return {{"version", reply.version},
          {"pid", reply.pid},
          {"uid", reply.uid},
          {"channels", reply.channels},
          {"leases", reply.leases},
          {"connections", reply.connections},
          {"uptime_ms", reply.uptime_ms}};
}

json::object encode(const ChannelInfo& c) {
  return {{"name", c.name},
          {"params", encode(c.params)},
          {"provisioned", c.provisioned},
          {"mode", c.mode},
          {"owner", c.owner_uid},
          {"group", c.group_gid},
          {"linger_ms", c.linger_ms},
          {"reaped_in_ms", c.reaped_in_ms},
          {"bytes", c.bytes},
          {"generation", c.generation},
          {"draining", c.draining},
          {"existing_peer", c.existing_peer},
          {"lease_ttl_ms", c.lease_ttl_ms},
          {"waiting", to_string(c.waiting)},
          {"no_memory", c.no_memory.empty() ? json::value() : json::value(c.no_memory)},
          {"foreign", c.foreign},
          {"retired", c.retired},
          {"sender", encode(c.sender)},
          {"receiver", encode(c.receiver)},
          {"sent", c.sent},
          {"sent_before", c.sent_before ? json::value(*c.sent_before) : json::value()},
          {"bytes_sent", c.bytes_sent},
          {"received", c.received},
          {"full", c.full},
          {"depth", c.depth},
          {"deepest", c.deepest},
          {"largest", c.largest}};
}

json::object encode(const RenewCall& call) { return {{"lease", call.lease}}; }

json::object encode(const DoorbellCall& call) {
  json::object object{{"name", call.name}, {"role", to_string(call.role)}};
  if (call.ring) object["ring"] = true;
  return object;
}

json::object encode(const DoorbellReply& reply) { return {{"doorbell", reply.doorbell}, {"serial", reply.serial}}; }

json::object encode(const RevokeCall& call) { return {{"name", call.name}, {"role", to_string(call.role)}}; }

json::object encode(const ResizeCall& call) { return {{"name", call.name}, {"params", encode(call.params)}}; }

json::object encode(const WatchCall& call) {
  json::object object;
  if (call.name) object["name"] = *call.name;
  return object;
}

json::object encode(const ConfigCall& call) { return {{"config", call.config}, {"file", call.file}}; }

json::object encode(const CheckCall& call) { return {{"repair", call.repair}}; }

json::object encode(const Event& event) {
  json::object object{{"at_ms", event.at_ms},       {"kind", event.kind},     {"channel", event.channel},
                      {"message", event.message},   {"missed", event.missed}, {"pid", event.pid}};
  if (event.role) object["role"] = to_string(*event.role);
  return object;
}

json::object encode(const PlanStep& step) {
  return {{"action", step.action}, {"channel", step.channel}, {"details", step.details}};
}

json::object encode(const Finding& finding) {
  return {{"kind", finding.kind},
          {"subject", finding.subject},
          {"message", finding.message},
          {"repaired", finding.repaired}};
}

Result<AcquireCall> decode_acquire(const json::object& parameters) {
  Reader reader(parameters);
  AcquireCall call;
  call.name = reader.text("name");
  call.role = reader.role("role");
  call.params = reader.optional_params("params");
  call.resume = reader.optional_flag("resume");
  return std::move(reader).finish(std::move(call));
}

Result<AcquireReply> decode_acquire_reply(const json::object& parameters) {
  constexpr int kLastFd = static_cast<int>(kFdsMax) - 1;
  Reader reader(parameters);
  AcquireReply reply;
  reply.lease = reader.number<std::int64_t>("lease");
  reply.params = reader.params("params");
  reply.generation = reader.number<std::uint32_t>("generation");
  reply.segment = reader.number<int>("segment", 0, kLastFd);
  reply.lock = reader.optional_number<int>("lock", 0);
  reply.resumed = reader.flag("resumed");
  reply.waiting = reader.optional_waiting("waiting");
  reply.watched = reader.optional_flag("watched");
  return std::move(reader).finish(std::move(reply));
}

Result<ReleaseCall> decode_release(const json::object& parameters) {
  Reader reader(parameters);
  const ReleaseCall call{.lease = reader.number<std::int64_t>("lease")};
  return std::move(reader).finish(call);
}

Result<CreateCall> decode_create(const json::object& parameters) {
  Reader reader(parameters);
  CreateCall call;
  call.name = reader.text("name");
  call.params = reader.optional_params("params");
  call.linger_ms = reader.optional_number<std::int64_t>("linger_ms", -1);
  return std::move(reader).finish(std::move(call));
}

Result<RemoveCall> decode_remove(const json::object& parameters) {
  Reader reader(parameters);
  RemoveCall call;
  call.name = reader.text("name");
  call.force = reader.optional_flag("force");
  return std::move(reader).finish(std::move(call));
}

Result<GetCall> decode_get(const json::object& parameters) {
  Reader reader(parameters);
  GetCall call{.name = reader.text("name")};
  return std::move(reader).finish(std::move(call));
}

Result<PingReply> decode_ping_reply(const json::object& parameters) {
  Reader reader(parameters);
  PingReply reply;
  reply.version = reader.text("version");
  reply.pid = reader.number<std::int64_t>("pid");
  reply.uid = reader.number<std::int64_t>("uid");
  reply.channels = reader.number<std::int64_t>("channels");
  reply.leases = reader.number<std::int64_t>("leases");
  reply.connections = reader.number<std::int64_t>("connections");
  reply.uptime_ms = reader.number<std::int64_t>("uptime_ms");
  return std::move(reader).finish(std::move(reply));
}

Result<ChannelInfo> decode_channel(const json::object& channel) {
  Reader reader(channel);
  ChannelInfo c;
  c.name = reader.text("name");
  c.params = reader.params("params");
  c.provisioned = reader.flag("provisioned");
  c.mode = reader.number<std::uint32_t>("mode");
  c.owner_uid = reader.number<std::uint32_t>("owner");
  c.group_gid = reader.number<std::uint32_t>("group");
  c.linger_ms = reader.number<std::int64_t>("linger_ms");
  c.reaped_in_ms = reader.number<std::int64_t>("reaped_in_ms");
  c.bytes = reader.number<std::uint64_t>("bytes");
  c.generation = reader.number<std::uint32_t>("generation");
  c.draining = reader.flag("draining");
  c.existing_peer = reader.flag("existing_peer");
  c.lease_ttl_ms = reader.number<std::int64_t>("lease_ttl_ms");
  c.waiting = reader.optional_waiting("waiting");
  c.no_memory = reader.optional_text("no_memory").value_or("");
  c.foreign = reader.optional_flag("foreign");
  c.retired = reader.number<std::uint32_t>("retired");
  c.sender = reader.optional_holder("sender");
  c.receiver = reader.optional_holder("receiver");
  c.sent = reader.number<std::uint64_t>("sent");
  c.sent_before = reader.optional_number<std::uint64_t>("sent_before");
  c.bytes_sent = reader.number<std::uint64_t>("bytes_sent");
  c.received = reader.number<std::uint64_t>("received");
  c.full = reader.number<std::uint64_t>("full");
  c.depth = reader.number<std::uint32_t>("depth");
  c.deepest = reader.number<std::uint32_t>("deepest");
  c.largest = reader.number<std::uint32_t>("largest");
  return std::move(reader).finish(std::move(c));
}

Result<RenewCall> decode_renew(const json::object& parameters) {
  Reader reader(parameters);
  const RenewCall call{.lease = reader.number<std::int64_t>("lease")};
  return std::move(reader).finish(call);
}

Result<DoorbellCall> decode_doorbell(const json::object& parameters) {
  Reader reader(parameters);
  DoorbellCall call{
      .name = reader.text("name"), .role = reader.role("role"), .ring = reader.optional_flag("ring")};
  return std::move(reader).finish(std::move(call));
}

Result<DoorbellReply> decode_doorbell_reply(const json::object& parameters) {
  constexpr int kLastFd = static_cast<int>(kFdsMax) - 1;
  Reader reader(parameters);
  const DoorbellReply reply{.doorbell = reader.number<int>("doorbell", 0, kLastFd),
                            .serial = reader.number<std::uint32_t>("serial", 1, kDoorbellSerialMax)};
  return std::move(reader).finish(reply);
}

Result<RevokeCall> decode_revoke(const json::object& parameters) {
  Reader reader(parameters);
  RevokeCall call{.name = reader.text("name"), .role = reader.role("role")};
  return std::move(reader).finish(std::move(call));
}

Result<ResizeCall> decode_resize(const json::object& parameters) {
  Reader reader(parameters);
  ResizeCall call{.name = reader.text("name"), .params = reader.params("params")};
  return std::move(reader).finish(std::move(call));
}

Result<WatchCall> decode_watch(const json::object& parameters) {
  Reader reader(parameters);
  WatchCall call{.name = reader.optional_text("name")};
  return std::move(reader).finish(std::move(call));
}

Result<ConfigCall> decode_config(const json::object& parameters) {
  Reader reader(parameters);
  ConfigCall call{.config = reader.text("config"), .file = reader.text("file")};
  return std::move(reader).finish(std::move(call));
}

Result<CheckCall> decode_check(const json::object& parameters) {
  Reader reader(parameters);
  const CheckCall call{.repair = reader.optional_flag("repair")};
  return std::move(reader).finish(call);
}

Result<Event> decode_event(const json::object& object) {
  Reader reader(object);
  Event event;
  event.at_ms = reader.number<std::int64_t>("at_ms");
  event.kind = reader.text("kind");
  event.channel = reader.text("channel");
  event.role = reader.optional_role("role");
  event.pid = reader.number<int>("pid");
  event.message = reader.text("message");
  event.missed = reader.number<std::int64_t>("missed");
  return std::move(reader).finish(std::move(event));
}

Result<PlanStep> decode_plan_step(const json::object& object) {
  Reader reader(object);
  PlanStep step{
      .action = reader.text("action"), .channel = reader.text("channel"), .details = reader.text("details")};
  return std::move(reader).finish(std::move(step));
}

Result<Finding> decode_finding(const json::object& object) {
  Reader reader(object);
  Finding finding{.kind = reader.text("kind"),
                  .subject = reader.text("subject"),
                  .message = reader.text("message"),
                  .repaired = reader.flag("repaired")};
  return std::move(reader).finish(std::move(finding));
}

}  // namespace zipc::protocol
