/// Running a part of a test in a process of its own.
#pragma once

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <string>

namespace zipc::test {

/// A forked child. Killed, if it still runs, and reaped at the end.
class Child {
 public:
  /// Runs `body` in a child; what it returns is the exit code. No destructor of the parent's runs there.
  explicit Child(const std::function<int()>& body) : pid_(fork()) {
    if (pid_ == 0) _exit(body());
  }
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  Child& operator=(Child&&) = delete;
  ~Child() {
    if (pid_ > 0) static_cast<void>(kill_now());
  }

  [[nodiscard]] pid_t pid() const { return pid_; }

  /// Waits for its end: the exit code, or -signal.
  int wait() {
    int status = 0;
    waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  int kill_now() {
    ::kill(pid_, SIGKILL);
    return wait();
  }

 private:
  pid_t pid_;
};

/// A one-way door between processes: one side opens it, the other waits for that. Make it before the fork.
class Gate {
 public:
  Gate() {
    if (pipe(ends_) != 0) abort();
  }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  ~Gate() {
    close(ends_[0]);
    close(ends_[1]);
  }
  void open() const {
    if (write(ends_[1], "x", 1) != 1) abort();
  }
  void wait() const {
    char byte = 0;
    if (read(ends_[0], &byte, 1) != 1) abort();
  }

 private:
  int ends_[2] = {-1, -1};
};

/// A channel name that no other test, and no other run, uses.
inline std::string unique_name(const char* what) {
  static int number = 0;
  return "/zt." + std::to_string(getpid()) + "." + std::to_string(++number) + "." + what;
}

}  // namespace zipc::test
