/// The operations of <zipc/operations.hpp>, and those on slots in a row, which are worth a call.
#pragma once

#include <zipc/operations.hpp>

#include "client/context.h"

namespace zipc::operations {

/// Slots in a row: as loan(), publish(), peek() and pop(). When the channel moves just as they are published, they are
/// sent one by one; `published` tells how many were.
[[nodiscard]] SlotRun loan_run(ZipcContext& sender, std::uint32_t most) noexcept;
[[nodiscard]] Error publish_run(ZipcContext& sender, const std::uint32_t* sizes, std::uint32_t count,
                                std::uint32_t& published) noexcept;
[[nodiscard]] SlotRun peek_run(ZipcContext& receiver, std::uint32_t* sizes, std::uint32_t most) noexcept;
[[nodiscard]] Error pop_run(ZipcContext& receiver, std::uint32_t count) noexcept;

}  // namespace zipc::operations
