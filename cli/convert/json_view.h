// JSON as v2ray reads it: // and # and /* */ comments, keys in any letter case, the last of two equal keys. Every value knows its line.
// Thread: confined to its owner. A view is a loan from its document.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/manifest/yaml_tree.h"

namespace culvert::cli {

class JsonView {
 public:
  JsonView() = default;  // what is not there
  explicit JsonView(const manifest::YamlNode* node) : node_(node) {}

  explicit operator bool() const { return node_ != nullptr && node_->kind != manifest::YamlNode::Kind::kNull; }
  JsonView operator[](const std::string& key) const;
  bool is_object() const { return node_ != nullptr && node_->kind == manifest::YamlNode::Kind::kMap; }
  bool is_list() const { return node_ != nullptr && node_->kind == manifest::YamlNode::Kind::kList; }
  int line() const { return node_ == nullptr ? 1 : node_->line; }

  // A text, number or word as it is written; empty for everything else.
  std::string text() const;
  std::optional<int64_t> number() const;  // written as a number or as a text that is one
  bool is_true() const { return text() == "true"; }
  // Of a list; of one value, that one; of a text, what stands between its commas.
  std::vector<JsonView> elements() const;
  std::vector<std::string> texts() const;
  std::vector<std::pair<std::string, JsonView>> fields() const;

 private:
  const manifest::YamlNode* node_ = nullptr;
};

class JsonDocument {
 public:
  // Errors: INVALID_ARGUMENT "FILE:LINE: what".
  static absl::StatusOr<JsonDocument> Read(std::string_view text, const std::string& file);
  JsonView root() const { return JsonView(tree_.documents().front()); }

 private:
  explicit JsonDocument(manifest::YamlTree tree) : tree_(std::move(tree)) {}
  manifest::YamlTree tree_;
};

}  // namespace culvert::cli
