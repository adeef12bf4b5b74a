/// The one rule for channel names, for every platform, role and layer.
#pragma once

#include <cstddef>
#include <string_view>

#include <zipc/error.hpp>

namespace zipc {

/// Longest name in bytes, the leading '/' included: the C context has 40 bytes for it; macOS allows 31 in all.
#ifdef __APPLE__
inline constexpr std::size_t kNameSizeMax = 31;
#else
inline constexpr std::size_t kNameSizeMax = 39;
#endif
inline constexpr std::size_t kNameSizeMin = 2;

/// Error::invalid_name, saying which part of the rule is broken, unless `name` starts with '/', has no other '/', is
/// kNameSizeMin to kNameSizeMax bytes long, consists of printable ASCII without spaces, and is not "/." or "/..".
[[nodiscard]] Result<void> check_name(std::string_view name);

}  // namespace zipc
