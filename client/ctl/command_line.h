/// The command line of zipcctl. CLI11 stays behind this file.
#pragma once

#include <variant>

#include "client/ctl/access.h"
#include "client/ctl/advise.h"
#include "client/ctl/catalogue.h"
#include "client/ctl/channel_life.h"
#include "client/ctl/check.h"
#include "client/ctl/dump.h"
#include "client/ctl/explain.h"
#include "client/ctl/plan.h"
#include "client/ctl/receive.h"
#include "client/ctl/resize.h"
#include "client/ctl/revoke.h"
#include "client/ctl/send.h"
#include "client/ctl/top.h"
#include "client/ctl/watch.h"

namespace zipc::ctl {

/// What to do. Each alternative has its run().
using Command = std::variant<ListOptions, GetOptions, CreateOptions, RemoveOptions, SendOptions, ReceiveOptions,
                             DumpOptions, PingOptions, ErrorsOptions, WatchOptions, PlanOptions, ApplyOptions,
                             CheckOptions, RevokeOptions, ResizeOptions, ExplainOptions, AdviseOptions, TopOptions>;

struct CommandLine {
  AccessOptions access;
  Command command;
};

/// Nothing is to be done: help was printed, or the command line is wrong, which was said.
struct Exit {
  int code = 0;
};

/// Exit code for wrong usage: that of Error::invalid_argument.
inline constexpr int kWrongUsage = 2;

[[nodiscard]] std::variant<CommandLine, Exit> parse_command_line(int argc, char** argv);

}  // namespace zipc::ctl
