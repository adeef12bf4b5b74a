// What the broker does about a new configuration: first a plan, then all of it or nothing.
#include <algorithm>
#include <utility>

#include "common/test_point.h"
#include "daemon/broker.h"
#include "daemon/changes.h"
#include "daemon/log.h"

namespace zipc {
namespace {

/// Of the sections that concern no channel in particular. That of the socket is not the broker's.
std::vector<PlanStep> section_steps(const Policy& before, const Policy& next) {
  std::vector<PlanStep> steps;
  const auto add = [&](const char* section, std::string details) {
    if (!details.empty()) steps.push_back({.action = "change", .channel = section, .details = std::move(details)});
  };
  add("limits", changes(before.limits, next.limits));
  add("defaults", changes(before.default_params, next.default_params));
  add("dynamic", changes(before.dynamic, next.dynamic));
  return steps;
}

Result<void> check_privileged(const Client& client, const Policy& policy) {
  if (is_privileged(client, policy)) return {};
  return Failure{.code = Error::permission_denied,
                 .message = "user " + std::to_string(client.uid) + " may not change the configuration",
                 .rule = "only the broker's user and root may"};
}

/// Whoever made a channel may still have its memory, so that the configuration cannot give it to somebody else.
Result<void> check_takeover(const ChannelSpec& before, const ChannelSpec& next, const Policy& policy) {
  const uid_t owner = before.permissions.owner;
  if (before.provisioned || owner == next.permissions.owner || owner == 0 || owner == policy.own_uid) return {};
  return Failure{Error::foreign_segment, "user " + std::to_string(owner) + " has made it, and may still have its memory; remove it first"};
}

Failure for_channel(const ChannelSpec& spec, const Policy& policy, const Failure& failure) {
  Failure named = failure;
  named.message = place_of(spec, policy) + ": channel " + spec.name + ": " + failure.message;
  return named;
}

}  // namespace

Result<std::vector<PlanStep>> Broker::plan(const Policy& next, const Client& client) {
  if (auto allowed = check_privileged(client, registry_.policy()); !allowed) return allowed.failure();
  const ConfigDiff diff = registry_.diff(next);
  std::vector<PlanStep> steps = section_steps(registry_.policy(), next);
  for (const ChannelSpec& spec : diff.added) {
    steps.push_back({.action = "create", .channel = spec.name, .details = sizes_of(spec.params)});
  }
  for (const ChannelSpec& spec : diff.resized) {
    const Channel& channel = *registry_.find(spec.name);
    if (auto allowed = check_takeover(channel.spec, spec, registry_.policy()); !allowed) return for_channel(spec, next, allowed.failure());
    std::string details = sizes_of(channel.spec.params) + " -> " + sizes_of(spec.params);
    if (channel.backing) {
      const auto move = Move::prepare(segments_, channel, spec, std::nullopt);  // and undone at once
      if (!move) return for_channel(spec, next, move.failure());
      if (move->messages() != 0) details += ", " + log::plural(move->messages(), "message") + " carried over";
    }
    if (const std::string others = changes(channel.spec, spec); !others.empty()) details += ", " + others;
    steps.push_back({.action = "resize", .channel = spec.name, .details = details});
  }
  for (const ChannelSpec& spec : diff.changed) {
    const ChannelSpec& before = registry_.find(spec.name)->spec;
    if (auto allowed = check_takeover(before, spec, registry_.policy()); !allowed) return for_channel(spec, next, allowed.failure());
    std::string details = changes(before, spec);
    if (!details.empty()) steps.push_back({.action = "change", .channel = spec.name, .details = std::move(details)});
  }
  for (const std::string& name : diff.withdrawn) {
    const Channel& channel = *registry_.find(name);
    std::string details = channel.is_leased() ? "in use" : "";
    if (channel.waiting != 0) {
      details += (details.empty() ? "" : ", ") + log::plural(channel.waiting, "message") + " waiting";
    }
    steps.push_back({.action = "drain", .channel = name, .details = details});
  }
  for (const ChannelSpec& spec : next.channels) {
    const Channel* channel = registry_.find(spec.name);
    const bool has_sizes = channel != nullptr && channel->spec.params == spec.params;
    if (has_sizes && changes(channel->spec, spec).empty()) {  // at most it stands in another line
      steps.push_back({.action = "keep", .channel = spec.name, .details = sizes_of(spec.params)});
    }
  }
  return steps;
}

// What can fail comes first, and is undone if anything does: new segments, then moves. The rest cannot.
Result<std::vector<PlanStep>> Broker::apply(Policy next, const Client& client, TimePoint now) {
  for (const auto& [name, channel] : registry_.channels()) settle(channel, now);
  auto steps = plan(next, client);
  if (!steps) return steps;
  const ConfigDiff diff = registry_.diff(next);
  ZIPC_TEST_POINT("apply.after-planning");

  std::vector<MadeSegment> made;
  const auto undo = [&] {
    for (std::size_t i = 0; i < made.size(); ++i) {
      if (made[i].backing.ours) static_cast<void>(segments_.remove(diff.added[i].name, made[i].backing.id));
    }
  };
  for (const ChannelSpec& spec : diff.added) {
    auto segment = segments_.make(spec);
    if (!segment) {
      undo();
      return for_channel(spec, next, segment.failure());
    }
    made.push_back(*segment);
  }
  ZIPC_TEST_POINT("apply.after-making");
  std::vector<Move> moves;
  const auto prepare = [&](const ChannelSpec& spec) -> Result<void> {
    auto move = Move::prepare(segments_, *registry_.find(spec.name), spec, std::nullopt);
    if (!move) return move.failure();
    moves.push_back(std::move(*move));
    return {};
  };
  for (const ChannelSpec& spec : diff.resized) {
    if (!registry_.find(spec.name)->backing) continue;
    if (auto prepared = prepare(spec); !prepared) {
      undo();
      return for_channel(spec, next, prepared.failure());
    }
  }
  ZIPC_TEST_POINT("apply.after-preparing");
  for (Move& move : moves) {
    if (auto frozen = move.freeze(); !frozen) {
      undo();
      return for_channel(move.next(), next, frozen.failure());
    }
  }
  ZIPC_TEST_POINT("apply.after-freezing");
  registry_.set_policy(std::move(next));
  for (Move& move : moves) {
    if (auto done = move.commit(); !done) {  // a file system that has swapped no files before, or somebody took them
      log::error("channel " + move.next().name + " keeps its sizes: " + done.failure().message);
      continue;
    }
    note_move(move, now);
    change(move.next(), now);
  }
  ZIPC_TEST_POINT("apply.after-moving");
  for (const ChannelSpec& spec : diff.resized) {
    if (!registry_.find(spec.name)->backing) change(spec, now);
  }
  if (!diff.withdrawn.empty() && registry_.policy().channels.empty()) {
    log::warning("the configuration names no channel any more: " + log::plural(diff.withdrawn.size(), "channel") +
                 " that it provided will go once empty and unused");
  }
  for (const std::string& name : diff.withdrawn) withdraw(name, now);
  for (const ChannelSpec& spec : diff.changed) change(spec, now);
  for (std::size_t i = 0; i < made.size(); ++i) add_provisioned(diff.added[i], made[i], {}, now);
  ZIPC_TEST_POINT("apply.after-all");
  return steps;
}

/// At the start, when there is nothing to go back to: what cannot be had is logged, and the rest is there.
void Broker::provide(const Policy& policy, TimePoint now) {
  const ConfigDiff diff = registry_.diff(policy);
  for (const std::string& name : diff.withdrawn) withdraw(name, now);
  for (const ChannelSpec& spec : diff.resized) {
    if (const auto moved = move(spec, std::nullopt, now); moved) {
      change(spec, now);
      continue;
    } else {
      const Channel& channel = *registry_.find(spec.name);
      log::warning("channel " + spec.name + " keeps " + to_string(channel.spec.params) + " although " +
                   place_of(spec, policy) + " says " + to_string(spec.params) + ": " + moved.failure().message);
      ChannelSpec kept = spec;
      kept.params = channel.spec.params;
      change(kept, now);
    }
  }
  for (const ChannelSpec& spec : diff.changed) change(spec, now);
  for (const ChannelSpec& spec : diff.added) {
    const auto made = segments_.make(spec);
    if (made) {
      add_provisioned(spec, *made, {}, now);
    } else {
      add_provisioned(spec, std::nullopt, made.failure().message, now);
    }
  }
}

void Broker::withdraw(const std::string& name, TimePoint now) {
  registry_.withdraw(name, now);
  const Channel& channel = *registry_.find(name);
  settle(channel, now);
  log::info("channel " + name + " is no longer provided by the configuration" +
            (channel.waiting != 0 ? "; it stays for now: " + log::plural(channel.waiting, "message") + " waiting" : ""));
  tell(EventKind::withdrawn, channel,
       [&] { return "channel " + name + " is no longer provided by the configuration"; });
}

void Broker::add_provisioned(const ChannelSpec& spec, const std::optional<MadeSegment>& made, const std::string& why,
                             TimePoint now) {
  if (!made) {  // kept without memory: whoever asks for it makes us try again
    log::error("channel " + spec.name + " (" + place_of(spec, registry_.policy()) + "): " + why);
    const Channel& channel = registry_.add(spec, std::nullopt, false, now);
    registry_.note_no_memory(spec.name, why);
    tell(EventKind::created, channel, [&] {
      return "channel " + spec.name + " is provided by the configuration, but without memory: " + why;
    });
    return;
  }
  const Channel& channel = registry_.add(spec, made->backing, false, now);
  log::info("channel " + spec.name + " provided: " + to_string(spec.params));
  tell(made->backing.ours ? EventKind::created : EventKind::adopted, channel,
       [&] { return "channel " + spec.name + " is provided by the configuration, with " + to_string(spec.params); });
}

void Broker::change(const ChannelSpec& spec, TimePoint now) {
  const Channel& channel = *registry_.find(spec.name);
  const ChannelSpec before = channel.spec;
  registry_.configure(spec, now);
  if (channel.backing) segments_.describe(spec, channel.backing->id);
  if (!before.provisioned) log::info("channel " + spec.name + " taken over by the configuration");
  if (channel.state() != ChannelState::in_use) liveness_.rest(spec.name);  // it may have been draining
  if (before.permissions != spec.permissions) {
    log::info("channel " + spec.name + " has mode " + octal(spec.permissions.mode) + " now, owner " +
              std::to_string(spec.permissions.owner) + ", group " + std::to_string(spec.permissions.group));
  }
  if (before.provisioned && before.linger != spec.linger) log::info("channel " + spec.name + " has another linger now");
  if (before.lease_ttl != spec.lease_ttl) log::info("channel " + spec.name + " has another lease_ttl now");
  if (before.waiting != spec.waiting) {
    log::info("channel " + spec.name + " has waiting " + to_string(spec.waiting) + " now, for who takes a role of it");
  }
}

}  // namespace zipc
