/// What `send` reads: a file or standard input, as bytes or as lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <zipc/error.hpp>

namespace zipc::ctl {

/// An open file. Move-only; closes it, unless it is standard input.
class Input {
 public:
  /// `path`: empty or "-" for standard input. Error::system.
  [[nodiscard]] static Result<Input> open(const std::string& path);

  Input(Input&& other) noexcept;
  Input& operator=(Input&&) = delete;
  ~Input();

  /// The bytes that are still to come, where the file says.
  [[nodiscard]] std::optional<std::uint64_t> size() const noexcept { return size_; }

  /// What there is, up to the size of `room`: returns how many bytes, 0 at the end. Waits for one byte at least, and
  /// fails when a signal arrives meanwhile. Error::system.
  [[nodiscard]] Result<std::size_t> read(std::span<std::byte> room);

  /// The same, but fills all of `room` unless the file ends.
  [[nodiscard]] Result<std::size_t> read_fully(std::span<std::byte> room);

 private:
  Input(int fd, std::string name);

  int fd_;
  std::string name_;
  std::optional<std::uint64_t> size_;
};

/// Cuts an input into lines.
class LineReader {
 public:
  /// `longest`: bytes of a line that are accepted, its newline included.
  LineReader(Input& input, std::size_t longest) : input_(input), longest_(longest) {}

  /// The next line with its newline, which only the last one may lack; empty at the end. Good until the next call.
  /// Error::message_too_large with the number of the line; system.
  [[nodiscard]] Result<std::string_view> next();

 private:
  [[nodiscard]] Result<std::string_view> take(std::size_t size);
  [[nodiscard]] Result<std::size_t> read_more();

  Input& input_;
  std::size_t longest_;
  std::string buffer_;
  std::size_t begin_ = 0;  ///< of what was not taken yet, in buffer_
  std::uint64_t number_ = 0;
};

}  // namespace zipc::ctl
