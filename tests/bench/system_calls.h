/// System calls for each message, counted by strace.
#pragma once

#include <optional>
#include <string>

namespace zipc::bench {

/// Runs this program under `strace -f -c` for the one case that text_of() calls so, with few and with many messages: what
/// starting and ending take falls out of the difference. Nothing, and why, when strace cannot.
[[nodiscard]] std::optional<double> system_calls_per_message(const std::string& text_of_case, std::string& why_not);

}  // namespace zipc::bench
