#include "common/write_back.h"

#include <cstdlib>
#include <string_view>

#ifdef __x86_64__
#include <cpuid.h>
#endif

namespace zipc {
namespace {

struct Processor {
  bool can = false;    // it has the instruction
  bool gains = false;  // measured on Zen 4; Zen 3, which is of the same family, and later ones are taken to be alike
};

Processor this_processor() noexcept {
#ifdef __x86_64__
  unsigned a = 0, b = 0, c = 0, d = 0;
  const bool can = __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_CLWB) != 0;
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
  return wanted && has_sizes_to_write_back(params);
}

}  // namespace zipc
