#include "config/document.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>
#include <unordered_map>
#include <utility>

#include "config/syntax.h"

namespace zipc {
namespace {

using YAML::anchor_t;
using YAML::Mark;

constexpr std::size_t kDepthMax = 32;                          // the deepest valid file needs 4
constexpr std::size_t kAliasWeightMax = std::size_t{1} << 20;  // as much as a file may hold without aliases
constexpr std::string_view kMergeKey = "<<";

Position position(const Mark& mark) { return {mark.line + 1, mark.column + 1}; }

/// Thrown through the parser when a text is YAML, but not one that we accept. Does not leave this file.
struct Stop {
  Position at;
  std::string why;
};
[[noreturn]] void stop(const Mark& mark, std::string why) { throw Stop{position(mark), std::move(why)}; }

/// Builds the tree from yaml-cpp's events.
class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  /// The finished document; nothing while one is open.
  [[nodiscard]] std::optional<Node> root() const { return root_; }

  /// Where the innermost collection that is still open starts.
  [[nodiscard]] Position opened() const { return open_.empty() ? Position{1, 1} : open_.back().node.at; }

  void OnDocumentStart(const Mark& mark) override {
    if (root_) stop(mark, "a second document starts here; expected one document in the file");
  }
  void OnDocumentEnd() override {}

  void OnNull(const Mark& mark, anchor_t anchor) override { put({.at = position(mark)}, anchor, 1); }

  void OnScalar(const Mark& mark, const std::string&, anchor_t anchor, const std::string& text) override {
    put({.at = position(mark), .kind = Node::Kind::scalar, .text = text}, anchor, 1 + text.size());
  }

  void OnAlias(const Mark& mark, anchor_t anchor) override {
    const auto target = anchors_.find(anchor);
    if (target == anchors_.end()) stop(mark, "this alias stands inside the value that it refers to");
    alias_weight_ += target->second.weight;
    if (alias_weight_ > kAliasWeightMax) stop(mark, "the aliases up to here repeat too much: more than 1 MiB");
    Node node = target->second.node;
    node.at = position(mark);
    put(std::move(node), 0, target->second.weight);
  }

  void OnSequenceStart(const Mark& mark, const std::string&, anchor_t anchor, YAML::EmitterStyle::value) override {
    open(mark, Node::Kind::sequence, anchor);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const Mark& mark, const std::string&, anchor_t anchor, YAML::EmitterStyle::value) override {
    open(mark, Node::Kind::mapping, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Collection {
    Node node;
    anchor_t anchor;
    std::size_t weight = 1;
    std::vector<Node> children = {};  ///< of a mapping: keys and values in turn
  };
  /// `weight`: the values and bytes of text in it, aliases counted in full.
  struct Anchored {
    Node node;
    std::size_t weight;
  };

  void open(const Mark& mark, Node::Kind kind, anchor_t anchor) {
    if (open_.size() == kDepthMax) stop(mark, "nested too deeply: more than 32 levels");
    open_.push_back({.node = {.at = position(mark), .kind = kind}, .anchor = anchor});
  }

  void close() {
    Collection done = std::move(open_.back());
    open_.pop_back();
    if (done.node.kind == Node::Kind::mapping) {
      done.node.entries = std::make_shared<const std::vector<Entry>>(entries(std::move(done.children)));
    } else {
      done.node.items = std::make_shared<const std::vector<Node>>(std::move(done.children));
    }
    put(std::move(done.node), done.anchor, done.weight);
  }

  void put(Node node, anchor_t anchor, std::size_t weight) {
    if (anchor != 0) anchors_.insert_or_assign(anchor, Anchored{node, weight});
    if (open_.empty()) {
      root_ = std::move(node);
    } else {
      open_.back().weight += weight;
      open_.back().children.push_back(std::move(node));
    }
  }

  using Lines = std::unordered_map<std::string, int>;  ///< where each key of a mapping stands

  /// Pairs keys with values, each key once: what stands in the mapping itself goes before what is merged into it.
  std::vector<Entry> entries(std::vector<Node> children) {
    std::vector<Entry> own;
    std::vector<Node> merged;
    Lines lines;
    for (std::size_t i = 0; i + 1 < children.size(); i += 2) {
      Node& key = children[i];
      Node& value = children[i + 1];
      if (key.kind == Node::Kind::scalar && !is_first(key, lines)) continue;
      if (key.kind == Node::Kind::scalar && key.text == kMergeKey) {
        merged.push_back(std::move(value));
      } else {
        own.push_back({std::move(key), std::move(value)});
      }
    }
    for (const Node& from : merged) merge(from, lines, own);
    return own;
  }

  bool is_first(const Node& key, Lines& lines) {
    const auto [first, is_new] = lines.emplace(key.text, key.at.line);
    if (!is_new) {
      const std::string line = std::to_string(first->second);
      diagnostics_.add(key.at, "the key " + quoted(key.text) + " is given twice; first on line " + line);
    }
    return is_new;
  }

  /// Appends the entries of a mapping, or of each mapping of a list, whose keys are not among `lines`.
  void merge(const Node& from, Lines& lines, std::vector<Entry>& own) {
    if (from.kind == Node::Kind::sequence) {
      for (const Node& item : *from.items) merge(item, lines, own);
    } else if (from.kind == Node::Kind::mapping) {
      for (const Entry& entry : *from.entries) {
        if (lines.emplace(entry.key.text, entry.key.at.line).second) own.push_back(entry);
      }
    } else if (from.kind != Node::Kind::null) {
      diagnostics_.add(from.at, "<<: expected a mapping or a list of mappings, not " + described(from));
    }
  }

  Diagnostics& diagnostics_;
  std::vector<Collection> open_;
  std::unordered_map<anchor_t, Anchored> anchors_;
  std::size_t alias_weight_ = 0;
  std::optional<Node> root_;
};

}  // namespace

const Entry* find(const Node& mapping, std::string_view key) {
  const auto is_wanted = [&](const Entry& e) { return e.key.kind == Node::Kind::scalar && e.key.text == key; };
  const auto found = std::find_if(mapping.entries->begin(), mapping.entries->end(), is_wanted);
  return found == mapping.entries->end() ? nullptr : &*found;
}

std::string described(const Node& node) {
  switch (node.kind) {
    case Node::Kind::scalar:
      return quoted(node.text);
    case Node::Kind::sequence:
      return "a list";
    case Node::Kind::mapping:
      return "a mapping";
    case Node::Kind::null:
      break;
  }
  return "nothing";
}

std::optional<Node> read_document(std::string_view text, Diagnostics& diagnostics) {
  if (const auto place = first_control_character(text)) {
    diagnostics.add(*place, "a control character; expected UTF-8 text");
    return std::nullopt;
  }
  Builder builder(diagnostics);
  try {
    std::istringstream stream(trimmed(text));
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Stop& refused) {
    diagnostics.add(refused.at, refused.why);
    return builder.root();
  } catch (const YAML::Exception& error) {
    const Position where = is_about_open_bracket(error.msg) ? builder.opened() : position(error.mark);
    diagnostics.add(where, "not valid YAML: " + explained(error.msg, text, error.mark.pos));
    return builder.root();
  }
  return builder.root().value_or(Node{.at = {1, 1}});
}

}  // namespace zipc
