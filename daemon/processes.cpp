#include "daemon/processes.h"

#include <array>
#include <chrono>
#include <cstring>
#include <utility>

namespace zipc {
namespace {

/// When to ask the kernel again. Ending takes microseconds from the release of the lock on, and then it is for the
/// parent to wait for the process; one that does not do so within a second may never.
constexpr std::array kAskAgainAfter{std::chrono::milliseconds(1), std::chrono::milliseconds(5),
                                    std::chrono::milliseconds(25), std::chrono::milliseconds(125),
                                    std::chrono::milliseconds(625)};

}  // namespace

std::shared_ptr<const Process> Processes::open(int socket, pid_t pid) {
  UniqueFd fd = open_process(socket, pid);
  if (!fd) return nullptr;
  return std::make_shared<const Process>(Process{.fd = std::move(fd), .pid = pid, .count = open_});
}

void Processes::remember(std::shared_ptr<const Process> process) {
  if (process == nullptr) return;
  remembered_.push_back(std::move(process));
  if (remembered_.size() > kRememberedMax) remembered_.pop_front();
}

void Processes::ask(std::shared_ptr<const Process> process, Answer answer) {
  const auto end = process != nullptr ? how_ended(*process) : std::nullopt;
  if (process == nullptr || end || questions_.size() == kQuestionsMax || stopped_) return answer(end);
  questions_.push_back(
      {.timer = boost::asio::steady_timer(io_), .process = std::move(process), .answer = std::move(answer)});
  try_later(std::prev(questions_.end()));
}

void Processes::stop() {
  stopped_ = true;
  for (Question& question : questions_) question.timer.cancel();
}

void Processes::try_later(std::list<Question>::iterator question) {
  question->timer.expires_after(kAskAgainAfter[question->tries++]);
  question->timer.async_wait([this, question](const boost::system::error_code& error) {
    if (error || stopped_) return;
    const auto end = how_ended(*question->process);
    if (!end && question->tries < kAskAgainAfter.size()) return try_later(question);
    const Answer answer = std::move(question->answer);
    questions_.erase(question);
    answer(end);
  });
}

std::string to_string(const ProcessEnd& end) {
  if (!end.by_signal) return "ended with exit code " + std::to_string(end.number);
  const char* name = strsignal(end.number);
  return "was killed by signal " + std::to_string(end.number) + (name != nullptr ? " (" + std::string(name) + ")" : "");
}

}  // namespace zipc
