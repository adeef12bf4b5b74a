#include "config/config.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <memory>
#include <system_error>
#include <utility>

#include "config/diagnostics.h"
#include "config/document.h"
#include "config/draft.h"

namespace zipc {
namespace {

Config finished(Draft draft) {
  Config config = std::move(draft.config);
  for (DraftChannel& channel : draft.channels) config.channels.push_back(std::move(channel.channel));
  return config;
}

ConfigResult parse(std::string_view text, Diagnostics& diagnostics) {
  Draft draft;
  if (const auto root = read_document(text, diagnostics)) {
    draft = read_draft(*root, diagnostics);
    check_draft(draft, diagnostics);
  }
  if (!diagnostics.empty()) return diagnostics.list();
  return finished(std::move(draft));
}

ConfigResult refused(std::string_view file, std::string message) {
  return std::vector{Diagnostic{std::string(file), 0, 0, std::move(message)}};
}

struct Text {
  std::string bytes;    ///< one more than kConfigBytesMax when the file is larger
  std::string mistake;  ///< why there are none
};

Text unreadable(int error) { return {"", "cannot be read: " + std::generic_category().message(error)}; }

/// Who opens a FIFO waits for its other end, and whoever reads from it, too.
bool may_block(mode_t mode) noexcept { return !S_ISREG(mode) && !S_ISDIR(mode); }

Text read_text(const std::string& path, ConfigSource source) {
  const int fd = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return unreadable(errno);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(fdopen(fd, "rb"), std::fclose);
  struct stat status {};
  if (!file || fstat(fd, &status) != 0) return unreadable(errno);
  const bool is_handed_over = source == ConfigSource::file_or_stream && path.starts_with("/dev/");
  if (may_block(status.st_mode) && !is_handed_over) return {"", "not a regular file; expected one"};
  fcntl(fd, F_SETFL, 0);  // a stream that is handed over is waited for
  Text text{std::string(kConfigBytesMax + 1, '\0'), ""};
  text.bytes.resize(std::fread(text.bytes.data(), 1, text.bytes.size(), file.get()));
  if (std::ferror(file.get()) != 0) return unreadable(errno);
  return text;
}

}  // namespace

ConfigResult parse_config(std::string_view text, std::string_view file_name) noexcept {
  if (text.size() > kConfigBytesMax) return refused(file_name, "larger than 1 MiB; expected a smaller file");
  try {
    Diagnostics diagnostics(file_name);
    return parse(text, diagnostics);
  } catch (const std::exception& error) {  // out of memory, or a surprise from yaml-cpp
    return refused(file_name, std::string("cannot be parsed: ") + error.what());
  }
}

ConfigResult load_config_file(const std::string& path, ConfigSource source) noexcept {
  const Text text = read_text(path, source);
  if (!text.mistake.empty()) return refused(path, text.mistake);
  return parse_config(text.bytes, path);
}

}  // namespace zipc
