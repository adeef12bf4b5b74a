/// What zipcd says on standard error: one line an event, with its level.
///
/// When standard error is the journal's, a line starts with a syslog priority ("<4>"), which journald takes for its
/// own; otherwise with the time and the level.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace zipc::log {

enum class Level { trace, debug, info, warning, error };

/// Call once, before the first line. Lines below `level` are dropped.
void start(Level level);

/// Whether lines of `level` are written, to save the making of one that would be dropped.
[[nodiscard]] bool is_on(Level level) noexcept;

void trace(std::string_view text);
void debug(std::string_view text);
void info(std::string_view text);
void warning(std::string_view text);
void error(std::string_view text);

/// What a client sent, made harmless to a terminal and to a log, and of readable length.
[[nodiscard]] std::string printable(std::string_view text);

/// "1 channel", "2 channels".
[[nodiscard]] std::string plural(std::size_t count, const std::string& noun);

}  // namespace zipc::log
