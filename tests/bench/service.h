/// A program that contestants need: a broker. Started by the run when it is first needed, and ended with it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

namespace zipc::bench {

class Service {
 public:
  explicit Service(std::string program);
  ~Service() { stop(); }
  Service(const Service&) = delete;

  /// Starts it; returns when `ready_line` stands in its output. Why not, or empty. Asking again gives the same answer.
  std::string start(const std::vector<std::string>& arguments, const std::string& ready_line);
  /// Waits until `line` stands in its output: false when it has ended without it, or after `limit`.
  [[nodiscard]] bool await(const std::string& line, std::chrono::milliseconds limit = std::chrono::seconds(30)) const;
  void stop();

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// A folder of this process for what services need, e.g. "/tmp/zipc-bench-1234".
  [[nodiscard]] static const std::string& folder();

 private:
  [[nodiscard]] std::string output() const;

  std::string program_;
  std::string output_;  // a file
  std::string why_;
  bool tried_ = false;
  pid_t pid_ = -1;
  pid_t starter_ = -1;
};

}  // namespace zipc::bench
