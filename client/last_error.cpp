#include "client/last_error.h"

#include <cstdio>
#include <cstring>

namespace zipc {
namespace {

struct LastError {
  ZipcError error{};
  bool needs_words = false;  // the operands below are still to be put into error.message
  std::uint64_t id = 0;      // of the context; 0: no context's
  char name[sizeof ZipcContext::name] = {};
  ZipcParams params{};
  std::size_t size = 0;
};

thread_local LastError last;

void put_into_words() noexcept {
  char* text = last.error.message;
  constexpr std::size_t kSize = sizeof last.error.message;
  const char* name = last.name[0] != '\0' ? last.name : "(no name)";
  switch (static_cast<Error>(last.error.code)) {
    case Error::full:
      std::snprintf(text, kSize, "channel %s is full: %u messages wait in its %u slots", name, last.params.queue_size - 1,
                    last.params.queue_size);
      break;
    case Error::message_too_large:
      std::snprintf(text, kSize, "a message of %zu bytes does not fit channel %s, whose message_size is %u", last.size, name,
                    last.params.message_size);
      break;
    default:
      std::snprintf(text, kSize, "channel %s: %s", name, error_info(static_cast<Error>(last.error.code)).summary);
  }
  last.needs_words = false;
}

}  // namespace

void set_last_error(const Failure& failure) noexcept {
  last.error.code = static_cast<zipc_error>(failure.code);
  last.error.holder_pid = failure.holder_pid;
  std::snprintf(last.error.message, sizeof last.error.message, "%s", failure.message.c_str());
  last.needs_words = false;
}

void set_last_error(Error code, const ZipcContext& context, std::size_t size) noexcept {
  // Who looks for messages again and again, and finds none, comes here each time: then all of it is noted already.
  const bool is_same = last.needs_words && last.id == context.id && last.error.code == static_cast<zipc_error>(code) &&
                       last.size == size && last.params.queue_size == context.params.queue_size &&
                       last.params.message_size == context.params.message_size;
  if (is_same && context.id != 0) return;
  last.id = context.id;
  last.error.code = static_cast<zipc_error>(code);
  last.error.holder_pid = 0;
  std::memcpy(last.name, context.name, sizeof last.name);
  last.name[sizeof last.name - 1] = '\0';
  last.params = context.params;
  last.size = size;
  last.needs_words = true;
}

void set_wrong_role(const ZipcContext& context) noexcept {
  const bool is_sender = context.mode == static_cast<std::uint8_t>(Role::sender);
  set_last_error(Error::closed, context);
  std::snprintf(last.error.message, sizeof last.error.message, "this context is the %s of %s; %s needs a %s",
                is_sender ? "sender" : "receiver", last.name[0] != '\0' ? last.name : "(no name)",
                is_sender ? "receiving" : "sending", is_sender ? "receiver" : "sender");
  last.needs_words = false;
}

}  // namespace zipc

const ZipcError* zipc_last_error(void) {
  if (zipc::last.needs_words) zipc::put_into_words();
  return &zipc::last.error;
}

const char* zipc_error_name(zipc_error code) { return zipc::error_info(static_cast<zipc::Error>(code)).name; }

const char* zipc_error_advice(zipc_error code) { return zipc::error_info(static_cast<zipc::Error>(code)).advice; }
