/// What `receive` writes: a file that appears only when it is complete, or a stream.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <zipc/error.hpp>

namespace zipc::ctl {

/// An open file. Move-only.
///
/// A regular file is written under a temporary name in its folder and gets its own name, and the permissions of the
/// file that it replaces, with commit(); without that, nothing is left. Standard output, devices and pipes are written
/// as they are, and so is any file that is opened in_place.
class Output {
 public:
  enum class Kind { replaced_when_complete, in_place };

  /// `path`: empty or "-" for standard output. Error::system.
  [[nodiscard]] static Result<Output> open(const std::string& path, Kind kind);

  Output(Output&& other) noexcept;
  Output& operator=(Output&&) = delete;
  ~Output();

  [[nodiscard]] bool is_standard_output() const noexcept;
  /// Whether nothing is to be seen before commit().
  [[nodiscard]] bool shows_when_complete() const noexcept { return !temporary_.empty(); }

  /// Writes all of it. Fails when a signal arrives meanwhile. Error::system.
  [[nodiscard]] Result<void> write(std::span<const std::byte> bytes);

  /// Ends the file. Error::system.
  [[nodiscard]] Result<void> commit();

 private:
  Output(int fd, std::string path, std::string temporary);
  [[nodiscard]] static Result<Output> open_temporary(const std::string& path);

  int fd_;
  std::string path_;       ///< for messages, and where the temporary file goes
  std::string temporary_;  ///< empty when there is none
};

}  // namespace zipc::ctl
