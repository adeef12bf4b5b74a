#include "client/ctl/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <limits>
#include <sstream>

#include "client/ctl/complaint.h"
#include "common/suggestion.h"

namespace zipc::ctl {
namespace {

constexpr const char* kCommon =
    "Every command takes --socket PATH and --no-broker: see zipcctl --help.\n"
    "Exit codes: 0 done, 2 wrong usage, 129, 130 and 143 ended by SIGHUP, SIGINT and SIGTERM,\n"
    "otherwise the number of the error, which 'zipcctl errors' explains.\n"
    "Environment: ZIPC_SOCKET=PATH, ZIPC_BROKER=auto|require|off. Manual: man zipcctl\n";

constexpr std::uint64_t kLargest = std::numeric_limits<std::uint32_t>::max();

/// Adds an option whose text is read by `parse`; what parse() expected is what a wrong one is answered with.
template <class Parse, class Assign>
CLI::Option* add_parsed(CLI::App& app, const std::string& flag, const char* type, const std::string& text, Parse parse,
                        Assign assign) {
  const auto read = [flag, parse, assign](const std::string& value) {
    const auto parsed = parse(value);
    if (!parsed) throw CLI::ValidationError(flag, parsed.failure().message);
    assign(*parsed);
  };
  return app.add_option_function<std::string>(flag, read, text)->type_name(type);
}

void add_bytes(CLI::App& app, const std::string& flag, std::optional<std::uint32_t>& into, const std::string& text) {
  add_parsed(app, flag, "SIZE", text, parse_size, [flag, &into](std::uint64_t bytes) {
    if (bytes == 0 || bytes > kLargest) throw CLI::ValidationError(flag, "is 1 byte or more, and less than 4GiB");
    into = static_cast<std::uint32_t>(bytes);
  });
}

template <class Number>
void add_number(CLI::App& app, const std::string& flag, std::optional<Number>& into, const std::string& text) {
  add_parsed(app, flag, "N", text, parse_count, [flag, &into](std::uint64_t count) {
    if (count > std::numeric_limits<Number>::max()) throw CLI::ValidationError(flag, "is too large");
    into = static_cast<Number>(count);
  });
}

void add_sizes(CLI::App& app, Sizes& sizes) {
  add_number(app, "--queue-size", sizes.queue_size, "Slots of the queue; one always stays free");
  add_bytes(app, "--message-size", sizes.message_size, "Longest message, e.g. 64KiB");
}

void add_timeout(CLI::App& app, milliseconds& timeout, const std::string& text) {
  add_parsed(app, "--timeout", "DURATION", text, parse_duration, [&timeout](milliseconds parsed) { timeout = parsed; });
}

Result<milliseconds> parse_interval(std::string_view text) {
  const auto interval = parse_duration(text);
  if (interval && *interval >= kTopIntervalMin && *interval <= kTopIntervalMax) return interval;
  return Failure{Error::invalid_argument, "'" + std::string(text) + "' is not a duration from 100ms to 1h, such as 500ms"};
}

void add_channel(CLI::App& app, std::string& channel) {
  app.add_option("NAME", channel, "The channel, e.g. /camera")->required()->type_name("");
}

void add_json(CLI::App& app, bool& json, const std::string& text = "Print JSON, for programs") {
  app.add_flag("--json", json, text);
}

/// A subcommand whose options are added by `configure`. They are written into `command` once it is known to be this
/// one.
template <class Options, class Configure>
void add_command(CLI::App& app, Command& command, const std::string& name, const std::string& text,
                 const std::string& examples, Configure configure) {
  auto options = std::make_shared<Options>();  // CLI11 keeps pointers into it until the command line is parsed
  CLI::App* subcommand = app.add_subcommand(name, text);
  subcommand->fallthrough();
  subcommand->footer("Examples:\n" + examples + "\n" + kCommon);
  configure(*subcommand, *options);
  subcommand->final_callback([options, &command] { command = *options; });
}

void add_catalogue(CLI::App& app, Command& command) {
  add_command<ListOptions>(app, command, "list", "Show the channels of the broker, with their counters",
                           "  zipcctl list\n  zipcctl list --json | jq '.channels[] | select(.depth > 0) | .name'\n",
                           [](CLI::App& list, ListOptions& options) { add_json(list, options.json); });
  add_command<GetOptions>(app, command, "get", "Show all about one channel", "  zipcctl get /camera\n",
                          [](CLI::App& get, GetOptions& options) {
                            add_channel(get, options.channel);
                            add_json(get, options.json);
                          });
  add_command<PingOptions>(app, command, "ping", "Ask the broker who it is", "  zipcctl ping && echo zipcd is there\n",
                           [](CLI::App& ping, PingOptions& options) { add_json(ping, options.json); });
  add_command<ErrorsOptions>(app, command, "errors", "Explain the exit codes: what happened and what to do",
                             "  zipcctl errors\n",
                             [](CLI::App& errors, ErrorsOptions& options) { add_json(errors, options.json); });
}

void add_observers(CLI::App& app, Command& command) {
  add_command<ExplainOptions>(app, command, "explain",
                              "Say why a channel is as it is: who holds it and who waits for whom",
                              "  zipcctl explain /camera\n  zipcctl explain /camera --json | jq -r '.sentences[]'\n",
                              [](CLI::App& explain, ExplainOptions& options) {
                                add_channel(explain, options.channel);
                                add_json(explain, options.json);
                              });
  add_command<AdviseOptions>(app, command, "advise", "Advise better sizes for channels, going by their counters",
                             "  zipcctl advise\n  zipcctl advise --json | jq -r '.advice[].name'\n",
                             [](CLI::App& advise, AdviseOptions& options) { add_json(advise, options.json); });
  add_command<TopOptions>(app, command, "top", "Show what goes through the channels, live on the terminal",
                          "  zipcctl top\n  zipcctl top --interval 200ms\n", [](CLI::App& top, TopOptions& options) {
                            add_parsed(top, "--interval", "DURATION", "Between two looks, e.g. 500ms (default: 1s)",
                                       parse_interval, [&options](milliseconds parsed) { options.interval = parsed; });
                          });
  add_command<WatchOptions>(
      app, command, "watch", "Show what happens to channels, as it happens",
      "  zipcctl watch\n  zipcctl watch /camera\n"
      "  zipcctl watch --json | jq -r 'select(.kind == \"died\") | .message'\n",
      [](CLI::App& watch, WatchOptions& options) {
        watch.add_option("NAME", options.channel, "Only this channel, e.g. /camera")->type_name("");
        add_json(watch, options.json, "Print a line of JSON for each event, for programs");
        watch.add_flag("--once,--no-reconnect", options.once, "End when the broker goes away");
      });
}

void add_channel_life(CLI::App& app, Command& command) {
  add_command<CreateOptions>(
      app, command, "create", "Create a channel and take no role of it",
      "  zipcctl create /camera\n  zipcctl create /camera --queue-size 8 --message-size 8MiB --linger forever\n",
      [](CLI::App& create, CreateOptions& options) {
        add_channel(create, options.channel);
        add_sizes(create, options.sizes);
        add_parsed(create, "--linger", "DURATION", "How long it outlives its last user, e.g. 10s or forever",
                   parse_duration, [&options](milliseconds parsed) { options.linger = parsed; });
        add_json(create, options.json, "Print the channel as JSON");
      });
  add_command<RemoveOptions>(app, command, "remove", "Remove a channel and the messages in it",
                             "  zipcctl remove /camera\n  zipcctl remove /camera --force\n",
                             [](CLI::App& remove, RemoveOptions& options) {
                               add_channel(remove, options.channel);
                               remove.add_flag("--force", options.force, "Although somebody uses it");
                             });
  add_command<DumpOptions>(app, command, "dump", "Print the channel's memory in hexadecimal; takes no role",
                           "  zipcctl dump /camera\n  zipcctl dump /camera --all | less\n",
                           [](CLI::App& dump, DumpOptions& options) {
                             add_channel(dump, options.channel);
                             dump.add_flag("--all", options.all, "The messages too, not only the header");
                           });
}

void configure_plan(CLI::App& plan, PlanOptions& options) {
  plan.add_option("FILE", options.file, "The configuration; standard input if it is -")->required()->type_name("");
  plan.add_flag("--all", options.all, "Show channels that stay as they are, too");
  add_json(plan, options.json);
}

void add_role(CLI::App& app, Role& role) {
  app.add_option_function<std::string>(
         "ROLE",
         [&role](const std::string& word) {
           if (word != to_string(Role::sender) && word != to_string(Role::receiver)) {
             throw CLI::ValidationError("ROLE", "'" + word + "' is neither sender nor receiver");
           }
           role = word == to_string(Role::sender) ? Role::sender : Role::receiver;
         },
         "sender or receiver")
      ->required()
      ->type_name("");
}

void add_operations(CLI::App& app, Command& command) {
  add_command<PlanOptions>(
      app, command, "plan", "Show what a configuration would change; changes nothing",
      "  zipcctl plan " ZIPC_CONFIG_FILE "\n  zipcctl plan --json new.yaml | jq '.steps[] | select(.action != \"keep\")'\n",
      [](CLI::App& plan, PlanOptions& options) { configure_plan(plan, options); });
  add_command<ApplyOptions>(
      app, command, "apply", "Change what a configuration changes, until zipcd loads its own file again",
      "  zipcctl plan new.yaml && zipcctl apply new.yaml\n  sed s/64/128/ zipcd.yaml | zipcctl apply -\n",
      [](CLI::App& apply, ApplyOptions& options) { configure_plan(apply, options); });
  add_command<CheckOptions>(app, command, "check",
                            "Compare the broker's registry with what there is; exit code 1 if something stays wrong",
                            "  zipcctl check\n  zipcctl check --repair\n", [](CLI::App& check, CheckOptions& options) {
                              check.add_flag("--repair", options.repair, "Mend what is wrong");
                              add_json(check, options.json);
                            });
  add_command<RevokeOptions>(app, command, "revoke", "Take a role away from the process that holds it",
                             "  zipcctl revoke /camera receiver\n", [](CLI::App& revoke, RevokeOptions& options) {
                               add_channel(revoke, options.channel);
                               add_role(revoke, options.role);
                               add_json(revoke, options.json, "Print the channel as JSON");
                             });
  add_command<ResizeOptions>(
      app, command, "resize", "Give a channel other sizes, also while it is in use; what waits in it is kept",
      "  zipcctl resize /camera --queue-size 128\n  zipcctl resize /camera --queue-size 8 --message-size 8MiB\n",
      [](CLI::App& resize, ResizeOptions& options) {
        add_channel(resize, options.channel);
        add_sizes(resize, options.sizes);
        add_json(resize, options.json, "Print the channel as JSON");
      });
}

void configure_send(CLI::App& send, SendOptions& options) {
  add_channel(send, options.channel);
  send.add_option("FILE", options.file, "What to send; standard input if left out or -")->type_name("");
  add_sizes(send, options.sizes);
  send.add_flag("--lines", options.lines, "Each line, with its newline, is a message");
  add_bytes(send, "--frame", options.frame, "Bytes of each message; only the last may have fewer");
  send.get_option("--frame")->excludes("--lines");
  send.add_flag("--append", options.append, "Although messages of another stream are waiting");
  add_timeout(send, options.timeout, "Give up when nothing is received for so long (default: forever)");
  send.add_flag("--quiet,-q", options.quiet, "Show no progress");
  add_json(send, options.json, "Print a summary as JSON");
}

void configure_receive(CLI::App& receive, ReceiveOptions& options) {
  add_channel(receive, options.channel);
  receive.add_option("FILE", options.file, "Where to; standard output if left out or -")->type_name("");
  add_sizes(receive, options.sizes);
  receive.add_flag("--lines", options.lines, "A newline after each message that does not end in one");
  add_bytes(receive, "--frame", options.frame, "Refuse messages of any other size; only the last may be shorter");
  receive.add_flag("--follow", options.follow, "Go on after the end of the stream, until a signal");
  receive.add_flag("--rest", options.rest, "What is left of a stream that another receiver has begun");
  add_number(receive, "--count", options.count, "End after N messages");
  add_timeout(receive, options.timeout, "Give up when no message arrives for so long (default: forever)");
  receive.add_flag("--quiet,-q", options.quiet, "Show no progress");
  add_json(receive, options.json, "Print a summary as JSON; on standard error if the messages go to standard output");
}

void add_transfer(CLI::App& app, Command& command) {
  add_command<SendOptions>(app, command, "send", "Send a file or standard input; returns when all of it was received",
                           "  zipcctl send /files photo.raw\n  journalctl -f | zipcctl send --lines /log\n"
                           "  zipcctl send /samples --frame 512 < samples.bin\n",
                           configure_send);
  add_command<ReceiveOptions>(app, command, "receive", "Receive into a file or to standard output",
                              "  zipcctl receive /files copy.raw\n  zipcctl receive /log --follow | grep error\n"
                              "  zipcctl receive /samples --count 100 --timeout 5s > samples.bin\n",
                              configure_receive);
}

/// ": did you mean 'list'?", if there is a command like that.
std::string similar_command(const CLI::App& app, const std::string& word) {
  const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  std::vector<std::string_view> names;
  for (const CLI::App* command : commands) names.push_back(command->get_name());
  const std::string_view guess = nearest(word, names);
  return guess.empty() ? "" : ": did you mean '" + std::string(guess) + "'?";
}

int complain_about(const CLI::App& app, const CLI::ParseError& error) {
  std::string command = "zipcctl";
  for (const CLI::App* subcommand : app.get_subcommands()) command.append(" ").append(subcommand->get_name());
  const auto unknown = app.get_subcommands().empty() ? app.remaining() : std::vector<std::string>();
  const std::string sentence =
      unknown.empty() ? error.what() : "there is no command '" + unknown.front() + "'" + similar_command(app, unknown.front());
  std::fprintf(stderr, "zipcctl: %s\nhint: %s --help\n", sentence.c_str(), command.c_str());
  return kWrongUsage;
}

}  // namespace

std::variant<CommandLine, Exit> parse_command_line(int argc, char** argv) {
  CommandLine result;
  CLI::App app("Channels between processes: look at them, make them, send and receive through them.", "zipcctl");
  app.set_version_flag("--version", "zipcctl " + std::string(version()));
  app.set_help_flag("--help,-h", "Print this help");
  app.require_subcommand(1);
  app.footer(std::string("Examples:\n  zipcctl send /x bigfile & zipcctl receive /x copy\n  zipcctl list\n"
                         "  zipcctl send --help\n\n") +
             kCommon);
  auto* socket =
      app.add_option("--socket", result.access.socket, "Ask the broker at PATH, and no other")->type_name("PATH");
  app.add_flag("--no-broker", result.access.no_broker, "Ask no broker")->excludes(socket);
  add_catalogue(app, result.command);
  add_observers(app, result.command);
  add_channel_life(app, result.command);
  add_operations(app, result.command);
  add_transfer(app, result.command);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help_or_version) {
    std::ostringstream text;
    app.exit(help_or_version, text, text);
    const auto printed = print(text.str());
    return Exit{printed ? 0 : complain(printed.failure())};
  } catch (const CLI::ParseError& error) {
    return Exit{complain_about(app, error)};
  }
  return result;
}

}  // namespace zipc::ctl
