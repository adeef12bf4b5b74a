#include "service.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "common/unique_fd.h"

namespace zipc::bench {
namespace {

struct Folder {
  Folder() : path("/tmp/zipc-bench-" + std::to_string(getpid())), owner(getpid()) { mkdir(path.c_str(), 0700); }
  ~Folder() {
    std::error_code ignored;
    if (getpid() == owner) std::filesystem::remove_all(path, ignored);
  }
  std::string path;
  pid_t owner;
};

}  // namespace

const std::string& Service::folder() {
  static const Folder folder;
  return folder.path;
}

Service::Service(std::string program)
    : program_(std::move(program)), output_(folder() + '/' + program_.substr(program_.rfind('/') + 1)) {}

std::string Service::output() const {
  std::ifstream file(output_);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string Service::start(const std::vector<std::string>& arguments, const std::string& ready_line) {
  if (tried_) return why_;
  tried_ = true;
  starter_ = getpid();
  unlink(output_.c_str());  // of one that ran before
  const UniqueFd out(open(output_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    dup2(out.get(), 1);
    dup2(out.get(), 2);
    std::vector<char*> argv{program_.data()};
    for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  if (await(ready_line, std::chrono::seconds(10))) return {};
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) == pid_) {
    pid_ = -1;
    const bool not_there = WIFEXITED(status) && WEXITSTATUS(status) == 127;
    return why_ = program_ + (not_there ? " is not installed" : " ended at once: " + output().substr(0, 200));
  }
  stop();
  return why_ = program_ + " was not ready within ten seconds: " + output().substr(0, 200);
}

bool Service::await(const std::string& line, std::chrono::milliseconds limit) const {
  const UniqueFd changes(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  const UniqueFd end(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));  // <sys/pidfd.h> of glibc 2.36 is for C only
  inotify_add_watch(changes.get(), output_.c_str(), IN_MODIFY);
  const auto deadline = std::chrono::steady_clock::now() + limit;
  std::ifstream file(output_);
  std::string text;
  for (bool has_ended = false;;) {
    const std::size_t searched = text.size() < line.size() ? 0 : text.size() - line.size();
    file.clear();  // there may be more by now
    text.append(std::istreambuf_iterator<char>(file), {});
    if (text.find(line, searched) != std::string::npos) return true;
    if (has_ended) return false;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd either[] = {{changes.get(), POLLIN, 0}, {end.get(), POLLIN, 0}};
    if (left.count() <= 0 || poll(either, 2, static_cast<int>(left.count())) == 0) return false;
    has_ended = either[1].revents != 0;
    char events[4096];
    while (read(changes.get(), events, sizeof events) > 0) {
    }
  }
}

void Service::stop() {
  if (pid_ <= 0 || getpid() != starter_) return;  // a forked copy
  kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

}  // namespace zipc::bench
