/// What the kernel says about this process itself, compared with what it should say.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>
#include <zipc/channel.hpp>

namespace zipc {

/// How many descriptors this process has open; nullopt where the platform does not tell.
[[nodiscard]] std::optional<std::size_t> open_descriptors();

/// The shared memory files that this process has mapped, as paths; none where the platform does not tell.
[[nodiscard]] std::vector<std::string> mapped_segments();

/// Findings of the kind "descriptors": there are not `expected` of them (nullopt: any number will do), or a segment is
/// mapped, which none is between two requests.
[[nodiscard]] std::vector<Finding> check_self(const std::optional<std::size_t>& expected);

}  // namespace zipc
