#include <algorithm>
#include <array>
#include <zipc/layout.hpp>

#include "config/draft.h"
#include "config/reader.h"
#include "config/values.h"

namespace zipc {
namespace {

constexpr Range kCountLimit{.min = 1, .max = 1u << 16};  // as many as there can be descriptors, and some
constexpr Range kByteLimit{.min = 4096, .max = std::uint64_t{1} << 50};  // a page, and more than any machine has
constexpr Range kQueueSizes{.min = kQueueSizeMin, .max = kQueueSizeMax};
constexpr Range kMessageSizes{.min = kMessageSizeMin, .max = kMessageSizeMax};

/// Reads a number that `Member` of T holds.
template <auto Member, const Range& kRange, class T>
void read_count(Reader& reader, const Field& field, T& out) {
  reader.scalar(
      field, [](std::string_view text) { return parse_count(text, kRange); }, out.*Member);
}

template <auto Member, const Range& kRange, class T>
void read_bytes(Reader& reader, const Field& field, T& out) {
  reader.scalar(
      field, [](std::string_view text) { return parse_bytes(text, kRange); }, out.*Member);
}

/// Reads what `Parse` returns into `Member` of T.
template <auto Member, auto Parse, class T>
void read(Reader& reader, const Field& field, T& out) {
  reader.scalar(field, Parse, out.*Member);
}

// The keys that several mappings share.

template <class T>
constexpr Key<T> kQueueSize{"queue_size", [](Reader& reader, const Field& field, T& out) {
                              read_count<&Params::queue_size, kQueueSizes>(reader, field, out.params);
                            }};
template <class T>
constexpr Key<T> kMessageSize{"message_size", [](Reader& reader, const Field& field, T& out) {
                                read_bytes<&Params::message_size, kMessageSizes>(reader, field, out.params);
                              }};
template <class T>
constexpr Key<T> kLinger{"linger", read<&T::linger, parse_linger, T>};
template <class T>
constexpr Key<T> kLeaseTtl{"lease_ttl", read<&T::lease_ttl, parse_lease_ttl, T>};
template <class T>
constexpr Key<T> kWaiting{"waiting", read<&T::waiting, parse_waiting, T>};
template <class T>
constexpr Key<T> kMode{
    "mode", [](Reader& reader, const Field& field, T& out) { reader.scalar(field, parse_mode, out.access.mode); }};
template <class T>
constexpr Key<T> kOwner{
    "owner", [](Reader& reader, const Field& field, T& out) { reader.scalar(field, parse_user, out.access.owner); }};
template <class T>
constexpr Key<T> kGroup{
    "group", [](Reader& reader, const Field& field, T& out) { reader.scalar(field, parse_group, out.access.group); }};

void read_patterns(Reader& reader, const Field& field, DynamicConfig& out) {
  out.names.clear();
  reader.list(field, [&](const Field& item) { reader.scalar(item, parse_name_pattern, out.names.emplace_back()); });
}

constexpr std::array kSocketKeys = {
    Key<SocketConfig>{"path", read<&SocketConfig::path, parse_socket_path>},
    Key<SocketConfig>{"mode", read<&SocketConfig::mode, parse_mode>},
    Key<SocketConfig>{"group", read<&SocketConfig::group, parse_group>},
};

constexpr std::array kLimitKeys = {
    Key<Limits>{"channels", read_count<&Limits::channels, kCountLimit>},
    Key<Limits>{"total_size", read_bytes<&Limits::total_bytes, kByteLimit>},
    Key<Limits>{"channel_size", read_bytes<&Limits::bytes_per_channel, kByteLimit>},
    Key<Limits>{"connections", read_count<&Limits::connections, kCountLimit>},
    Key<Limits>{"connections_per_user", read_count<&Limits::connections_per_user, kCountLimit>},
    Key<Limits>{"channels_per_user", read_count<&Limits::channels_per_user, kCountLimit>},
};

constexpr std::array kDefaultKeys = {
    kQueueSize<ChannelDefaults>, kMessageSize<ChannelDefaults>, kLinger<ChannelDefaults>, kLeaseTtl<ChannelDefaults>,
    kWaiting<ChannelDefaults>,   kMode<ChannelDefaults>,        kOwner<ChannelDefaults>,  kGroup<ChannelDefaults>,
};

constexpr std::array kDynamicKeys = {
    Key<DynamicConfig>{"allow", read<&DynamicConfig::allow, parse_flag>},
    Key<DynamicConfig>{"names", read_patterns},
    kLinger<DynamicConfig>,
    kLeaseTtl<DynamicConfig>,
    kWaiting<DynamicConfig>,
    kMode<DynamicConfig>,
};

constexpr std::array kChannelKeys = {
    Key<ChannelConfig>{"name", read<&ChannelConfig::name, parse_channel_name>},
    kQueueSize<ChannelConfig>,
    kMessageSize<ChannelConfig>,
    kLinger<ChannelConfig>,
    kLeaseTtl<ChannelConfig>,
    kWaiting<ChannelConfig>,
    kMode<ChannelConfig>,
    kOwner<ChannelConfig>,
    kGroup<ChannelConfig>,
};

DraftChannel read_channel(Reader& reader, const Field& field, const ChannelDefaults& defaults) {
  const Position at = field.value->at;
  DraftChannel draft{.channel = {.name = "",
                                 .params = defaults.params,
                                 .linger = defaults.linger,
                                 .lease_ttl = defaults.lease_ttl,
                                 .waiting = defaults.waiting,
                                 .access = defaults.access,
                                 .line = at.line},
                     .at = at,
                     .name_at = at};
  reader.mapping(field, kChannelKeys, draft.channel);
  if (field.value->kind != Node::Kind::mapping) return draft;
  if (const Entry* name = find(*field.value, "name")) {
    draft.name_at = std::max(at, name->value.at);  // a name that is merged in stands elsewhere
  } else {
    reader.refuse(field, "a channel without a name; expected name: /something");
  }
  return draft;
}

// In this order: `dynamic` and `channels` start from `defaults`.
constexpr std::array kTopLevelKeys = {
    Key<Draft>{"socket", [](Reader& reader, const Field& field,
                            Draft& out) { reader.mapping(field, kSocketKeys, out.config.socket); }},
    Key<Draft>{"limits", [](Reader& reader, const Field& field,
                            Draft& out) { reader.mapping(field, kLimitKeys, out.config.limits); }},
    Key<Draft>{"defaults",
               [](Reader& reader, const Field& field, Draft& out) {
                 reader.mapping(field, kDefaultKeys, out.config.defaults);
                 out.config.dynamic.linger = out.config.defaults.linger;
                 out.config.dynamic.lease_ttl = out.config.defaults.lease_ttl;
                 out.config.dynamic.waiting = out.config.defaults.waiting;
               }},
    Key<Draft>{"dynamic", [](Reader& reader, const Field& field,
                             Draft& out) { reader.mapping(field, kDynamicKeys, out.config.dynamic); }},
    Key<Draft>{"channels",
               [](Reader& reader, const Field& field, Draft& out) {
                 reader.list(field, [&](const Field& item) {
                   out.channels.push_back(read_channel(reader, item, out.config.defaults));
                 });
               }},
};

}  // namespace

Draft read_draft(const Node& root, Diagnostics& diagnostics) {
  Draft draft;
  Reader(diagnostics).mapping(Field{"", root.at, &root}, kTopLevelKeys, draft);
  return draft;
}

}  // namespace zipc
