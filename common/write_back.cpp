#include "common/write_back.h"

#include <cstdint>
#include <cstdlib>
#include <string_view>

#ifdef __x86_64__
#include <cpuid.h>
#endif

namespace zipc {
namespace {

struct Processor {
  bool can = false;    // it has the instruction
  bool gains = false;  // it is of a kind that it was measured on, or of a later one
};

Processor this_processor() noexcept {
#ifdef __x86_64__
  unsigned a = 0, b = 0, c = 0, d = 0;
  const bool can = __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & (1u << 24)) != 0;  // CLWB
  if (!can || __get_cpuid(0, &a, &b, &c, &d) == 0) return {};
  const bool is_amd = b == signature_AMD_ebx && c == signature_AMD_ecx && d == signature_AMD_edx;
  if (!is_amd || __get_cpuid(1, &a, &b, &c, &d) == 0) return {.can = true};
  const unsigned family = ((a >> 8) & 0xF) + ((a >> 20) & 0xFF);
  constexpr unsigned kZen3And4 = 0x19;
  return {.can = true, .gains = family >= kZen3And4};
#else
  return {};
#endif
}

bool is_wanted() noexcept {
  const Processor processor = this_processor();
  const char* wish = std::getenv("ZIPC_WRITE_BACK");
  const std::string_view wished = wish != nullptr ? wish : "";
  return processor.can && (processor.gains || wished == "on") && wished != "off";
}

}  // namespace

bool gains_by_writing_back(const Params& params) noexcept {
  static const bool wanted = is_wanted();
  // In a short queue the sender is back before the line is written: 16 slots of 1 KiB take 1.5 times as long with it. What is
  // larger than the nearer caches has left them by itself when the sender comes back: 2 MiB take 1.0 to 1.4 times as long. And of
  // messages of 8 bytes, most have no line to write back: 1.1 times.
  constexpr std::uint32_t kShortestQueue = 33, kShortestMessage = 32;
  constexpr std::uint64_t kLargest = 1u << 20;
  const std::uint64_t size = std::uint64_t{params.queue_size} * params.message_size;
  return wanted && params.queue_size >= kShortestQueue && params.message_size >= kShortestMessage && size <= kLargest;
}

}  // namespace zipc
