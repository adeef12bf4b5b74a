#include "client/ctl/access.h"

#include <stdlib.h>

#include "client/ctl/complaint.h"

namespace zipc::ctl {
namespace {

/// Takes a role of a channel that may not exist yet, and that the other end may be creating at this moment.
template <class End, class Open, class Create>
Result<End> take(const Sizes& sizes, Open open, Create create) {
  if (sizes.given()) return create(sizes.params());
  Result<End> end = open();
  if (end.error() == Error::foreign_segment) {
    return advised(end.failure(), "if a ZIPC program made it, give its sizes: --queue-size and --message-size");
  }
  if (end.error() != Error::channel_not_found) return end;
  end = create(sizes.params());
  if (end.error() != Error::params_mismatch) return end;
  return open();  // the other end was faster, with sizes of its own
}

}  // namespace

Access::Access(AccessOptions options) : options_(std::move(options)) {
  if (options_.no_broker) setenv("ZIPC_BROKER", "off", 1);
  if (!options_.socket.empty()) {
    setenv("ZIPC_SOCKET", options_.socket.c_str(), 1);
    setenv("ZIPC_BROKER", "require", 1);
  }
  use_ = chosen_by_environment();
}

Access::Broker Access::chosen_by_environment() {
  const char* word = getenv("ZIPC_BROKER");
  const std::string_view use = word == nullptr ? "" : word;
  if (use.empty() || use == "auto") return Broker::automatic;
  if (use == "require") return Broker::required;
  return use == "off" ? Broker::off : Broker::unknown;
}

Result<std::reference_wrapper<Client>> Access::broker() {
  if (use_ == Broker::off) {
    return advised(Failure{Error::no_broker, "this needs a broker, and none may be asked"},
                   "leave out --no-broker and ZIPC_BROKER=off");
  }
  if (use_ == Broker::unknown) {
    return advised(Failure{Error::invalid_argument, "ZIPC_BROKER is '" + std::string(getenv("ZIPC_BROKER")) + "'"},
                   "it must be auto, require or off");
  }
  if (!client_) {
    auto client = Client::connect(options_.socket);
    if (client.error() == Error::no_broker) {
      return advised(client.failure(), "start zipcd, or name its socket with --socket or ZIPC_SOCKET");
    }
    if (!client) return client.failure();
    client_.emplace(*std::move(client));
  }
  return std::ref(*client_);
}

Result<Client*> Access::broker_if_any() {
  if (use_ == Broker::off) return nullptr;
  auto client = broker();
  if (client) return &client->get();
  if (client.error() == Error::no_broker && use_ == Broker::automatic) return nullptr;
  return client.failure();
}

Result<Sender> Access::sender(std::string_view name, const Sizes& sizes) {
  if (options_.socket.empty()) {
    return take<Sender>(
        sizes, [&] { return Sender::open(name); }, [&](const Params& params) { return Sender::create(name, params); });
  }
  auto client = broker();
  if (!client) return client.failure();
  return take<Sender>(
      sizes, [&] { return client->get().open_sender(name); },
      [&](const Params& params) { return client->get().create_sender(name, params); });
}

Result<Receiver> Access::receiver(std::string_view name, const Sizes& sizes) {
  if (options_.socket.empty()) {
    return take<Receiver>(
        sizes, [&] { return Receiver::open(name); },
        [&](const Params& params) { return Receiver::create(name, params); });
  }
  auto client = broker();
  if (!client) return client.failure();
  return take<Receiver>(
      sizes, [&] { return client->get().open_receiver(name); },
      [&](const Params& params) { return client->get().create_receiver(name, params); });
}

}  // namespace zipc::ctl
