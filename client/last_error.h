/// The last failure of each thread, as zipc_last_error() shows it.
#pragma once

#include <zipc.h>

#include <zipc/error.hpp>

namespace zipc {

/// Notes a failure with its sentence. Cost: a copy of up to 511 bytes.
[[gnu::cold]] void set_last_error(const Failure& failure) noexcept;

/// Notes the failure of a call on the message path. The sentence is made only when somebody asks. Cost: a few stores.
/// `size`: of the message, for Error::message_too_large.
[[gnu::cold]] void set_last_error(Error code, const ZipcContext& context, std::size_t size = 0) noexcept;

/// Notes Error::closed for `context`, which is open and has the other role than the call needs. The sentence says both.
[[gnu::cold]] void set_wrong_role(const ZipcContext& context) noexcept;

}  // namespace zipc
