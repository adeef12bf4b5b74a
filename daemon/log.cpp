// The only file that knows spdlog.
#include "daemon/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

namespace zipc::log {
namespace {

constexpr std::size_t kPrintableMax = 200;

struct LevelInfo {
  spdlog::level::level_enum level;
  std::string_view priority;  // sd-daemon(3)
};
constexpr std::array<LevelInfo, 5> kLevels{{{spdlog::level::trace, "<7>"},
                                            {spdlog::level::debug, "<7>"},
                                            {spdlog::level::info, "<6>"},
                                            {spdlog::level::warn, "<4>"},
                                            {spdlog::level::err, "<3>"}}};

bool to_journal = false;

constexpr const LevelInfo& info_of(Level level) noexcept { return kLevels[static_cast<std::size_t>(level)]; }

/// $JOURNAL_STREAM names the device and inode of the journal's stream. It is inherited by programs whose standard error
/// goes elsewhere, so it is only true if it names the file that we write to.
bool stderr_is_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat status {};
  if (stream == nullptr || fstat(STDERR_FILENO, &status) != 0) return false;
  return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) == stream;
}

void write(Level level, std::string_view text) {
  if (!is_on(level)) return;
  const LevelInfo& info = info_of(level);
  if (!to_journal) return spdlog::log(info.level, text);
  spdlog::log(info.level, std::string(info.priority).append(text));
}

}  // namespace

void start(Level level) {
  to_journal = stderr_is_journal();
  auto logger = spdlog::stderr_logger_st("zipcd");
  logger->set_pattern(to_journal ? "%v" : "%Y-%m-%d %H:%M:%S.%e %-7l %v");
  logger->set_level(info_of(level).level);
  spdlog::set_default_logger(std::move(logger));
}

bool is_on(Level level) noexcept { return spdlog::default_logger_raw()->should_log(info_of(level).level); }

void trace(std::string_view text) { write(Level::trace, text); }
void debug(std::string_view text) { write(Level::debug, text); }
void info(std::string_view text) { write(Level::info, text); }
void warning(std::string_view text) { write(Level::warning, text); }
void error(std::string_view text) { write(Level::error, text); }

std::string printable(std::string_view text) {
  std::string harmless(text.substr(0, kPrintableMax));
  for (char& c : harmless) {
    if (c < ' ' || c > '~') c = '?';
  }
  if (text.size() > kPrintableMax) harmless += "...";
  return harmless;
}

std::string plural(std::size_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

}  // namespace zipc::log
