#include "config/reader.h"

#include <algorithm>

#include "common/suggestion.h"

namespace zipc {
namespace {

std::string unknown_key(const Field& mapping, const Node& key, const std::vector<std::string_view>& known) {
  const std::string where = mapping.name.empty() ? "" : " in " + std::string(mapping.name);
  if (key.kind != Node::Kind::scalar) return "expected a key" + where + ", not " + described(key);
  const std::string_view guess = nearest(key.text, known);
  const std::string hint = guess.empty() ? "" : "; did you mean \"" + std::string(guess) + "\"?";
  return "unknown key " + quoted(key.text) + where + "; expected " + any_of(known) + hint;
}

}  // namespace

void Reader::refuse(const Field& field, std::string_view why) {
  const std::string name = field.name.empty() ? "" : std::string(field.name) + ": ";
  diagnostics_.add(field.at(), name + std::string(why));
}

bool Reader::is_single(const Field& field) {
  if (field.value->kind == Node::Kind::null || field.value->kind == Node::Kind::scalar) return true;
  refuse(field, "expected a single value, not " + described(*field.value));
  return false;
}

bool Reader::is(Node::Kind kind, const Field& field, std::string_view expected) {
  if (field.value->kind == kind) return true;
  refuse(field, "expected " + std::string(expected) + ", not " + described(*field.value));
  return false;
}

void Reader::refuse_unknown_keys(const Field& field, const std::vector<std::string_view>& known) {
  for (const Entry& entry : *field.value->entries) {
    if (diagnostics_.is_full()) return;
    const bool is_text = entry.key.kind == Node::Kind::scalar;
    const bool is_known = is_text && std::find(known.begin(), known.end(), entry.key.text) != known.end();
    if (!is_known) diagnostics_.add(entry.key.at, unknown_key(field, entry.key, known));
  }
}

}  // namespace zipc
