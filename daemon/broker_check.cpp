// The registry compared with the shared memory and the locks, and what can be done about a difference.
#include <algorithm>
#include <utility>
#include <zipc/layout.hpp>

#include "daemon/broker.h"
#include "daemon/log.h"

namespace zipc {

/// One check under way.
struct Broker::Check {
  bool repair = false;
  const Client& client;
  TimePoint now;
  std::vector<Finding> findings;

  /// Notes a finding; `mend` returns whether it has been mended, and is called only if it shall be.
  template <class Mend>
  void note(const char* kind, const std::string& subject, std::string message, Mend mend) {
    const bool repaired = repair && mend();
    log::warning("check: " + message + (repaired ? "; mended" : ""));
    findings.push_back({.kind = kind, .subject = subject, .message = std::move(message), .repaired = repaired});
  }
  void note(const char* kind, const std::string& subject, std::string message) {
    note(kind, subject, std::move(message), [] { return false; });
  }
};

Result<std::vector<Finding>> Broker::check(bool repair, const Client& client, TimePoint now) {
  if (!is_privileged(client, registry_.policy())) {
    return Failure{.code = Error::permission_denied,
                   .message = "user " + std::to_string(client.uid) + " may not check the broker",
                   .rule = "only the broker's user and root may check it"};
  }
  Check check{.repair = repair, .client = client, .now = now, .findings = {}};
  for (const auto& [name, channel] : registry_.channels()) check_channel(channel, check);
  check_orphans(check);
  check_formers(check);
  check_registry(check);
  return std::move(check.findings);
}

void Broker::check_channel(const Channel& channel, Check& check) {
  const std::string& name = channel.spec.name;
  const auto make_anew = [&] { return make_memory_anew(channel, check); };
  if (!channel.backing) {
    check.note("missing", name, "channel " + name + " has no memory: " + channel.no_memory, make_anew);
    return;
  }
  const auto look = segments_.look(name);
  if (look && look->id == channel.backing->id) {
    check_file(channel, *look, check);
    check_locks(channel, *look, check);
  } else if (look || look.error() == Error::foreign_segment) {
    check.note("other_file", name, "the file of channel " + name + " is not the one that the channel was given",
               make_anew);
  } else if (look.error() == Error::channel_not_found) {
    check.note("missing", name, "the file of channel " + name + " has gone", make_anew);
  } else {
    check.note("missing", name, look.failure().message);
  }
}

bool Broker::make_memory_anew(const Channel& channel, const Check& check) {
  settle(channel, check.now);
  return !channel.is_leased() && replace_memory(channel, check.client, check.now);
}

void Broker::check_file(const Channel& channel, const SegmentLook& look, Check& check) {
  if (!channel.backing->ours) return;
  const std::string& name = channel.spec.name;
  const Params& params = channel.spec.params;
  // Existing peers set the file to sizes of their own whenever they attach.
  const bool has_size = look.size >= segment_size(params) || look.size == older_peer_size(params) ||
                        look.size == newest_peer_size(params);
  const bool has_header = look.ours && look.info->params == params;
  if (has_size && has_header) return;
  const auto mend = [&] {
    if (has_header) return segments_.grow(name, look.id, segment_size(params)).has_value();
    if (settle(channel, check.now); channel.is_leased() || is_open_elsewhere(look)) return false;
    return segments_.discard(name, look.id, channel.spec.permissions.owner) &&
           replace_memory(channel, check.client, check.now);
  };
  if (!has_size) {
    check.note("wrong_size", name,
               "the file of channel " + name + " has " + std::to_string(look.size) + " bytes; it was made with " +
                   std::to_string(segment_size(params)),
               mend);
  } else {
    check.note("other_file", name, "the header of channel " + name + " is damaged", mend);
  }
}

void Broker::check_locks(const Channel& channel, const SegmentLook& look, Check& check) {
  const std::string& name = channel.spec.name;
  for (const Role role : kRoles) {
    const std::string end = std::string(to_string(role)) + " of channel " + name;
    const auto& lease = channel.lease(role);
    const bool held = lease ? is_held_still(channel, role, &look, check.now) : is_held(look, name, role);
    if (lease && !held) liveness_.catch_up();  // maybe the word is on its way, and that is nobody's fault
    if (lease && !is_held_still(channel, role, &look, check.now)) {
      check.note("leftover", name,
                 "process " + std::to_string(lease->holder.pid) + " has the lease of the " + end + ", but not its lock",
                 [&] {
                   settle(channel, check.now);
                   return !lease.has_value();
                 });
    } else if (!lease && is_held(look, name, role)) {
      check.note("unleased_holder", name, "somebody who has no lease is the " + end, [&] {
        notice_others(name, look, check.now);
        return lease.has_value();
      });
    }
  }
}

void Broker::check_orphans(Check& check) {
  for (const std::string& name : segments_.unfinished()) {
    check.note("orphan", name, "the file '" + name + "' was not finished by a zipcd that was killed",
               [&] { return segments_.discard_unfinished(name).has_value(); });
  }
  for (const std::string& name : segments_.ours()) {
    if (registry_.find(name) != nullptr) continue;
    check.note("orphan", name, "the file of " + name + " bears this broker's mark, but there is no such channel", [&] {
      const auto look = segments_.look(name);
      if (!look || !look->ours) return false;
      if (!look->info->creator.leased_once && !is_open_elsewhere(*look)) return segments_.remove(name, look->id).has_value();
      return adopt(name, *look, check.now).has_value();  // it lingers, as one of an earlier run
    });
  }
}

void Broker::check_formers(Check& check) {
  for (const FormerName& former : platform::former_names()) {
    const std::string file = to_string(former);
    const auto look = segments_.look(file);
    if (!look) continue;
    if (is_begun(former, *look)) {
      check.note("orphan", file, "the file '" + file + "' was not finished by a zipcd that was killed",
                 [&] { return segments_.discard(file, look->id, geteuid()).has_value(); });
      continue;
    }
    if (!look->ours) continue;
    const Channel* channel = registry_.find(former.channel);
    const bool is_known = channel != nullptr && std::any_of(channel->formers.begin(), channel->formers.end(),
                                                            [&](const Former& known) { return known.id == look->id; });
    if (is_known) {
      settle_formers(*channel);  // maybe the word that nobody needs it any more is on its way
      continue;
    }
    check.note("orphan", file, "the file '" + file + "' is left of a channel's former memory, and nobody uses it",
               [&] { return segments_.remove(file, look->id).has_value(); });
  }
}

void Broker::check_registry(Check& check) const {
  std::uint64_t bytes = 0;
  for (const auto& [name, channel] : registry_.channels()) {
    bytes += segment_size(channel.spec.params);
    for (const Former& former : channel.formers) bytes += former.bytes;
  }
  if (bytes != registry_.bytes()) {
    check.note("bytes", "registry",
               "the registry counts " + std::to_string(registry_.bytes()) + " bytes; its channels take " +
                   std::to_string(bytes));
  } else if (std::string broken = registry_.check_invariants(); !broken.empty()) {
    check.note("registry", "registry", std::move(broken));
  }
}

}  // namespace zipc
