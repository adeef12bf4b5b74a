/// A YAML text as a tree of values that know where they stand. Knows YAML and nothing of configurations.
///
/// Anchors, aliases and merge keys (`<<`) are resolved. An alias shares what it refers to, so a small text cannot
/// unfold into a large tree. Tags are ignored, and so is the difference between plain and quoted text, except that only
/// a plain `null`, `~` or nothing at all is null.
///
/// *Invariants.* 1. `items` is set for a sequence only, `entries` for a mapping only.  2. No two scalar keys of a
/// mapping are equal.  3. Walking the whole tree visits no more values than twice the text has bytes, in a depth of 32
/// at most.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostics.h"

namespace zipc {

struct Entry;

struct Node {
  enum class Kind { null, scalar, sequence, mapping };

  Position at;  ///< of an alias: where the alias stands; what it refers to keeps its own places
  Kind kind = Kind::null;
  std::string text = {};  ///< of a scalar
  std::shared_ptr<const std::vector<Node>> items = {};
  std::shared_ptr<const std::vector<Entry>> entries = {};
};

/// A key and its value.
struct Entry {
  Node key;
  Node value;
};

/// The entry of `mapping` with this key, or null.
[[nodiscard]] const Entry* find(const Node& mapping, std::string_view key);

/// What a node is, for "..., not a list": its text in quotes, "a list", "a mapping" or "nothing".
[[nodiscard]] std::string described(const Node& node);

/// The one document in `text`; a null node when there is nothing but comments. Nothing when a mistake prevents a tree.
/// Reports what is wrong with the text as YAML, and keys that are given twice (of which the first holds).
[[nodiscard]] std::optional<Node> read_document(std::string_view text, Diagnostics& diagnostics);

}  // namespace zipc
