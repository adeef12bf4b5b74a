#include "common/protocol.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace zipc::protocol {
namespace {

json::object parameters(std::string_view text) { return json::parse(text).as_object(); }

TEST(Protocol, EndsEveryMessageWithANulAndReadsItBack) {
  const AcquireCall call{.name = "/a", .role = Role::receiver, .params = Params{.queue_size = 8, .message_size = 64}, .resume = true};
  std::string message = to_message(Call{.method = std::string(method::kAcquire), .parameters = encode(call)});
  ASSERT_EQ(message.back(), '\0');
  message.pop_back();
  ASSERT_EQ(message.find('\0'), std::string::npos);
  const auto parsed = parse_call(message);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->method, method::kAcquire);
  const auto again = decode_acquire(parsed->parameters);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->name, "/a");
  EXPECT_EQ(again->role, Role::receiver);
  EXPECT_EQ(again->params, call.params);
  EXPECT_TRUE(again->resume);
}

TEST(Protocol, KeepsACallAndItsReplyInAnArenaAndWhatDoesNotFitOnTheHeap) {
  for (const std::size_t length : {std::size_t{38}, 4 * sizeof(Arena)}) {
    Arena arena;
    const AcquireCall call{.name = std::string(length, 'n'), .role = Role::sender, .params = Params{.queue_size = 8, .message_size = 64}};
    std::string message = to_message(Call{.method = std::string(method::kAcquire), .parameters = encode(call, arena.memory())});
    message.pop_back();
    const auto parsed = parse_call(message, arena.memory());
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->parameters.storage(), arena.memory());
    const auto again = decode_acquire(parsed->parameters);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->name, call.name);
    EXPECT_EQ(again->params, call.params);

    AcquireReply granted;
    granted.lease = 7;
    message = to_message(Reply{.error = {}, .parameters = encode(granted, parsed->parameters.storage())});
    message.pop_back();
    const auto reply = parse_reply(message, arena.memory());
    ASSERT_TRUE(reply);
    const auto decoded = decode_acquire_reply(reply->parameters);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->lease, 7);
  }
}

TEST(Protocol, AcceptsACallWithoutParametersAndWithUnknownMembers) {
  const auto call = parse_call(R"({"method":"a.B","oneway":true,"upgrade":false,"future":[1,2]})");
  ASSERT_TRUE(call);
  EXPECT_TRUE(call->oneway);
  EXPECT_FALSE(call->more);
  EXPECT_TRUE(call->parameters.empty());
  EXPECT_TRUE(decode_get(parameters(R"({"name":"/a","future":{}})")));
}

TEST(Protocol, RefusesWhatIsNoCall) {
  for (const char* text : {"", "x", "[]", "1", "null", "{}", R"({"method":1})", R"({"method":"a","parameters":[]})",
                           R"({"method":"a"} trailing)", "\xff\xfe", R"({"method":"a","parameters":{"x":[[[[[[[[[[1]]]]]]]]]]}})"}) {
    EXPECT_EQ(parse_call(text).error(), Error::protocol) << text;
  }
}

TEST(Protocol, NamesTheParameterAtFault) {
  const auto message = [](std::string_view text) { return decode_acquire(parameters(text)).failure().message; };
  EXPECT_EQ(message(R"({"role":"sender"})"), "parameter 'name' must be a string");
  EXPECT_EQ(message(R"({"name":"/a","role":"both"})"), "parameter 'role' must be \"sender\" or \"receiver\"");
  EXPECT_EQ(message(R"({"name":"/a","role":"sender","params":3})"), "parameter 'params' must be an object");
  EXPECT_EQ(message(R"({"name":"/a","role":"sender","params":{"queue_size":8}})"),
            "parameter 'message_size' must be an integer from 0 to 4294967295");
  EXPECT_EQ(message(R"({"name":"/a","role":"sender","resume":1})"), "parameter 'resume' must be true or false");
}

TEST(Protocol, RefusesNumbersThatDoNotFit) {
  for (const char* number : {"-1", "4294967296", "1e3", "8.0", "\"8\"", "null", "1e400", "99999999999999999999999"}) {
    const std::string text = R"({"name":"/a","role":"sender","params":{"message_size":8,"queue_size":)" + std::string(number) + "}}";
    boost::system::error_code error;
    const auto value = json::parse(text, error);
    if (error) continue;  // refused one step earlier
    EXPECT_EQ(decode_acquire(value.as_object()).error(), Error::invalid_argument) << number;
  }
  EXPECT_TRUE(decode_acquire(parameters(R"({"name":"/a","role":"sender","params":null})"))) << "null stands for absent";
}

TEST(Protocol, CarriesAFailureWithItsOperandsAcross) {
  for (int number = 1; number < kErrorCount; ++number) {
    Failure failure{.code = static_cast<Error>(number), .message = "a sentence"};
    if (failure.code == Error::role_taken) failure.holder_pid = 42;
    if (failure.code == Error::params_mismatch) failure.expected = {.queue_size = 8, .message_size = 64};
    if (failure.code == Error::permission_denied || failure.code == Error::limit_reached) failure.rule = "line 7";
    std::string message = to_message(to_reply(failure));
    message.pop_back();
    const auto reply = parse_reply(message);
    ASSERT_TRUE(reply);
    const Failure again = from_reply(*reply);
    EXPECT_EQ(again.code, failure.code);
    EXPECT_EQ(again.message, failure.message);
    EXPECT_EQ(again.holder_pid, failure.holder_pid);
    EXPECT_EQ(again.expected, failure.expected);
    EXPECT_EQ(again.rule, failure.rule);
  }
}

TEST(Protocol, GivesErrorsOfOtherInterfacesAsProtocolErrorsWithTheirName) {
  const Failure failure = from_reply({.error = "org.varlink.service.MethodNotFound", .parameters = {}});
  EXPECT_EQ(failure.code, Error::protocol);
  EXPECT_NE(failure.message.find("org.varlink.service.MethodNotFound"), std::string::npos);
}

TEST(Protocol, CarriesAChannelAcross) {
  ChannelInfo channel;
  channel.name = "/camera";
  channel.params = {.queue_size = 8, .message_size = 64};
  channel.sender = Holder{.lease = 3, .pid = 10, .uid = 1000, .held_ms = 5};
  channel.waiting = Waiting::poll;
  channel.sent = ~std::uint64_t{0};
  channel.sent_before = 7;
  channel.reaped_in_ms = -1;
  const auto again = decode_channel(encode(channel));
  ASSERT_TRUE(again) << again.failure().message;
  EXPECT_EQ(again->name, channel.name);
  EXPECT_EQ(again->params, channel.params);
  ASSERT_TRUE(again->sender);
  EXPECT_EQ(again->sender->uid, 1000u);
  EXPECT_FALSE(again->receiver);
  EXPECT_EQ(again->waiting, Waiting::poll);
  EXPECT_EQ(again->sent, channel.sent);
  EXPECT_EQ(again->sent_before, channel.sent_before);
  EXPECT_EQ(again->reaped_in_ms, -1);
}

TEST(Protocol, TakesAChannelOfABrokerThatDoesNotSayWhatWasSentBefore) {
  json::object channel = encode(ChannelInfo{});
  channel.erase("sent_before");
  const auto again = decode_channel(channel);
  ASSERT_TRUE(again) << again.failure().message;
  EXPECT_FALSE(again->sent_before);
}

TEST(Protocol, TakesAWayToWaitThatIsMissingOrUnknownForTheAdaptiveOne) {
  auto reply = encode(AcquireReply{.lease = 1, .params = {.queue_size = 8, .message_size = 64}, .lock = {}, .waiting = Waiting::spin});
  ASSERT_TRUE(decode_acquire_reply(reply)) << decode_acquire_reply(reply).failure().message;
  EXPECT_EQ(decode_acquire_reply(reply)->waiting, Waiting::spin);
  reply["waiting"] = "clairvoyant";
  EXPECT_EQ(decode_acquire_reply(reply)->waiting, Waiting::adaptive) << "of a later broker";
  reply.erase("waiting");
  EXPECT_EQ(decode_acquire_reply(reply)->waiting, Waiting::adaptive) << "of an earlier broker";
}

TEST(Protocol, TakesALeaseForUnwatchedIfTheBrokerDoesNotSay) {
  auto reply = encode(AcquireReply{.lease = 1, .params = {.queue_size = 8, .message_size = 64}, .lock = {}, .watched = true});
  EXPECT_TRUE(decode_acquire_reply(reply)->watched);
  reply.erase("watched");
  ASSERT_TRUE(decode_acquire_reply(reply)) << "of an earlier broker";
  EXPECT_FALSE(decode_acquire_reply(reply)->watched);
}

TEST(Protocol, DescribesEveryMethodThatItNames) {
  for (const auto name : {method::kAcquire, method::kRelease, method::kCreate, method::kRemove, method::kList, method::kGet,
                          method::kGetDoorbell,
                          method::kPing}) {
    const std::string declaration = "\nmethod " + std::string(name.substr(kInterface.size() + 1)) + "(";
    EXPECT_NE(interface_description().find(declaration), std::string_view::npos) << name;
  }
}

}  // namespace
}  // namespace zipc::protocol
