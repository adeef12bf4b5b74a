#include <zipc/layout.hpp>

namespace zipc {
namespace {

std::string out_of_range(const char* what, std::uint32_t value, std::uint32_t min, std::uint32_t max) {
  return std::string(what) + " is " + std::to_string(value) + "; it must be " + std::to_string(min) + " to " +
         std::to_string(max);
}

}  // namespace

std::string to_string(const Params& params) {
  return "queue_size " + std::to_string(params.queue_size) + " and message_size " + std::to_string(params.message_size);
}

Result<void> check_params(const Params& p) {
  if (p.queue_size < kQueueSizeMin || p.queue_size > kQueueSizeMax) {
    return Failure{Error::invalid_params, out_of_range("queue_size", p.queue_size, kQueueSizeMin, kQueueSizeMax)};
  }
  if (p.message_size < kMessageSizeMin || p.message_size > kMessageSizeMax) {
    return Failure{Error::invalid_params,
                   out_of_range("message_size", p.message_size, kMessageSizeMin, kMessageSizeMax)};
  }
  return {};
}

}  // namespace zipc
