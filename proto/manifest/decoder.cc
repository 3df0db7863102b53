#include "proto/manifest/decoder.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "culvert/v1/types.pb.h"
#include "proto/manifest/scalar.h"
#include "proto/manifest/schema.h"
#include "proto/manifest/suggest.h"

namespace culvert::manifest {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

namespace {

std::string_view ShapeOf(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kMap:
      return "a mapping";
    case YamlNode::Kind::kList:
      return "a list";
    case YamlNode::Kind::kText:
      return "a single value";
    case YamlNode::Kind::kNull:
      break;
  }
  return "empty";
}

// Set by the daemon: what `get -o yaml` prints is accepted by apply, which lets these fall.
bool IsDropped(const FieldDescriptor* field) {
  return RulesOf(field).output_only() ||
         (field->containing_type() == v1::Metadata::descriptor() && field->name() == "etag");
}

}  // namespace

const std::string* TextOf(const YamlNode& node) { return node.kind == YamlNode::Kind::kText ? &node.text : nullptr; }

void Decoder::Fault(const YamlNode& node, const std::string& path, std::string_view message) {
  context_.faults.Add(context_.file, node.line, path, message);
}

bool Decoder::Enter(const YamlNode& node, const std::string& path, int depth) {
  if (context_.nodes_left == 0) return false;
  if (--context_.nodes_left == 0) {
    Fault(node, path, absl::StrFormat("aliases stand for more than %d values", kMaxAliasedNodes));
    return false;
  }
  if (depth > kMaxDepth) {
    Fault(node, path, absl::StrFormat("nested deeper than %d levels", kMaxDepth));
    return false;
  }
  if (node.tagged) {
    Fault(node, path, "YAML tags are not supported here");
    return false;
  }
  return true;
}

bool Decoder::NoteKey(const YamlNode& key, const std::string& path) {
  const auto [at, is_new] = lines_.emplace(path, key.line);
  if (!is_new) Fault(key, path, absl::StrFormat("stands twice, first on line %d", at->second));
  return is_new;
}

void Decoder::DecodeBlock(const YamlNode& node, Message& message, const std::string& path, int depth) {
  if (!Enter(node, path, depth)) return;
  if (node.kind != YamlNode::Kind::kMap) {
    Fault(node, path, absl::StrFormat("is %s, a mapping is wanted", ShapeOf(node)));
    return;
  }
  const Descriptor* type = message.GetDescriptor();
  for (const auto& [key_node, value] : node.entries) {
    if (context_.nodes_left == 0 || context_.faults.full()) return;
    const std::string* key = TextOf(*key_node);
    if (key == nullptr) {
      Fault(*key_node, path, "a key must be a single word");
      continue;
    }
    const FieldDescriptor* field = FindField(type, *key);
    const std::string prefix = path.empty() ? "" : path + ".";
    if (field == nullptr) {
      Fault(*key_node, prefix + Quotable(*key), "unknown field" + DidYouMean(*key, FieldNames(type)));
      continue;
    }
    const std::string field_path = prefix + field->name();
    if (!NoteKey(*key_node, field_path) || IsDropped(field)) continue;
    DecodeField(*value, message, field, field_path, depth + 1);
  }
}

void Decoder::DecodeField(const YamlNode& node, Message& message, const FieldDescriptor* field, const std::string& path,
                          int depth) {
  if (field->is_map()) return DecodeMap(node, message, field, path, depth);
  if (!field->is_repeated()) return DecodeOne(node, message, field, path, depth);
  if (!Enter(node, path, depth)) return;
  if (node.kind != YamlNode::Kind::kList) {
    Fault(node, path, absl::StrFormat("is %s, a list is wanted", ShapeOf(node)));
    return;
  }
  int index = 0;
  for (const YamlNode* element : node.elements) {
    if (context_.nodes_left == 0 || context_.faults.full()) return;
    const std::string element_path = absl::StrCat(path, "[", index++, "]");
    lines_.emplace(element_path, element->line);
    DecodeOne(*element, message, field, element_path, depth + 1);
  }
}

// All maps of the API are map<string, string>.
void Decoder::DecodeMap(const YamlNode& node, Message& message, const FieldDescriptor* field, const std::string& path,
                        int depth) {
  if (!Enter(node, path, depth)) return;
  if (node.kind != YamlNode::Kind::kMap) {
    Fault(node, path, absl::StrFormat("is %s, a mapping is wanted", ShapeOf(node)));
    return;
  }
  for (const auto& [key_node, value_node] : node.entries) {
    if (context_.nodes_left == 0 || context_.faults.full()) return;
    const std::string* key = TextOf(*key_node);
    if (key == nullptr) {
      Fault(*key_node, path, "a key must be a single word");
      continue;
    }
    const std::string entry_path = absl::StrFormat("%s[\"%s\"]", path, Quotable(*key));
    if (!NoteKey(*key_node, entry_path) || !Enter(*value_node, entry_path, depth + 1)) continue;
    const std::string* value = TextOf(*value_node);
    if (value == nullptr) {
      Fault(*value_node, entry_path, absl::StrFormat("is %s, a text is wanted", ShapeOf(*value_node)));
      continue;
    }
    Message* pair = message.GetReflection()->AddMessage(&message, field);
    const Descriptor* type = field->message_type();
    pair->GetReflection()->SetString(pair, type->map_key(), *key);
    pair->GetReflection()->SetString(pair, type->map_value(), *value);
  }
}

void Decoder::DecodeOne(const YamlNode& node, Message& message, const FieldDescriptor* field, const std::string& path,
                        int depth) {
  if (IsBlock(field)) {
    const google::protobuf::Reflection* reflection = message.GetReflection();
    Message* child =
        field->is_repeated() ? reflection->AddMessage(&message, field) : reflection->MutableMessage(&message, field);
    return DecodeBlock(node, *child, path, depth);
  }
  if (!Enter(node, path, depth)) return;
  const std::string* text = TextOf(node);
  if (text == nullptr) {
    // An empty value is no text: a forgotten seed and an empty seed are different things.
    Fault(node, path,
          node.kind == YamlNode::Kind::kNull ? "has no value (leave the field out, or write \"\" for an empty text)"
                                             : absl::StrFormat("is %s, a single value is wanted", ShapeOf(node)));
    return;
  }
  const absl::Status status = SetScalar(message, field, {*text, node.quoted}, context_.base_dir);
  if (!status.ok()) Fault(node, path, std::string(status.message()));
}

}  // namespace culvert::manifest
