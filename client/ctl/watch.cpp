#include "client/ctl/watch.h"

#include <time.h>

#include <array>
#include <cstdio>
#include <optional>

#include "client/ctl/complaint.h"
#include "client/ctl/interruption.h"
#include "client/ctl/output_json.h"
#include "client/ctl/units.h"

namespace zipc::ctl {
namespace {

constexpr milliseconds kRetry{200};  // between two attempts to reach the broker

/// The local time of day: "12:03:04.123".
std::string clock_text(std::int64_t at_ms) {
  const time_t seconds = at_ms / 1000;
  struct tm local {};
  localtime_r(&seconds, &local);
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%02d:%02d:%02d.%03d", local.tm_hour, local.tm_min, local.tm_sec,
                static_cast<int>(at_ms % 1000));
  return text.data();
}

/// "sender, process 42: killed by signal 9 (Killed)", as far as it is known.
std::string details_of(const Event& event) {
  std::string text;
  if (event.role) text += to_string(*event.role);
  if (event.pid != 0) text += (text.empty() ? "process " : ", process ") + std::to_string(event.pid);
  if (!event.message.empty()) text += (text.empty() ? "" : ": ") + event.message;
  return text;
}

std::string lines_of(const Event& event) {
  const std::string time = clock_text(event.at_ms);
  std::string text;
  if (event.missed > 0) {
    text = time + " " + format_count(static_cast<std::uint64_t>(event.missed), "event") +
           " missed: they came faster than they were read here\n";
  }
  text += time + " " + event.channel + " " + event.kind;
  if (const std::string details = details_of(event); !details.empty()) text += "  " + details;
  return text + "\n";
}

/// Prints what comes, until it fails.
Failure follow(Watch& watch, const WatchOptions& options) {
  for (;;) {
    if (interrupting_signal() != 0) return interrupted();
    const auto event = watch.next(kSlice);
    if (!event) return event.failure();
    if (!*event) continue;
    if (auto printed = print(options.json ? json_of(**event) : lines_of(**event)); !printed) return printed.failure();
  }
}

/// While a broker starts, its socket is there for a moment before anybody may use it.
bool may_pass(Error error) {
  return error == Error::no_broker || error == Error::timeout || error == Error::permission_denied;
}

Result<Watch> watch_again(Client& client, const WatchOptions& options) {
  for (;;) {
    if (auto paused = pause_for(kRetry); !paused) return paused.failure();
    auto watch = client.watch(options.channel);
    if (watch || !may_pass(watch.error())) return watch;
  }
}

}  // namespace

Result<void> run(Access& access, const WatchOptions& options) {
  if (auto noted = note_signals(); !noted) return noted;
  auto broker = access.broker();
  if (!broker) return broker.failure();
  Client& client = broker->get();
  auto watch = client.watch(options.channel);
  if (!watch) return watch.failure();
  if (!options.json) {
    const std::string what = options.channel.empty() ? "all channels" : options.channel;
    print_aside("zipcctl: watching " + what + " at " + client.socket_path() + ", until Ctrl-C\n");
  }
  for (;;) {
    const Failure end = follow(*watch, options);
    if (end.code != Error::no_broker || options.once) return end;
    print_aside("zipcctl: " + end.message + ", waiting for it to come back\n");
    watch = watch_again(client, options);
    if (!watch) return watch.failure();
    print_aside("zipcctl: the broker is back; what happened meanwhile is not shown\n");
  }
}

}  // namespace zipc::ctl
