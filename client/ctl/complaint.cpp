#include "client/ctl/complaint.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace zipc::ctl {

Failure advised(Failure failure, std::string_view advice) {
  failure.message.append("\n").append(advice);
  return failure;
}

Failure system_failure(std::string_view what, std::string_view file, int number) {
  std::string message = "cannot ";
  message.append(what).append(" ").append(file).append(": ").append(std::strerror(number));
  return Failure{Error::system, std::move(message)};
}

Failure channel_failure(Error code, std::string_view name) {
  return Failure{code, std::string("channel ").append(name).append(": ").append(error_info(code).summary)};
}

Words words_of(const Failure& failure) {
  const std::size_t newline = failure.message.find('\n');
  if (newline != std::string::npos) return {failure.message.substr(0, newline), failure.message.substr(newline + 1)};
  // The system's advice is to read the message.
  return {failure.message, failure.code == Error::system ? "" : error_info(failure.code).advice};
}

int complain(const Failure& failure) {
  const Words words = words_of(failure);
  std::fprintf(stderr, "zipcctl: %s\n", words.sentence.c_str());
  if (!words.advice.empty()) std::fprintf(stderr, "hint: %s\n", words.advice.c_str());
  return static_cast<int>(failure.code);
}

Result<void> print(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written) return system_failure("write", "standard output", errno);
  return {};
}

void print_aside(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

}  // namespace zipc::ctl
