#include <zipc/error.hpp>

#include <array>
#include <cstddef>

namespace zipc {
namespace {

using E = Error;

// In the order of the numbers: error_info() indexes it.
constexpr std::array<ErrorInfo, kErrorCount> kErrors{{
    {E::ok, "ok", "Ok", "success", ""},
    {E::system, "system", "SystemError", "the operating system refused a call", "read its words in the message"},
    {E::invalid_argument, "invalid_argument", "InvalidArgument", "an argument is not usable",
     "compare the call with its documentation"},
    {E::invalid_name, "invalid_name", "InvalidName", "the channel name breaks the naming rule",
     "use '/' followed by printable characters without '/' or spaces, 39 bytes at most (31 on macOS)"},
    {E::invalid_params, "invalid_params", "InvalidParams", "queue_size or message_size is out of range",
     "use a queue_size of 2 to 16777216 (2^24), and a message_size of 1 to 2147483648 (2 GiB)"},
    {E::full, "full", "QueueFull", "the queue is full; nothing was written",
     "wait for the receiver, use the blocking send, or enlarge queue_size"},
    {E::empty, "empty", "QueueEmpty", "no message is waiting", "wait, or use the blocking receive"},
    {E::timeout, "timeout", "Timeout", "the time given ran out", "wait longer, or look whether who is to answer runs: the peer, or zipcd"},
    {E::message_too_large, "message_too_large", "MessageTooLarge", "the message is longer than message_size; nothing was written",
     "split the message or enlarge message_size"},
    {E::closed, "closed", "Closed", "the context was destroyed or never created",
     "check the result of the call that creates it"},
    {E::role_taken, "role_taken", "RoleTaken", "another process holds this role of the channel",
     "end that process, or use a channel of your own: a channel has one sender and one receiver"},
    {E::params_mismatch, "params_mismatch", "ParamsMismatch", "the channel exists with other sizes",
     "use the sizes of the channel, or open it by name only, or remove it first"},
    {E::channel_not_found, "channel_not_found", "ChannelNotFound", "there is no channel of this name",
     "create it with sizes, or add it to the broker's configuration"},
    {E::channel_exists, "channel_exists", "ChannelExists", "the name is in use", "choose another name or remove the channel"},
    {E::channel_in_use, "channel_in_use", "ChannelInUse", "somebody holds a role of the channel",
     "end its users first, or force the removal"},
    {E::channel_provisioned, "channel_provisioned", "ChannelProvisioned", "the configuration file provides this channel",
     "remove it from the configuration and reload the broker"},
    {E::permission_denied, "permission_denied", "PermissionDenied", "not permitted",
     "ask for access: the message names the rule or the file that refused"},
    {E::limit_reached, "limit_reached", "LimitReached", "a limit of the broker's configuration is reached",
     "raise the limit that the message names, or remove channels"},
    {E::out_of_memory, "out_of_memory", "OutOfMemory", "there is not enough shared memory",
     "remove unused segments, enlarge /dev/shm, or use smaller sizes"},
    {E::corrupt, "corrupt", "Corrupt", "the shared memory holds an impossible value",
     "a process wrote where it must not: end the peers and remove the channel"},
    {E::foreign_segment, "foreign_segment", "ForeignSegment", "a file of this name exists that is not this channel's segment",
     "choose another name or remove the file"},
    {E::no_broker, "no_broker", "NoBroker", "no broker answers", "start zipcd, or set ZIPC_SOCKET, or ZIPC_BROKER=off"},
    {E::protocol, "protocol", "ProtocolError", "the other side does not speak this protocol",
     "check that the socket is zipcd's, and that both are of a matching version"},
    {E::lease_not_found, "lease_not_found", "LeaseNotFound", "this connection holds no lease of this number",
     "use the number that Acquire returned, over the same connection"},
    {E::busy, "busy", "Busy", "another process is setting this segment up and does not finish",
     "try again; look for a stopped process that uses the channel"},
    {E::unsupported, "unsupported", "Unsupported", "not available on this platform", "see the limits in the README"},
    {E::peer_gone, "peer_gone", "PeerGone", "the process at the other end of the channel has gone",
     "go on: the next call waits for its successor; zipc_peer() says who it was and how it ended"},
    {E::fenced, "fenced", "Fenced", "this role was taken away: revoked, or not renewed in time",
     "give the context back, and create it anew if the work is still this process's"},
    {E::invalid_config, "invalid_config", "InvalidConfig", "the configuration has mistakes; nothing has changed",
     "mend the lines that the message names"},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kErrors.size(); ++i) {
    if (static_cast<std::size_t>(kErrors[i].code) != i) return false;
  }
  return true;
}
static_assert(in_order());

}  // namespace

const ErrorInfo& error_info(Error code) noexcept {
  const auto index = static_cast<std::size_t>(code);
  return kErrors[index < kErrors.size() ? index : static_cast<std::size_t>(Error::system)];
}

}  // namespace zipc
