#include "config/config.h"

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

std::string in_words(int error) { return std::generic_category().message(error); }

struct Text {
  std::string bytes;  ///< one more than kConfigBytesMax when the file is larger
  int error = 0;      ///< errno
};

Text read_text(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"), std::fclose);
  if (!file) return {"", errno};
  Text text{std::string(kConfigBytesMax + 1, '\0')};
  text.bytes.resize(std::fread(text.bytes.data(), 1, text.bytes.size(), file.get()));
  if (std::ferror(file.get()) != 0) text.error = errno;
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

ConfigResult load_config_file(const std::string& path) noexcept {
  const Text text = read_text(path);
  if (text.error != 0) return refused(path, "cannot be read: " + in_words(text.error));
  return parse_config(text.bytes, path);
}

}  // namespace zipc
