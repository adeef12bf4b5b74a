#include "client/ctl/channel_life.h"

#include "client/ctl/complaint.h"
#include "client/ctl/output_json.h"

namespace zipc::ctl {
namespace {

Result<ChannelInfo> create_at(Client& client, const CreateOptions& options) {
  std::optional<Params> params;
  if (options.sizes.given()) params = options.sizes.params();
  return client.create(options.channel, params, options.linger);
}

/// The channel stays when the role is given back: without a broker nobody removes it.
Result<ChannelInfo> create_directly(const CreateOptions& options) {
  if (options.linger) {
    return advised(Failure{Error::unsupported, "without a broker a channel stays until it is removed"},
                   "leave out --linger, or start zipcd");
  }
  const auto existing = Sender::open(options.channel);
  if (existing || existing.error() == Error::role_taken || existing.error() == Error::foreign_segment) {
    return Failure{Error::channel_exists, "the channel " + options.channel + " exists"};
  }
  const auto sender = Sender::create(options.channel, options.sizes.params());
  if (!sender) return sender.failure();
  ChannelInfo channel;
  channel.name = options.channel;
  channel.params = sender->params();
  channel.linger_ms = -1;  // for ever
  channel.bytes = sender->shared_memory_size();
  return channel;
}

/// That nobody holds a role can only be seen by taking both.
Result<void> check_unused(const std::string& channel) {
  const auto sender = Sender::open(channel);
  if (!sender && sender.error() != Error::role_taken) return sender.failure();
  const auto receiver = Receiver::open(channel);
  if (sender && receiver) return {};
  const Failure& refusal = sender ? receiver.failure() : sender.failure();
  if (refusal.code != Error::role_taken) return refusal;
  return Failure{Error::channel_in_use, "the channel " + channel + " is in use: " + refusal.message};
}

Result<void> remove_directly(const RemoveOptions& options) {
  const auto unused = check_unused(options.channel);
  const bool forced =
      options.force && (unused.error() == Error::channel_in_use || unused.error() == Error::foreign_segment);
  if (!unused && !forced) return unused;
  // zipc_unlink returns nothing. What zipc_last_error() has afterwards is its own, unless it is still this call's.
  zipc_stats(nullptr, nullptr);
  constexpr zipc_error kBefore = ZIPC_ERROR_INVALID_ARGUMENT;
  zipc_unlink(options.channel.c_str());
  const ZipcError& error = *zipc_last_error();
  if (error.code != kBefore) return Failure{static_cast<Error>(error.code), error.message};
  return {};
}

}  // namespace

Result<void> run(Access& access, const CreateOptions& options) {
  const auto client = access.broker_if_any();
  if (!client) return client.failure();
  const auto channel = *client != nullptr ? create_at(**client, options) : create_directly(options);
  if (!channel) return channel.failure();
  return options.json ? print(json_of(*channel)) : Result<void>{};
}

Result<void> run(Access& access, const RemoveOptions& options) {
  const auto client = access.broker_if_any();
  if (!client) return client.failure();
  if (*client == nullptr) return remove_directly(options);
  auto removed = (*client)->remove(options.channel, options.force);
  if (removed.error() != Error::foreign_segment) return removed;
  return advised(removed.failure(), "zipcctl --no-broker remove " + options.channel + " removes what was made without zipcd");
}

}  // namespace zipc::ctl
