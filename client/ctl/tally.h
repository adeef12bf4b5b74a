/// What a transfer has moved so far, and how fast.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace zipc::ctl {

/// The time of waiting for the first message is not counted.
class Tally {
 public:
  using Clock = std::chrono::steady_clock;

  /// A message of `size` bytes went through. The clock starts with the first one.
  void add(std::size_t size) noexcept {
    bytes_ += size;
    ++messages_;
    last_ = Clock::now();
    if (messages_ == 1) first_ = last_;
  }

  /// Everything has arrived at the other end.
  void finish() noexcept { last_ = Clock::now(); }

  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::uint64_t messages() const noexcept { return messages_; }
  [[nodiscard]] double seconds() const noexcept { return seconds_at(last_); }
  /// From the first message to `now`.
  [[nodiscard]] double seconds_at(Clock::time_point now) const noexcept {
    return messages_ == 0 ? 0 : std::chrono::duration<double>(now - first_).count();
  }
  [[nodiscard]] double bytes_per_second() const noexcept {
    return seconds() > 0 ? static_cast<double>(bytes_) / seconds() : 0;
  }

 private:
  std::uint64_t bytes_ = 0;
  std::uint64_t messages_ = 0;
  Clock::time_point first_;
  Clock::time_point last_;
};

}  // namespace zipc::ctl
