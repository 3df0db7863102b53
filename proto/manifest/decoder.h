// YAML nodes into a protobuf message, walked against its descriptor, so that every fault has a line and a path.
// Bounds: an alias costs as much as what it stands for, so the walk counts the nodes it visits and ends at the budget.
// Thread: confined to one call.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "google/protobuf/message.h"
#include "proto/manifest/faults.h"
#include "proto/manifest/yaml_tree.h"

namespace culvert::manifest {

inline constexpr int kMaxDepth = 64;
inline constexpr size_t kMaxAliasedNodes = 100'000;  // what aliases may add to the nodes written in a text

// What all documents of one text share.
struct DecodeContext {
  std::string file;      // as messages name it
  std::string base_dir;  // before relative paths
  Faults faults;
  size_t nodes_left = 0;  // to visit: those of the text and kMaxAliasedNodes
};

// The text of `node`; nullptr when it is none.
const std::string* TextOf(const YamlNode& node);

class Decoder {
 public:
  // `lines` gets the line of every path met.
  Decoder(DecodeContext& context, std::map<std::string, int>& lines) : context_(context), lines_(lines) {}

  // Decodes a mapping into `message`, whose own path is `path`. Faults go to the context.
  void DecodeBlock(const YamlNode& node, google::protobuf::Message& message, const std::string& path, int depth);
  // Takes one node from the budget; false, with a fault once, when there is none left or `depth` is too deep.
  bool Enter(const YamlNode& node, const std::string& path, int depth);
  // Records where `key` stands; false, with a fault, when it stands there already or is no text.
  bool NoteKey(const YamlNode& key, const std::string& path);

 private:
  void DecodeField(const YamlNode& node, google::protobuf::Message& message,
                   const google::protobuf::FieldDescriptor* field, const std::string& path, int depth);
  void DecodeMap(const YamlNode& node, google::protobuf::Message& message,
                 const google::protobuf::FieldDescriptor* field, const std::string& path, int depth);
  void DecodeOne(const YamlNode& node, google::protobuf::Message& message,
                 const google::protobuf::FieldDescriptor* field, const std::string& path, int depth);
  void Fault(const YamlNode& node, const std::string& path, std::string_view message);

  DecodeContext& context_;
  std::map<std::string, int>& lines_;
};

}  // namespace culvert::manifest
