#include "client/ctl/top.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <utility>

#include "client/ctl/complaint.h"
#include "client/ctl/interruption.h"
#include "client/ctl/process.h"
#include "client/ctl/sampler.h"
#include "client/ctl/screen.h"

namespace zipc::ctl {
namespace {

/// The programs of the holders. A lease never changes hands, so /proc is asked once for each.
class Programs {
 public:
  std::string of(const Holder& holder) {
    const auto [entry, is_new] = names_.try_emplace({holder.pid, holder.lease});
    if (is_new) entry->second.name = look_up(holder).program;
    entry->second.seen = true;
    return entry->second.name;
  }
  /// Those that were not asked for since the last time are forgotten.
  void forget_the_rest() {
    std::erase_if(names_, [](const auto& entry) { return !entry.second.seen; });
    for (auto& [holder, name] : names_) name.seen = false;
  }

 private:
  struct Name {
    std::string name;
    bool seen = false;
  };
  std::map<std::pair<int, std::int64_t>, Name> names_;
};

class Top {
 public:
  explicit Top(Screen& screen) : screen_(screen) {}

  void show(Observation observation) {
    if (!observation) {
      const Failure& failure = observation.failure();
      view_.trouble =
          failure.code == Error::no_broker ? "the broker is gone: waiting for it to come back" : failure.message;
      return;
    }
    Sample now = *std::move(observation);
    if (sample_) {
      const auto program_of = [this](const Holder& holder) { return programs_.of(holder); };
      view_.rows = rows_of(*sample_, now, program_of);
      programs_.forget_the_rest();
      sort(view_.rows, view_.order);
    }
    view_.broker = now.broker;
    view_.trouble.clear();
    sample_ = std::move(now);
  }

  /// False: quit.
  bool obey(Key key) {
    const std::size_t page = std::max<std::size_t>(rows_that_fit(view_, screen_.size()), 1);
    switch (key) {
      case Key::quit:
        return false;
      case Key::sort:
        view_.order = next(view_.order);
        break;
      case Key::help:
        view_.help = !view_.help;
        break;
      case Key::up:
        scroll_up(1);
        break;
      case Key::down:
        view_.first += 1;
        break;
      case Key::page_up:
        scroll_up(page);
        break;
      case Key::page_down:
        view_.first += page;
        break;
      case Key::home:
        view_.first = 0;
        break;
      case Key::end:
        view_.first = view_.rows.size();
        break;
      case Key::other:
        break;
    }
    if (key == Key::sort) sort(view_.rows, view_.order);
    return true;
  }

  void draw() {
    const std::size_t fitting = rows_that_fit(view_, screen_.size());
    view_.first = std::min(view_.first, view_.rows.size() - std::min(fitting, view_.rows.size()));
    screen_.draw(render(view_, screen_.size()));
  }

 private:
  void scroll_up(std::size_t rows) { view_.first -= std::min(rows, view_.first); }

  Screen& screen_;
  TopView view_;
  Programs programs_;
  std::optional<Sample> sample_;  ///< the one before, for rates
};

/// Until the user quits. Nothing here waits for the broker.
Result<void> loop(Screen& screen, Sampler& sampler) {
  for (Top top(screen);;) {
    while (const auto key = screen.key()) {
      if (!top.obey(*key)) return {};
    }
    while (auto observation = sampler.take()) top.show(*std::move(observation));
    if (!screen.alive()) return Failure{Error::system, "the terminal has gone"};
    top.draw();
    if (auto waited = wait_for_input(STDIN_FILENO, sampler.fd()); !waited) return waited;
  }
}

}  // namespace

Result<void> run(Access& access, const TopOptions& options) {
  if (auto noted = note_signals(); !noted) return noted;
  auto broker = access.broker();
  if (!broker) return broker.failure();
  auto client = Client::connect(broker->get().socket_path());  // the thread that looks has its own
  if (!client) return client.failure();
  auto screen = Screen::open();
  if (!screen) return screen.failure();
  auto sampler = Sampler::start(*std::move(client), options.interval);
  if (!sampler) return sampler.failure();
  return loop(*screen, *sampler);
}

}  // namespace zipc::ctl
