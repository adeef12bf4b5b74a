// zipcd, the broker of zipc channels: its command line.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <map>
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
  1  cannot run, for the reason given
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
  app.add_option("--config", line.config_file,
                 "The configuration; the default is " ZIPC_CONFIG_FILE ", if there is one")
      ->type_name("FILE");
  app.add_option("--socket", line.socket_path, "Where to listen, instead of where the configuration says")
      ->type_name("PATH");
  app.add_flag("--check-config", line.check_config, "Say what is wrong with the configuration, and end");
  app.add_option("--log-level", line.level, "Least important lines to write: trace, debug, info, warning or error")
      ->type_name("LEVEL")
      ->transform(CLI::Transformer(kLevels, CLI::ignore_case).description(""))
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

ExitCode report_valid(const zipc::Config& config, const std::string& file) {
  std::printf("%s: ok, %zu channel%s\n", file.empty() ? "no configuration file, so the defaults" : file.c_str(),
              config.channels.size(), config.channels.size() == 1 ? "" : "s");
  return kEnded;
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
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kEnded : kWrongUsage;
  } catch (const std::exception& error) {
    zipc::log::error(error.what());
    return kFailed;
  }
}
