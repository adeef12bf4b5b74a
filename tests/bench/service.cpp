#include "service.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

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

Service::Service(std::string program) : program_(std::move(program)), output_(folder() + '/' + program_.substr(program_.rfind('/') + 1)) {}

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
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    const int out = open(output_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(out, 1);
    dup2(out, 2);
    std::vector<char*> argv{program_.data()};
    for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  for (int tries = 0; tries < 5000; ++tries) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      const std::string text = output();
      const bool not_there = WIFEXITED(status) && WEXITSTATUS(status) == 127;
      return why_ = program_ + (not_there ? " is not installed" : " ended at once: " + text.substr(0, 200));
    }
    if (output().find(ready_line) != std::string::npos) return {};
    usleep(2000);
  }
  stop();
  return why_ = program_ + " was not ready within ten seconds: " + output().substr(0, 200);
}

bool Service::await(const std::string& line) const {
  for (int tries = 0; tries < 30'000; ++tries) {
    if (output().find(line) != std::string::npos) return true;
    usleep(1000);
  }
  return false;
}

void Service::stop() {
  if (pid_ <= 0 || getpid() != starter_) return;  // a forked copy
  kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

}  // namespace zipc::bench
