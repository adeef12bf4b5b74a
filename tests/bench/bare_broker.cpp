#include "bare_broker.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "runner.h"

namespace zipc::bench {
namespace {

constexpr std::size_t kCallBytes = 83, kReplyBytes = 161;  // of an Acquire and its reply
constexpr std::size_t kSegmentBytes = 296;                 // of a queue of two slots of 8 bytes, as the benchmark's channels have
enum Lock : off_t { sender, receiver, set_up };

short lock(int fd, int command, short type, Lock which) {
  struct flock request {};
  request.l_type = type;
  request.l_start = (off_t{1} << 62) + which;
  request.l_len = 1;
  return fcntl(fd, command, &request) == 0 ? request.l_type : short{-1};
}

/// A message of one part, with room for a descriptor.
struct MessageWithDescriptor {
  MessageWithDescriptor(void* bytes, std::size_t size) : part{.iov_base = bytes, .iov_len = size} {
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
  }
  iovec part;
  msghdr header{};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
};

}  // namespace

BareBroker::BareBroker(int core, const std::string& name, int channels) {
  for (int channel = 0; channel < channels; ++channel) {
    paths_.push_back("/dev/shm/" + name + "." + std::to_string(channel));
    const int fd = open(paths_.back().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || posix_fallocate(fd, 0, kSegmentBytes) != 0) std::_Exit(1);
    close(fd);
  }
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0) std::_Exit(1);
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin(core);
    close(sockets[0]);
    serve(sockets[1]);
  }
  close(sockets[1]);
  socket_ = sockets[0];
  take_role(0);  // by when it watches all
}

BareBroker::~BareBroker() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  close(socket_);
  for (const std::string& path : paths_) unlink(path.c_str());
}

void BareBroker::take_role(int number) {
  char call[kCallBytes] = {}, bytes[4096];
  const std::size_t channel = static_cast<std::size_t>(number) % paths_.size();
  std::memcpy(call, &channel, sizeof channel);
  if (send(socket_, call, sizeof call, MSG_NOSIGNAL) != sizeof call) std::_Exit(1);
  MessageWithDescriptor reply(bytes, sizeof bytes);
  if (recvmsg(socket_, &reply.header, MSG_CMSG_CLOEXEC) <= 0) std::_Exit(1);
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&reply.header)), sizeof fd);
  lock(fd, F_OFD_SETLK, F_WRLCK, set_up);
  struct stat status {};
  fstat(fd, &status);
  void* memory = mmap(nullptr, kSegmentBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) std::_Exit(1);
  *static_cast<volatile char*>(memory) = 1;
  lock(fd, F_OFD_GETLK, F_WRLCK, receiver);
  lock(fd, F_OFD_SETLK, F_UNLCK, set_up);
  close(fd);
  syscall(SYS_futex, memory, FUTEX_WAKE, 1, nullptr, nullptr, 0);  // the peer is told
  munmap(memory, kSegmentBytes);
}

void BareBroker::serve(int socket) const {
  const int watcher = inotify_init1(IN_NONBLOCK), poll = epoll_create1(0);
  for (const std::string& path : paths_) {
    if (inotify_add_watch(watcher, path.c_str(), IN_CLOSE_WRITE) < 0) _exit(1);
  }
  for (const int fd : {socket, watcher}) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
  }
  for (;;) {
    epoll_event ready[2];
    const int count = epoll_wait(poll, ready, 2, -1);
    for (int i = 0; i < count; ++i) {
      alignas(inotify_event) char bytes[4096];
      if (ready[i].data.fd == socket) {
        if (recv(socket, bytes, kCallBytes, 0) <= 0) _exit(0);
        std::size_t channel = 0;
        std::memcpy(&channel, bytes, sizeof channel);
        grant(socket, paths_[channel].c_str());
        continue;
      }
      const ssize_t size = read(watcher, bytes, sizeof bytes);
      for (ssize_t at = 0; at < size; at += static_cast<ssize_t>(sizeof(inotify_event))) {
        inotify_event event{};
        std::memcpy(&event, bytes + at, sizeof event);
        if (event.wd > 0) look_after(paths_[static_cast<std::size_t>(event.wd) - 1].c_str());  // watches count from 1
      }
    }
  }
}

void BareBroker::grant(int socket, const char* path) {
  const int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  struct stat status {};
  fstat(fd, &status);
  char header[128];
  const bool is_whole = pread(fd, header, sizeof header, 0) == sizeof header;
  lock(fd, F_OFD_SETLK, F_WRLCK, sender);
  if (!is_whole || pwrite(fd, header, 4, 52) != 4) _exit(1);  // who holds it
  char bytes[kReplyBytes] = {};
  MessageWithDescriptor reply(bytes, sizeof bytes);
  cmsghdr* attached = CMSG_FIRSTHDR(&reply.header);
  attached->cmsg_level = SOL_SOCKET;
  attached->cmsg_type = SCM_RIGHTS;
  attached->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(attached), &fd, sizeof fd);
  if (sendmsg(socket, &reply.header, MSG_NOSIGNAL) < 0) _exit(0);
  close(fd);
}

void BareBroker::look_after(const char* path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  struct stat status {};
  fstat(fd, &status);
  char header[128];
  if (pread(fd, header, sizeof header, 0) != sizeof header) _exit(1);
  lock(fd, F_OFD_GETLK, F_WRLCK, sender);
  close(fd);
}

}  // namespace zipc::bench
