// YAML text as a tree of plain nodes with lines. yaml-cpp scans and parses; the tree is ours because yaml-cpp's own
// loader neither bounds what it builds nor ends on every input (a comma at the start makes it deliver empty documents
// for ever). Bounds: kMaxBuiltNodes nodes; nesting as deep as yaml-cpp goes (500); an alias may not stand inside what
// it names, so the tree has no cycles, but it may share nodes: who walks it counts. Thread: confined to its owner.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace culvert::manifest {

struct YamlNode {
  enum class Kind { kNull, kText, kList, kMap };
  Kind kind = Kind::kNull;
  int line = 1;                           // from 1; of the first character
  bool quoted = false;                    // kText: in quotes or tagged !!str, so meant as text
  bool tagged = false;                    // carries a tag other than !!str
  bool complete = false;                  // its end was seen
  std::string text;                       // kText
  std::vector<const YamlNode*> elements;  // kList
  std::vector<std::pair<const YamlNode*, const YamlNode*>> entries;  // kMap, in order, duplicates included
};

class YamlTree {
 public:
  static constexpr size_t kMaxBuiltNodes = 1'000'000;

  // Reads all documents of `text`. Errors: INVALID_ARGUMENT "LINE: what", without words of the text.
  static absl::StatusOr<YamlTree> Read(std::string_view text);

  const std::vector<const YamlNode*>& documents() const { return documents_; }
  size_t size() const { return nodes_.size(); }

 private:
  friend class TreeBuilder;
  std::deque<YamlNode> nodes_;  // a deque: nodes point at one another
  std::vector<const YamlNode*> documents_;
};

}  // namespace culvert::manifest
