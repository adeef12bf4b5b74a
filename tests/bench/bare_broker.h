/// The least that a broker of our kind can be: the system calls without which a role cannot be handed out, 26 of some 36 that zipcd and
/// libzipc make, and nothing else. What the messages say, who may have what, what is remembered: none of it is there.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace zipc::bench {

class BareBroker {
 public:
  /// Starts it, as a process on `core`, with `channels` of its own: files in /dev/shm whose names begin with `name`.
  BareBroker(int core, const std::string& name, int channels);
  ~BareBroker();
  BareBroker(const BareBroker&) = delete;

  /// Asks for a role of channel `number`, maps it, and gives it back.
  void take_role(int number);

 private:
  [[noreturn]] void serve(int socket) const;
  static void grant(int socket, const char* path);
  static void look_after(const char* path);

  std::vector<std::string> paths_;
  int socket_ = -1;
  pid_t pid_ = -1;
};

}  // namespace zipc::bench
