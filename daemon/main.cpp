// zipcd, the broker of zipc channels: its command line.
#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <variant>

#include "common/standard_descriptors.h"
#include "config/config.h"
#include "daemon/log.h"
#include "daemon/server.h"

namespace {

enum ExitCode { kEnded = 0, kFailed = 1, kWrongUsage = 2, kBadConfig = 3, kAlreadyRunning = 4 };

constexpr const char* kFooter = R"(
Signals:
  SIGHUP           read the configuration again; a file with a mistake changes nothing
  SIGTERM, SIGINT  end; channels in use go on, and the next zipcd takes them up

Exit status:
  0  ended by a signal, or the configuration is valid
  1  cannot run, or print, for the reason given
  2  wrong usage
  3  the configuration has mistakes
  4  another zipcd runs on the socket

See zipcd(8) and zipcd.yaml(5).)";

struct CommandLine {
  std::string config_file;
  std::string socket_path;
  bool check_config = false;
  zipc::log::Level level = zipc::log::Level::info;
};

void add_options(CLI::App& app, CommandLine& line) {
  using zipc::log::Level;
  static const std::map<std::string, Level> kLevels{{"trace", Level::trace},
                                                    {"debug", Level::debug},
                                                    {"info", Level::info},
                                                    {"warning", Level::warning},
                                                    {"error", Level::error}};
  const auto set_level = [&line](const std::string& word) {
    const auto level = kLevels.find(CLI::detail::to_lower(word));
    if (level == kLevels.end()) {
      throw CLI::ValidationError("--log-level", "'" + word + "' is none of trace, debug, info, warning and error");
    }
    line.level = level->second;
  };
  app.add_option("--config", line.config_file,
                 "The configuration; the default is " ZIPC_CONFIG_FILE ", if there is one")
      ->type_name("FILE");
  app.add_option("--socket", line.socket_path, "Where to listen, instead of where the configuration says")
      ->type_name("PATH");
  app.add_flag("--check-config", line.check_config, "Say what is wrong with the configuration, and end");
  app.add_option_function<std::string>("--log-level", set_level,
                                       "Least important lines to write: trace, debug, info, warning or error")
      ->type_name("LEVEL")
      ->default_str("info");
  app.set_version_flag("--version", "zipcd " ZIPC_VERSION, "Print the version, and end");
  app.set_help_flag("-h,--help", "Print this, and end");
  app.footer(kFooter);
}

/// The configuration file to use; empty: there is none, which is no mistake unless one was named.
std::string config_file_of(const CommandLine& line) {
  if (!line.config_file.empty()) return line.config_file;
  std::error_code ignored;
  return std::filesystem::exists(ZIPC_CONFIG_FILE, ignored) ? ZIPC_CONFIG_FILE : "";
}

/// Says every mistake: to a person in lines that editors understand, otherwise to the log.
ExitCode report(const std::vector<zipc::Diagnostic>& mistakes, bool to_person) {
  for (const zipc::Diagnostic& mistake : mistakes) {
    if (to_person) {
      std::fprintf(stderr, "%s\n", to_string(mistake).c_str());
    } else {
      zipc::log::error(to_string(mistake));
    }
  }
  return kBadConfig;
}

/// Writes to standard output, all of it: a full disk is an error.
ExitCode print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return kEnded;
  std::fprintf(stderr, "zipcd: cannot write standard output: %s\n", std::strerror(errno));
  return kFailed;
}

ExitCode report_valid(const zipc::Config& config, const std::string& file) {
  return print((file.empty() ? "no configuration file, so the defaults" : file) + ": ok, " +
               std::to_string(config.channels.size()) + (config.channels.size() == 1 ? " channel\n" : " channels\n"));
}

ExitCode run(const CommandLine& line) {
  zipc::log::start(line.level);
  const std::string file = config_file_of(line);
  const zipc::ConfigResult loaded =
      file.empty() ? zipc::Config{} : zipc::load_config_file(file, zipc::ConfigSource::file_or_stream);
  if (const auto* mistakes = std::get_if<std::vector<zipc::Diagnostic>>(&loaded)) return report(*mistakes, line.check_config);
  const auto& config = std::get<zipc::Config>(loaded);
  if (line.check_config) return report_valid(config, file);
  const auto served = zipc::serve(config, {.config_file = file, .socket_path = line.socket_path});
  if (served) return kEnded;
  zipc::log::error(served.failure().message);
  return served.error() == zipc::Error::busy ? kAlreadyRunning : kFailed;
}

}  // namespace

int main(int argc, char** argv) {
  zipc::occupy_standard_descriptors();
  CLI::App app("zipcd, the broker of zipc channels: hands out the ends of shared memory channels to processes.",
               "zipcd");
  CommandLine line;
  try {
    add_options(app, line);
    app.parse(argc, argv);
    return run(line);
  } catch (const CLI::Success& help_or_version) {
    std::ostringstream text;
    app.exit(help_or_version, text, text);
    return print(text.str());
  } catch (const CLI::ParseError& error) {
    app.exit(error);
    return kWrongUsage;
  } catch (const std::exception& error) {
    zipc::log::error(error.what());
    return kFailed;
  }
}
