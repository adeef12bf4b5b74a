/// How zipcctl says that something failed: one sentence, one piece of advice, and the exit code.
#pragma once

#include <string>
#include <string_view>
#include <zipc/error.hpp>

namespace zipc::ctl {

/// `failure` with advice that fits better than that of the table of errors. It travels in the message, which is one
/// sentence otherwise, behind a newline.
[[nodiscard]] Failure advised(Failure failure, std::string_view advice);

/// An error of the operating system: "cannot write copy: No space left on device". `number` is its errno.
[[nodiscard]] Failure system_failure(std::string_view what, std::string_view file, int number);

/// An error of the channel `name` that has no sentence of its own.
[[nodiscard]] Failure channel_failure(Error code, std::string_view name);

/// What is said about a failure.
struct Words {
  std::string sentence;
  std::string advice;  ///< empty: none
};
[[nodiscard]] Words words_of(const Failure& failure);

/// Prints "zipcctl: <sentence>" and "hint: <advice>" to standard error. Returns the exit code, which is the number of
/// the error.
int complain(const Failure& failure);

/// Writes to standard output, all of it: a full disk and a closed pipe are errors. Error::system.
[[nodiscard]] Result<void> print(std::string_view text);

/// Writes to standard error, for a program that reads it while standard output carries messages.
void print_aside(std::string_view text);

}  // namespace zipc::ctl
