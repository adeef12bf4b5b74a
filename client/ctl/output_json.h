/// JSON for programs. Each function returns one line, with its newline. Boost.JSON stays behind this file.
///
/// Channels, events, steps and findings have the fields of their types in io.zipc.Broker.varlink, under the same names.
#pragma once

#include <string>
#include <string_view>
#include <vector>
#include <zipc/zipc.hpp>

#include "client/ctl/advice.h"
#include "client/ctl/tally.h"

namespace zipc::ctl {

[[nodiscard]] std::string json_of(const std::vector<ChannelInfo>& channels);  ///< {"channels":[...]}
[[nodiscard]] std::string json_of(const ChannelInfo& channel);
/// {"channel":{..},"sentences":["..", ..]}
[[nodiscard]] std::string json_of(const ChannelInfo& channel, const std::vector<std::string>& sentences);
/// {"advice":[{"name":..,"params":{..},"advised":{..},"reasons":[..]}, ..],"channels":..,"messages":..}
[[nodiscard]] std::string json_of(const std::vector<Advice>& advice, const std::vector<ChannelInfo>& channels);
[[nodiscard]] std::string json_of(const Event& event);
[[nodiscard]] std::string json_of(const std::vector<PlanStep>& steps);  ///< {"steps":[...]}
/// {"findings":[...],"channels":..,"leases":..}
[[nodiscard]] std::string json_of(const std::vector<Finding>& findings, const BrokerInfo& broker);
[[nodiscard]] std::string json_of(const BrokerInfo& broker, std::string_view socket_path);

/// {"channel":..,"bytes":..,"messages":..,"seconds":..,"bytes_per_second":..}
[[nodiscard]] std::string json_of(std::string_view channel, const Tally& tally);

/// What went wrong: {"error":..,"code":..,"message":..,"advice":..}, and "holder_pid", "params" (those that the channel has) and
/// "rule" where there are any. `code`: the exit code.
[[nodiscard]] std::string json_of(const Failure& failure, int code);

/// The table of errors: {"errors":[{"number":..,"name":..,"summary":..,"advice":..}, ..]}
[[nodiscard]] std::string errors_as_json();

}  // namespace zipc::ctl
