#include "client/ctl/resize.h"

#include "client/ctl/complaint.h"
#include "client/ctl/output_json.h"

namespace zipc::ctl {
namespace {

/// The sizes to have: those given, and where only one is, the channel's other one.
Result<Params> wanted(Client& client, const ResizeOptions& options) {
  if (options.sizes.queue_size && options.sizes.message_size) return options.sizes.params();
  const auto channel = client.get(options.channel);
  if (!channel) return channel.failure();
  return Params{.queue_size = options.sizes.queue_size.value_or(channel->params.queue_size),
                .message_size = options.sizes.message_size.value_or(channel->params.message_size)};
}

}  // namespace

Result<void> run(Access& access, const ResizeOptions& options) {
  if (!options.sizes.given()) {
    return advised(Failure{Error::invalid_argument, "no size is given"}, "give --queue-size, --message-size, or both");
  }
  auto client = access.broker();
  if (!client) return client.failure();
  const auto params = wanted(*client, options);
  if (!params) return params.failure();
  const auto channel = client->get().resize(options.channel, *params);
  if (!channel) return channel.failure();
  return options.json ? print(json_of(*channel)) : Result<void>{};
}

}  // namespace zipc::ctl
