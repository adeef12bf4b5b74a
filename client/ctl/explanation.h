/// Why a channel is as it is, in sentences. Pure: what is known comes in, text goes out.
#pragma once

#include <string>
#include <vector>
#include <zipc/channel.hpp>

#include "client/ctl/process.h"
#include "client/ctl/units.h"

namespace zipc::ctl {

/// The same channel, looked at twice: only so can be told what moves.
struct Looks {
  ChannelInfo before;
  ChannelInfo now;
  milliseconds between{0};
};

/// What is known of those who hold a role at the second look; of nobody, nothing.
struct Processes {
  ProcessFacts sender;
  ProcessFacts receiver;
};

/// What it is, who holds each role and what they do, how full it is, who waits for whom, and what happens next.
[[nodiscard]] std::vector<std::string> explain(const Looks& looks, const Processes& processes);

}  // namespace zipc::ctl
