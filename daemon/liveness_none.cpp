// For platforms whose kernel does not say when a description of a shared memory object ends. Compiled, never run.
#include "daemon/liveness.h"

namespace zipc {

class Liveness::Watcher {};

Liveness::Liveness(boost::asio::io_context&, std::optional<std::size_t>) {}
Liveness::~Liveness() = default;
void Liveness::on_prompt(Prompt) {}
bool Liveness::watch(const std::string&, int) { return false; }
void Liveness::watch_holder(const std::string&, int) {}
void Liveness::catch_up() {}
void Liveness::rest(const std::string&) {}
void Liveness::unwatch(const std::string&) {}
void Liveness::stop() {}

}  // namespace zipc
