#include "client/ctl/explanation.h"

#include <array>
#include <cstdio>
#include <optional>

namespace zipc::ctl {
namespace {

std::string size_text(std::uint64_t bytes) { return format_size(static_cast<double>(bytes)); }
std::string time_text(std::int64_t count_ms) { return format_duration(milliseconds{count_ms}); }
std::string messages(std::uint64_t count) { return format_count(count, "message"); }
const char* wait_or_waits(std::uint64_t count) { return count == 1 ? " waits" : " wait"; }

/// The counters are as true as the peers, and may start again when the channel moves to other memory.
std::uint64_t grown(std::uint64_t before, std::uint64_t now) { return now > before ? now - before : 0; }

/// One end of the channel, as far as somebody holds its role.
struct End {
  Role role;
  const std::optional<Holder>& holder;
  const ProcessFacts& process;
  std::uint64_t moved;  ///< messages between the looks
};

/// Both ends and what can be derived of them; the sentences are made from this.
struct Scene {
  const ChannelInfo& channel;
  bool stayed_empty;  ///< at both looks
  bool had_messages;  ///< at both looks
  bool had_space;     ///< at both looks
  std::uint64_t found_full;
  std::int64_t between_ms;
  std::string lately;  ///< "in the last 200ms"
  End sender;
  End receiver;
};

std::uint32_t capacity_of(const ChannelInfo& channel) { return channel.params.queue_size - 1; }
bool is_full(const ChannelInfo& channel) { return channel.depth >= capacity_of(channel); }

Scene scene_of(const Looks& looks, const Processes& processes) {
  const ChannelInfo& then = looks.before;
  const ChannelInfo& now = looks.now;
  constexpr int kTenth = 100;  // two looks are never apart to the millisecond
  const auto tenths = (looks.between.count() + kTenth / 2) / kTenth;
  return {.channel = now,
          .stayed_empty = then.depth == 0 && now.depth == 0,
          .had_messages = then.depth > 0 && now.depth > 0,
          .had_space = !is_full(then) && !is_full(now),
          .found_full = grown(then.full, now.full),
          .between_ms = looks.between.count(),
          .lately = "in the last " + time_text(tenths * kTenth),
          .sender = {Role::sender, now.sender, processes.sender, grown(then.sent, now.sent)},
          .receiver = {Role::receiver, now.receiver, processes.receiver, grown(then.received, now.received)}};
}

const char* verb(const End& end) { return end.role == Role::sender ? "sent" : "received"; }

// ---- what it is -----------------------------------------------------------------------------------------------------

std::string origin_of(const ChannelInfo& channel) {
  if (channel.draining) return " was provided by the configuration, which has dropped it.";
  return channel.provisioned ? " is provided by the configuration." : " was made on request.";
}

std::string permissions_of(const ChannelInfo& channel) {
  std::array<char, 16> mode{};
  std::snprintf(mode.data(), mode.size(), "%04o", channel.mode);
  return "It belongs to user " + user_text(channel.owner_uid) + " and group " + group_text(channel.group_gid) +
         ", with mode " + mode.data() + ".";
}

void add_nature(const Scene& scene, std::vector<std::string>& text) {
  const ChannelInfo& channel = scene.channel;
  text.push_back(channel.name + origin_of(channel));
  text.push_back("It has " + format_count(channel.params.queue_size) + " slots of " +
                 size_text(channel.params.message_size) +
                 ", of which one stays free: " + messages(capacity_of(scene.channel)) + " can wait.");
  if (channel.no_memory.empty()) {
    text.push_back("Its memory takes " + size_text(channel.bytes) + " and is of generation " +
                   std::to_string(channel.generation) + ".");
  } else {
    text.push_back("It has no memory: " + channel.no_memory + ".");
    text.push_back("zipcd tries again when somebody asks for a role, and at zipcctl check --repair.");
  }
  if (channel.retired > 0) {
    text.push_back(format_count(channel.retired, "earlier generation") + (channel.retired == 1 ? " is" : " are") +
                   " still open somewhere.");
  }
  text.push_back(permissions_of(channel));
}

// ---- who holds it ---------------------------------------------------------------------------------------------------

std::string who(const End& end) {
  const ProcessFacts& process = end.process;
  std::string program = process.program.empty() ? "an unknown program" : process.program;
  if (!process.command_line.empty() && process.command_line != process.program) {
    program += " (" + process.command_line + ")";
  }
  constexpr std::uint32_t kUnknownUser = 0xffffffff;  // of a holder that an earlier zipcd had let in
  const std::string uid = end.holder->uid == kUnknownUser ? "not known" : std::to_string(end.holder->uid);
  return "process " + std::to_string(end.holder->pid) + ", " + program + ", of user " +
         (process.user.empty() ? uid : process.user + " (" + uid + ")");
}

/// Asleep all the time between the looks, although what it waits for was there: it does not get to run.
bool overslept(const Scene& scene, const End& end) {
  if (end.moved > 0 || end.holder->asleep_ms < scene.between_ms) return false;
  return end.role == Role::sender ? scene.had_space : scene.had_messages;
}

std::string sleep_text(const Scene& scene, const End& end) {
  std::string text = "It has been asleep for " + time_text(end.holder->asleep_ms) + ", waiting for ";
  text += end.role == Role::sender ? "space" : "a message";
  if (!overslept(scene, end)) return text + ".";
  text += end.role == Role::sender ? ", although there is some: "
                                   : ", although " + messages(scene.channel.depth) +
                                         (scene.channel.depth == 1 ? " is there: " : " are there: ");
  return text + "something keeps it from running.";
}

/// Whoever neither moves nor sleeps in zipc does something that zipc does not see.
std::string idle_text(const Scene& scene, const End& end) {
  std::string text = "It has not " + std::string(verb(end)) + " a message for at least " +
                     time_text(end.holder->idle_ms) + " and is not waiting in zipc: it ";
  if (end.role == Role::sender && !is_full(scene.channel)) text += "has nothing to send, or ";
  if (end.role == Role::receiver && scene.channel.depth == 0) text += "looks only now and then, or ";
  return text + "is busy or stuck elsewhere.";
}

std::string activity_of(const Scene& scene, const End& end) {
  if (end.moved > 0) return "It " + std::string(verb(end)) + " " + messages(end.moved) + " " + scene.lately + ".";
  if (end.holder->asleep_ms >= 0) return sleep_text(scene, end);
  if (end.holder->idle_ms >= 0) return idle_text(scene, end);
  return "It " + std::string(verb(end)) + " nothing " + scene.lately + ".";
}

void add_end(const Scene& scene, const End& end, std::vector<std::string>& text) {
  const std::string role = to_string(end.role);
  if (!end.holder) {
    text.push_back("Nobody is the " + role + ".");
    return;
  }
  text.push_back("The " + role + " is " + who(end) + "; it has held the role for " + time_text(end.holder->held_ms) +
                 ".");
  if (end.process.stopped) text.push_back("It is stopped, by a signal or a debugger.");
  text.push_back(activity_of(scene, end));
  if (end.holder->behind)
    text.push_back("It still uses an earlier generation of the memory, and follows at its next call.");
  if (end.holder->expires_in_ms >= 0) {
    text.push_back("It loses the role in " + time_text(end.holder->expires_in_ms) + " unless it renews its lease.");
  }
}

void add_leases(const ChannelInfo& channel, std::vector<std::string>& text) {
  if (channel.lease_ttl_ms >= 0) {
    text.push_back("A lease of it lasts " + time_text(channel.lease_ttl_ms) + " unless it is renewed.");
  }
  if (channel.existing_peer) {
    text.push_back("A program that takes no lease has it open: it may be a sender or receiver that is not seen here.");
  }
}

// ---- how full it is -------------------------------------------------------------------------------------------------

std::string fill_of(const Scene& scene) {
  const ChannelInfo& channel = scene.channel;
  const std::string waiting = messages(channel.depth) + wait_or_waits(channel.depth);
  const bool was_deeper = channel.deepest > channel.depth;
  if (channel.depth == 0) {
    return "The queue is empty" + (was_deeper ? "; at most " + messages(channel.deepest) + " ever waited." : ".");
  }
  if (is_full(channel)) return "The queue is full: " + waiting + ".";
  return waiting + ", of " + format_count(capacity_of(channel)) + " that fit" +
         (was_deeper ? "; at most " + format_count(channel.deepest) + " ever did." : ".");
}

std::string traffic_of(const ChannelInfo& channel) {
  if (channel.sent == 0 && channel.received == 0) return "Nothing was ever sent.";
  std::string text = messages(channel.sent) + (channel.sent == 1 ? " was" : " were") + " sent so far, " +
                     size_text(channel.bytes_sent) + " in all";
  if (channel.largest > 0) text += ", the longest of " + size_text(channel.largest);
  return text + "; " + format_count(channel.received) + (channel.received == 1 ? " was" : " were") + " received.";
}

void add_traffic(const Scene& scene, std::vector<std::string>& text) {
  text.push_back(fill_of(scene));
  text.push_back(traffic_of(scene.channel));
  if (scene.channel.full > 0) {
    std::string found = "The sender met a full queue " + format_count(scene.channel.full, "time");
    if (scene.found_full > 0) found += ", " + format_count(scene.found_full) + " of them " + scene.lately;
    text.push_back(found + ".");
  } else if (scene.channel.sent > 0) {
    text.push_back("The sender never met a full queue.");
  }
}

// ---- who waits for whom ---------------------------------------------------------------------------------------------

std::string excuse_of(const Scene& scene, const End& end) {
  if (end.process.stopped) return "is stopped";
  if (end.moved > 0) return std::string(verb(end)) + " " + messages(end.moved) + " " + scene.lately;
  if (end.holder->asleep_ms >= 0) return "is asleep itself";
  if (end.holder->idle_ms >= 0) {
    return "has not " + std::string(verb(end)) + " a message for at least " + time_text(end.holder->idle_ms);
  }
  return std::string(verb(end)) + " nothing " + scene.lately;
}

std::string waiting_text(const Scene& scene, const End& waiting, const End& awaited) {
  const std::string role = to_string(awaited.role);
  std::string text = "The " + std::string(to_string(waiting.role)) + " waits for ";
  if (awaited.holder) return text + "the " + role + ", which " + excuse_of(scene, awaited) + ".";
  return text + "a " + role + (scene.channel.existing_peer ? " that is not seen here." : ", and there is none.");
}

void add_waiting(const Scene& scene, std::vector<std::string>& text) {
  const auto& sender = scene.channel.sender;
  const auto& receiver = scene.channel.receiver;
  const bool pushes = is_full(scene.channel) && (scene.found_full > 0 || (sender && sender->asleep_ms >= 0));
  if (sender && pushes) text.push_back(waiting_text(scene, scene.sender, scene.receiver));
  const bool starves = scene.stayed_empty && receiver && receiver->asleep_ms >= 0 && scene.receiver.moved == 0;
  if (starves) text.push_back(waiting_text(scene, scene.receiver, scene.sender));
  if (scene.channel.depth > 0 && !receiver && !scene.channel.existing_peer) {
    text.push_back(scene.channel.depth == 1
                       ? "Nobody will receive this message until a receiver attaches."
                       : "Nobody will receive these " + messages(scene.channel.depth) + " until a receiver attaches.");
  }
}

// ---- what happens next ----------------------------------------------------------------------------------------------

std::string draining_text(const ChannelInfo& channel) {
  const bool held = channel.sender || channel.receiver || channel.existing_peer;
  if (channel.depth == 0) return held ? "It goes as soon as nobody uses it." : "It is about to go.";
  return "It goes when its " + messages(channel.depth) + (channel.depth == 1 ? " is" : " are") +
         " received and nobody uses it.";
}

/// zipcd only forgets it.
std::string future_of_foreign(const ChannelInfo& channel) {
  std::string text = "Its memory was made without this zipcd, which leaves it when it forgets the channel";
  if (channel.reaped_in_ms >= 0) text += " in " + time_text(channel.reaped_in_ms);
  return text + "; zipcctl --no-broker remove " + channel.name + " removes it.";
}

std::string future_of(const ChannelInfo& channel) {
  if (channel.draining) return draining_text(channel);
  if (channel.provisioned) return "It stays as long as the configuration has it.";
  if (channel.foreign) return future_of_foreign(channel);
  if (channel.reaped_in_ms >= 0) {
    const std::string contents = channel.depth == 0 ? "" : ", with what waits in it,";
    return "It will be removed" + contents + " in " + time_text(channel.reaped_in_ms) +
           ", unless somebody takes a role.";
  }
  if (channel.linger_ms < 0) return "It stays until it is removed: zipcctl remove " + channel.name;
  if (channel.sender || channel.receiver || channel.existing_peer) {
    return "It will be removed " + (channel.linger_ms == 0 ? "as soon as" : time_text(channel.linger_ms) + " after") +
           " its last user has gone.";
  }
  return "It is kept until somebody has used it, and " + time_text(channel.linger_ms) + " longer.";
}

}  // namespace

std::vector<std::string> explain(const Looks& looks, const Processes& processes) {
  const Scene scene = scene_of(looks, processes);
  std::vector<std::string> text;
  add_nature(scene, text);
  add_end(scene, scene.sender, text);
  add_end(scene, scene.receiver, text);
  add_leases(scene.channel, text);
  if (scene.channel.no_memory.empty()) {
    add_traffic(scene, text);
    add_waiting(scene, text);
  }
  text.push_back(future_of(scene.channel));
  return text;
}

}  // namespace zipc::ctl
