#include "client/ctl/explain.h"

#include "client/ctl/complaint.h"
#include "client/ctl/explanation.h"
#include "client/ctl/interruption.h"
#include "client/ctl/output_json.h"

namespace zipc::ctl {
namespace {

constexpr milliseconds kBetweenLooks{200};  // long enough for a slow channel to move, short enough to wait for

Result<Looks> look_twice(Client& client, const std::string& name) {
  using Clock = std::chrono::steady_clock;
  auto before = client.get(name);
  if (!before) return before.failure();
  const auto begin = Clock::now();
  if (auto paused = pause_for(kBetweenLooks); !paused) return paused.failure();
  auto now = client.get(name);
  if (!now) return now.failure();
  return Looks{.before = std::move(*before),
               .now = std::move(*now),
               .between = std::chrono::duration_cast<milliseconds>(Clock::now() - begin)};
}

}  // namespace

Result<void> run(Access& access, const ExplainOptions& options) {
  if (auto noted = note_signals(); !noted) return noted;
  auto client = access.broker();
  if (!client) return client.failure();
  const auto looks = look_twice(*client, options.channel);
  if (!looks) return looks.failure();
  Processes processes;
  if (looks->now.sender) processes.sender = look_up(*looks->now.sender);
  if (looks->now.receiver) processes.receiver = look_up(*looks->now.receiver);
  const auto sentences = explain(*looks, processes);
  if (options.json) return print(json_of(looks->now, sentences));
  std::string text;
  for (const std::string& sentence : sentences) text += sentence + "\n";
  return print(text);
}

}  // namespace zipc::ctl
