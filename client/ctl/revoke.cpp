#include "client/ctl/revoke.h"

#include "client/ctl/complaint.h"
#include "client/ctl/output_json.h"

namespace zipc::ctl {
namespace {

/// Those of the table of errors speak to the process that wanted the lease.
Failure readvised(Failure failure, const std::string& channel) {
  if (failure.code == Error::lease_not_found)
    return advised(std::move(failure), "zipcctl get " + channel + " shows who holds what");
  if (failure.code == Error::channel_in_use) {
    return advised(std::move(failure),
                   "end the program that takes no lease first: nobody can take the memory away from it");
  }
  return failure;
}

}  // namespace

Result<void> run(Access& access, const RevokeOptions& options) {
  auto client = access.broker();
  if (!client) return client.failure();
  const auto channel = client->get().revoke(options.channel, options.role);
  if (!channel) return readvised(channel.failure(), options.channel);
  return options.json ? print(json_of(*channel)) : Result<void>{};
}

}  // namespace zipc::ctl
