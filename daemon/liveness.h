/// Notices that a holder of a lease may have gone.
///
/// The kernel holds the leases: a role's lock is there for as long as the holder's open file description of the segment
/// is, through a descriptor or a mapping, in whatever process. Liveness does not know locks. It prompts its owner to
/// look at them when the kernel says that such a description has come to its end: one watch a segment, one descriptor
/// for all, no timer and no system call while nothing happens.
///
/// On Linux (liveness_inotify.cpp) the word comes by inotify, as IN_CLOSE_WRITE, after munmap(), exit and kill -9
/// alike. It comes a moment before the kernel drops the lock; so when the owner says that the lock is still there, it
/// is prompted a few times more. Elsewhere (liveness_none.cpp) no word comes: a connection that ends, and requests, are
/// the prompts.
///
/// *Thread safety.* Only the thread that runs the io_context.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace boost::asio {
class io_context;
}

namespace zipc {

class Liveness {
 public:
  /// Looks at the locks of a channel; returns whether any is still held.
  using Prompt = std::function<bool(const std::string& name)>;

  /// `most_resting`: how many files may rest; by default a quarter of the watches that a user may have.
  explicit Liveness(boost::asio::io_context& io, std::optional<std::size_t> most_resting = {});
  ~Liveness();
  Liveness(const Liveness&) = delete;
  Liveness& operator=(const Liveness&) = delete;

  /// Where prompts go. Before the first watch().
  void on_prompt(Prompt prompt);

  /// Watches the file of `fd`, which the caller may close. Already watched: nothing happens; a name that has come to mean
  /// another file is to be unwatched first. False: it cannot be done, which is logged, and other prompts have to do.
  bool watch(const std::string& name, int fd);
  /// The same for a file that somebody was seen to hold, who may have closed it before it was watched: prompts soon, as if the
  /// kernel had just said so.
  void watch_holder(const std::string& name, int fd);
  /// Nobody holds the file just now: no prompts. It stays watched for the next watch() of the same file, so long as there is
  /// room: to take a role and give it back is a fifth shorter than with another watch each time.
  void rest(const std::string& name);
  /// The file has gone, or is no longer of interest.
  void unwatch(const std::string& name);

  /// Prompts at once for everything that the kernel has said so far, and for what would be looked at again soon.
  void catch_up();

  /// Ends all waiting, so that the io_context can come to its end.
  void stop();

 private:
  class Watcher;
  std::unique_ptr<Watcher> watcher_;
};

}  // namespace zipc
