#include "client/ctl/plan.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "client/ctl/complaint.h"
#include "client/ctl/input.h"
#include "client/ctl/interruption.h"
#include "client/ctl/output_json.h"
#include "client/ctl/table.h"
#include "client/ctl/units.h"

namespace zipc::ctl {
namespace {

constexpr std::size_t kFileSizeMax = 8 * 1024 * 1024;  // longer than a broker takes; /dev/zero has no end

bool is_keep(const PlanStep& step) { return step.action == "keep"; }

const char* mark_of(const PlanStep& step) {
  if (step.action == "create") return "+ ";
  if (step.action == "drain") return "- ";
  return is_keep(step) ? "  " : "~ ";
}

Result<std::string> read_all(const std::string& path) {
  auto input = Input::open(path);
  if (!input) return input.failure();
  std::string text(kFileSizeMax, '\0');
  const auto size = input->read_fully(std::as_writable_bytes(std::span(text)));
  if (!size) return size.failure();
  if (*size == text.size()) {
    return Failure{Error::limit_reached,
                   path + " is longer than the " + format_size(kFileSizeMax) + " of a configuration"};
  }
  text.resize(*size);
  return text;
}

/// As one sentence, for programs.
Failure mistakes_as_sentence(const Failure& failure) {
  Failure mistakes{Error::invalid_config, failure.message};
  if (mistakes.message.ends_with('\n')) mistakes.message.pop_back();
  for (std::size_t end = 0; (end = mistakes.message.find('\n')) != std::string::npos;) mistakes.message.replace(end, 1, "; ");
  return mistakes;
}

/// Prints the mistakes, in lines that editors understand; what is left to say.
Failure mistakes_in(const std::string& file, const Failure& failure) {
  std::string lines = failure.message;
  if (lines.empty() || lines.back() != '\n') lines.push_back('\n');
  print_aside(lines);
  const auto count = static_cast<std::uint64_t>(std::ranges::count(lines, '\n'));
  return advised(
      Failure{Error::invalid_config, file + " has " + format_count(count, "mistake") + "; nothing was changed"},
      "mend the lines above");
}

/// The lines "+ create  /camera  8 x 1024 bytes".
std::string lines_of(const std::vector<PlanStep>& steps, bool all) {
  std::optional<Table> table;
  for (const PlanStep& step : steps) {
    if (is_keep(step) && !all) continue;
    if (table) {
      table->add({mark_of(step) + step.action, step.channel, step.details});
    } else {
      table.emplace(std::vector<Column>{{mark_of(step) + step.action}, {step.channel}, {step.details}});
    }
  }
  return table ? table->text() : std::string();
}

/// `done`: what has happened to the steps, or is to.
std::string summary_of(const std::vector<PlanStep>& steps, const char* done) {
  const auto kept = static_cast<std::uint64_t>(std::ranges::count_if(steps, is_keep));
  const std::string stay = format_count(kept, "channel") + (kept == 1 ? " stays as it is" : " stay as they are");
  if (kept == steps.size()) return "nothing to change: " + stay + "\n";
  return format_count(steps.size() - kept, "step") + " " + done + ", " + stay + "\n";
}

using Call = Result<std::vector<PlanStep>> (Client::*)(std::string_view, std::string_view);

Result<void> run(Access& access, const PlanOptions& options, Call call, const char* done) {
  if (auto noted = note_signals(); !noted) return noted;
  auto client = access.broker();
  if (!client) return client.failure();
  const auto text = read_all(options.file);
  if (!text) return text.failure();
  const std::string file = options.file == "-" ? "<stdin>" : options.file;
  const auto steps = (client->get().*call)(*text, file);
  if (steps.error() == Error::invalid_config) {
    return options.json ? mistakes_as_sentence(steps.failure()) : mistakes_in(file, steps.failure());
  }
  if (!steps) return steps.failure();
  return print(options.json ? json_of(*steps) : lines_of(*steps, options.all) + summary_of(*steps, done));
}

}  // namespace

Result<void> run(Access& access, const PlanOptions& options) { return run(access, options, &Client::plan, "to do"); }
Result<void> run(Access& access, const ApplyOptions& options) { return run(access, options, &Client::apply, "done"); }

}  // namespace zipc::ctl
