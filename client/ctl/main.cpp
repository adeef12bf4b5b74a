// zipcctl: zipc's channels on the command line. The manual is zipcctl.1.scd.
#include <new>

#include "client/ctl/command_line.h"
#include "client/ctl/complaint.h"
#include "client/ctl/interruption.h"
#include "client/ctl/output_json.h"
#include "common/standard_descriptors.h"

namespace {

using namespace zipc::ctl;

constexpr int kExitCodeOfSignals = 128;  // plus the number of the signal

bool wants_json(const Command& command) {
  return std::visit(
      [](const auto& options) {
        if constexpr (requires { options.json; }) return options.json;
        return false;
      },
      command);
}

int run_command(const CommandLine& command_line) {
  Access access(command_line.access);
  const auto done = std::visit([&](const auto& options) { return run(access, options); }, command_line.command);
  if (done) return 0;
  const int number = interrupting_signal();
  const int code = number == 0 ? static_cast<int>(done.error()) : kExitCodeOfSignals + number;
  if (wants_json(command_line.command)) {
    print_aside(json_of(done.failure(), code));
  } else {
    complain(done.failure());
  }
  return code;
}

}  // namespace

int main(int argc, char** argv) try {
  zipc::occupy_standard_descriptors();
  const auto parsed = parse_command_line(argc, argv);
  if (const auto* exit = std::get_if<Exit>(&parsed)) return exit->code;
  return run_command(std::get<CommandLine>(parsed));
} catch (const std::bad_alloc&) {
  return complain({zipc::Error::system, "this process is out of memory"});
}
