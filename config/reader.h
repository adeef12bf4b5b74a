/// A cursor over the tree of a document that fills plain structs by tables of keys, and collects what is wrong.
///
/// A table lists the keys of one mapping. The reader refuses keys that are not in it, and reads those that are in the
/// order of the table, not of the file: what comes first in the table may be a default for what comes later.
/// A value that is refused leaves an empty one: 0, false or no text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <zipc/error.hpp>

#include "config/diagnostics.h"
#include "config/document.h"

namespace zipc {

/// A value and what it is called: the key that it stands behind, or, for an item of a list, that of the list.
struct Field {
  std::string_view name;
  Position key_at;
  const Node* value;

  /// Where to complain about the value; a value that was left out has no place of its own.
  [[nodiscard]] Position at() const { return value->kind == Node::Kind::null ? key_at : value->at; }
};

class Reader;

/// A line of a table: how the value of key `name` gets into a T.
template <class T>
struct Key {
  std::string_view name;
  void (*read)(Reader& reader, const Field& field, T& out);
};

class Reader {
 public:
  explicit Reader(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  /// Fills `out` from a mapping. A value that was left out is an empty mapping.
  template <class T, class Table>
  void mapping(const Field& field, const Table& table, T& out) {
    if (field.value->kind == Node::Kind::null || !is_mapping(field)) return;
    std::vector<std::string_view> names;
    for (const Key<T>& key : table) names.push_back(key.name);
    refuse_unknown_keys(field, names);
    for (const Key<T>& key : table) {
      if (const Entry* entry = find(*field.value, key.name)) key.read(*this, field_of(key.name, *entry), out);
    }
  }

  /// Calls `read(field)` for each item of a list. A value that was left out is an empty list; an item is refused.
  template <class Read>
  void list(const Field& field, Read read) {
    if (field.value->kind == Node::Kind::null || !is_list(field)) return;
    std::size_t number = 0;
    for (const Node& item : *field.value->items) {
      ++number;
      if (item.kind == Node::Kind::null) {
        refuse({field.name, field.key_at, &item}, "item " + std::to_string(number) + " is empty");
      } else {
        read(Field{field.name, field.key_at, &item});
      }
    }
  }

  /// Puts into `out` what `parse(text)` makes of the text of a single value.
  template <class T, class Parse>
  void scalar(const Field& field, Parse parse, T& out) {
    out = T{};
    if (!is_single(field)) return;
    auto parsed = parse(std::string_view(field.value->text));
    if (parsed) {
      out = static_cast<T>(std::move(parsed).value());
    } else {
      refuse(field, parsed.failure().message);
    }
  }

  /// "name: why", at the value.
  void refuse(const Field& field, std::string_view why);

 private:
  [[nodiscard]] static Field field_of(std::string_view name, const Entry& entry) {
    return {name, entry.key.at, &entry.value};
  }
  [[nodiscard]] bool is_mapping(const Field& field) { return is(Node::Kind::mapping, field, "a mapping of keys"); }
  [[nodiscard]] bool is_list(const Field& field) { return is(Node::Kind::sequence, field, "a list"); }
  [[nodiscard]] bool is_single(const Field& field);
  [[nodiscard]] bool is(Node::Kind kind, const Field& field, std::string_view expected);
  void refuse_unknown_keys(const Field& field, const std::vector<std::string_view>& known);

  Diagnostics& diagnostics_;
};

}  // namespace zipc
