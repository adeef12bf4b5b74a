/// The least that a broker of our kind can be: the system calls that zipcd and libzipc make for a role, and nothing else. What the
/// messages say, who may have what, what is remembered: none of it is there. What is missing in zipcd's time beside it, no program can save.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace zipc::bench {

class BareBroker {
 public:
  /// Starts it, as a process on `core`, with a few channels of its own.
  explicit BareBroker(int core);
  ~BareBroker();
  BareBroker(const BareBroker&) = delete;

  /// Asks for a role of channel `number`, maps it, and gives it back.
  void take_role(int number);

 private:
  static constexpr int kChannels = 10;
  [[noreturn]] void serve(int socket) const;
  static void grant(int socket, const char* path);
  static void look_after(const char* path);

  std::vector<std::string> paths_;
  int socket_ = -1;
  pid_t pid_ = -1;
};

}  // namespace zipc::bench
