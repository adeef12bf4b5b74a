/// The configuration of zipcd: the text of a YAML file in, a checked Config or every mistake in the file out.
///
/// The default member values below are the documented defaults; an empty file gives exactly them. What each key means
/// to the person who edits the file stands in zipcd.yaml and in zipcd.yaml.5.scd.
///
/// *Thread safety.* Parsing looks users and groups up with getpwnam(3) and getgrnam(3): one thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>
#include <zipc/params.hpp>

namespace zipc {

/// A linger that never ends: the channel stays until it is removed by hand. Any other linger is at most 1000 h.
inline constexpr std::chrono::milliseconds kLingerForever = std::chrono::milliseconds::max();

/// How long a lease lasts unless it is renewed, from 100 ms to 1000 h; nullopt: as long as its holder.
using LeaseTtl = std::optional<std::chrono::milliseconds>;

/// Who may open a segment.
struct Access {
  std::uint32_t mode = 0600;  ///< permission bits, 0 .. 0777; only the read and write bits matter
  std::string owner;          ///< user name or number, known to this machine if a name; empty: zipcd's own user
  std::string group;          ///< the same for the group
};

/// Where zipcd listens, unless the service manager or --socket says otherwise.
struct SocketConfig {
  std::string path = "/run/zipcd.sock";  ///< absolute, fits a sockaddr_un
  std::uint32_t mode = 0666;             ///< who may connect, 0 .. 0777
  std::string group;                     ///< as Access::group
};

/// What zipcd refuses to exceed. Every limit is at least 1.
struct Limits {
  std::uint32_t channels = 1024;                               ///< provisioned and dynamic together
  std::uint64_t total_bytes = std::uint64_t{1} << 30;          ///< sum of segment_size() over all channels
  std::uint64_t bytes_per_channel = std::uint64_t{256} << 20;  ///< segment_size() of one channel
  std::uint32_t connections = 1024;
  std::uint32_t connections_per_user = 256;
  std::uint32_t channels_per_user = 256;  ///< dynamic channels that one user may have at a time
};

/// What holds for a channel that does not say otherwise. The sizes are within check_params().
struct ChannelDefaults {
  Params params{.queue_size = 64, .message_size = 4096};
  std::chrono::milliseconds linger = std::chrono::seconds(10);
  LeaseTtl lease_ttl;
  Waiting waiting = Waiting::adaptive;
  Access access;
};

/// Channels that clients may have made which the file does not name.
struct DynamicConfig {
  bool allow = true;
  std::vector<std::string> names{"/*"};  ///< patterns for fnmatch(3) without flags; one match suffices
  std::chrono::milliseconds linger = std::chrono::seconds(10);
  LeaseTtl lease_ttl;
  Waiting waiting = Waiting::adaptive;
  Access access;  ///< only mode is set: a dynamic channel belongs to the user who asked for it
};

/// A channel that exists from the start. `params` are complete and within the limits; names are unique.
struct ChannelConfig {
  std::string name;  ///< within check_name()
  Params params;
  std::chrono::milliseconds linger{0};
  LeaseTtl lease_ttl;
  Waiting waiting = Waiting::adaptive;  ///< how its peers' blocking calls wait unless the programs choose
  Access access;
  int line = 0;  ///< where its entry starts in the file, from 1, so that a refusal can say so
};

struct Config {
  SocketConfig socket;
  Limits limits;
  ChannelDefaults defaults;
  DynamicConfig dynamic;
  std::vector<ChannelConfig> channels;  ///< in the order of the file
};

/// One mistake, with what was expected and, for a misspelt key, the nearest known one.
struct Diagnostic {
  std::string file;  ///< as given to the parser
  int line = 0;      ///< from 1; 0 when the mistake is the file as a whole (it cannot be read, it is too large)
  int column = 0;    ///< from 1, in bytes
  std::string message;
};

/// "file:line:column: message", or "file: message" without a line.
[[nodiscard]] std::string to_string(const Diagnostic& diagnostic);

/// A valid configuration, or every mistake found: at least one, in the order of the file, each once, 1000 at most, of which the
/// last then says that there may be more.
/// A text that is not YAML gives the place where it stops being so, and the mistakes that can be judged without the
/// rest.
using ConfigResult = std::variant<Config, std::vector<Diagnostic>>;

/// Largest file that is read. A thousand channels written out are a tenth of it.
inline constexpr std::size_t kConfigBytesMax = std::size_t{1} << 20;

/// Parses `text`; `file_name` is only for the diagnostics. Time and memory are bounded whatever the text contains.
[[nodiscard]] ConfigResult parse_config(std::string_view text, std::string_view file_name) noexcept;

/// What a configuration may be read from.
enum class ConfigSource {
  file,            ///< a regular file, which does not keep the reader waiting
  file_or_stream,  ///< or what a shell hands over below /dev: /dev/stdin, /dev/fd/63
};

/// Parses the file at `path`. A file that cannot be read is a Diagnostic with the system's words.
[[nodiscard]] ConfigResult load_config_file(const std::string& path, ConfigSource source) noexcept;

}  // namespace zipc
