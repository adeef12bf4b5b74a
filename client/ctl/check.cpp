#include "client/ctl/check.h"

#include <algorithm>
#include <vector>

#include "client/ctl/complaint.h"
#include "client/ctl/output_json.h"
#include "client/ctl/table.h"
#include "client/ctl/units.h"

namespace zipc::ctl {
namespace {

std::string text_of(const std::vector<Finding>& findings, const BrokerInfo& broker) {
  if (findings.empty()) {
    return "nothing wrong: " + format_count(static_cast<std::uint64_t>(broker.channels), "channel") + ", " +
           format_count(static_cast<std::uint64_t>(broker.leases), "lease") + "\n";
  }
  Table table({{"KIND"}, {"SUBJECT"}, {"WHAT IS WRONG"}});
  for (const Finding& finding : findings) {
    table.add({finding.kind, finding.subject, finding.message + (finding.repaired ? " (repaired)" : "")});
  }
  return table.text();
}

/// The exit code of what is left; that the numbers of errors have none for it is why it is the system's.
Result<void> verdict(const std::vector<Finding>& findings, bool repair) {
  const auto left = static_cast<std::uint64_t>(std::ranges::count(findings, false, &Finding::repaired));
  if (left == 0) return {};
  if (repair) {
    return advised(Failure{Error::system, std::to_string(left) + " of " + format_count(findings.size(), "finding") +
                                              " could not be repaired"},
                   "see what is said of each; zipcd's log may say more");
  }
  return advised(Failure{Error::system, format_count(left, "finding")},
                 "zipcctl check --repair mends what can be mended");
}

}  // namespace

Result<void> run(Access& access, const CheckOptions& options) {
  auto client = access.broker();
  if (!client) return client.failure();
  const auto findings = client->get().check(options.repair);
  if (!findings) return findings.failure();
  const auto broker = client->get().ping();
  if (!broker) return broker.failure();
  if (auto printed = print(options.json ? json_of(*findings, *broker) : text_of(*findings, *broker)); !printed) {
    return printed;
  }
  return verdict(*findings, options.repair);
}

}  // namespace zipc::ctl
