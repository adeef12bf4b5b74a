// What the kernel has: a pipe, a Unix socket that keeps messages apart, a POSIX message queue.
#include <fcntl.h>
#include <mqueue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "copying.h"

namespace zipc::bench {
namespace {

/// Whether a system call went through; false: it would have to wait.
bool went_through(ssize_t result, const char* what) {
  if (result >= 0) return true;
  if (errno != EAGAIN && errno != EINTR) give_up(what, std::strerror(errno));
  return false;
}

struct Descriptors {
  Descriptors() = default;
  Descriptors(const Descriptors&) = delete;
  ~Descriptors() {
    for (const int fd : fds) {
      if (fd >= 0) close(fd);
    }
  }
  int fds[2] = {-1, -1};  // to receive from, to send to
};

/// A stream: the receiver asks for as many bytes as a message has.
struct Pipe {
  static constexpr const char* kName = "pipe";
  static std::string absent(const Case&) { return {}; }

  struct Channel : Descriptors {
    Channel(const Case& c, int) {
      if (pipe2(fds, c.wait == Wait::spin ? O_NONBLOCK : 0) != 0) return;
      constexpr std::size_t kMost = 1 << 20;  // fs.pipe-max-size allows that much to everybody
      fcntl(fds[1], F_SETPIPE_SZ, static_cast<int>(std::clamp<std::size_t>(c.queue * c.size, 65536, kMost)));
    }
  };

  struct Sender {
    explicit Sender(Channel& channel) : fd(channel.fds[1]) {}
    bool send(const void* bytes, std::size_t size) {
      const ssize_t n = write(fd, static_cast<const char*>(bytes) + done, size - done);
      if (went_through(n, "write")) done += static_cast<std::size_t>(n);
      if (done < size) return false;
      done = 0;
      return true;
    }
    int fd;
    std::size_t done = 0;
  };

  struct Receiver {
    explicit Receiver(Channel& channel) : fd(channel.fds[0]) {}
    bool receive(void* bytes, std::size_t size) {
      const ssize_t n = read(fd, static_cast<char*>(bytes) + done, size - done);
      if (went_through(n, "read")) done += static_cast<std::size_t>(n);
      if (done < size) return false;
      done = 0;
      return true;
    }
    int fd;
    std::size_t done = 0;
  };
};

struct Seqpacket {
  static constexpr const char* kName = "Unix socket, SEQPACKET";
  static std::string absent(const Case&) { return {}; }

  struct Channel : Descriptors {
    Channel(const Case& c, int) {
      if (socketpair(AF_UNIX, SOCK_SEQPACKET | (c.wait == Wait::spin ? SOCK_NONBLOCK : 0), 0, fds) != 0) return;
      const int bytes = static_cast<int>(std::min<std::size_t>(c.queue * (c.size + 1024), 1 << 28));
      setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);  // cut to net.core.wmem_max
    }
  };

  struct Sender {
    explicit Sender(Channel& channel) : fd(channel.fds[1]) {}
    bool send(const void* bytes, std::size_t size) { return went_through(::send(fd, bytes, size, MSG_NOSIGNAL), "send"); }
    int fd;
  };

  struct Receiver {
    explicit Receiver(Channel& channel) : fd(channel.fds[0]) {}
    bool receive(void* bytes, std::size_t size) { return went_through(recv(fd, bytes, size, 0), "recv"); }
    int fd;
  };
};

struct PosixQueue {
  static constexpr const char* kName = "POSIX mq (queue of 10)";  // what everybody may have by default
  static std::string absent(const Case& c) {
    if (c.workload == Workload::send_alone) return "its queue is 10";
    std::ifstream file("/proc/sys/fs/mqueue/msgsize_max");
    std::size_t most = 0;
    if (!(file >> most)) return "this kernel has no message queues";
    return c.size > most ? "fs.mqueue.msgsize_max is " + std::to_string(most) : "";
  }

  struct Channel {
    Channel(const Case& c, int) {
      const std::string name = '/' + unique_name();
      mq_attr limits{};
      limits.mq_maxmsg = static_cast<long>(std::min<std::size_t>(c.queue, 10));
      limits.mq_msgsize = static_cast<long>(c.size);
      queue = mq_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | (c.wait == Wait::spin ? O_NONBLOCK : 0), 0600, &limits);
      if (queue < 0) std::snprintf(arena->error, sizeof arena->error, "mq_open: %s", std::strerror(errno));
      mq_unlink(name.c_str());
    }
    Channel(const Channel&) = delete;
    ~Channel() { mq_close(queue); }
    mqd_t queue;
  };

  struct Sender {
    explicit Sender(Channel& channel) : queue(channel.queue) {}
    bool send(const void* bytes, std::size_t size) {
      return went_through(mq_send(queue, static_cast<const char*>(bytes), size, 0), "mq_send");
    }
    mqd_t queue;
  };

  struct Receiver {
    explicit Receiver(Channel& channel) : queue(channel.queue) {}
    bool receive(void* bytes, std::size_t size) {
      return went_through(mq_receive(queue, static_cast<char*>(bytes), size, nullptr), "mq_receive");
    }
    mqd_t queue;
  };
};

}  // namespace

void add_kernel(Contestants& all) {
  add<Copying<Pipe>>(all);
  add<Copying<Seqpacket>>(all);
  add<Copying<PosixQueue>>(all);
}

}  // namespace zipc::bench
