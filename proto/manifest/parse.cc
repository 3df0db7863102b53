// One text, in this order: bytes that are no text are refused; yaml_tree makes nodes; every document becomes an object;
// names are compared. A fault in one document does not hide those of the next.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "proto/manifest/decoder.h"
#include "proto/manifest/identity.h"
#include "proto/manifest/manifest.h"
#include "proto/manifest/suggest.h"
#include "proto/manifest/text.h"
#include "proto/manifest/yaml_tree.h"

namespace culvert::manifest {
namespace {

using google::protobuf::Message;

constexpr std::string_view kApiVersion = "culvert/v1";

Message* MutableKind(v1::Object& object, const std::string& kind) {
  if (kind == "Listener") return object.mutable_listener();
  if (kind == "Dialer") return object.mutable_dialer();
  if (kind == "Forward") return object.mutable_forward();
  return nullptr;
}

class DocumentReader {
 public:
  DocumentReader(DecodeContext& context, std::vector<SourceObject>& out) : context_(context), out_(out) {}

  void Read(const YamlNode& node, int depth) {
    SourceObject source;
    source.file = context_.file;
    source.line = node.line;
    Decoder decoder(context_, source.lines);
    if (!decoder.Enter(node, "", depth)) return;
    if (node.kind != YamlNode::Kind::kMap)
      return Fault(node, "", "a document must be a mapping with apiVersion, kind, metadata and spec");
    Keys keys;
    const size_t faults_before = context_.faults.count();
    ReadKeys(node, decoder, keys);
    if (!CheckVersion(node, keys)) return;
    const std::string* kind = keys.kind ? TextOf(*keys.kind) : nullptr;
    if (kind == nullptr) return Fault(keys.kind ? *keys.kind : node, "kind", "required: Listener, Dialer or Forward");
    if (*kind == "List") return ReadList(keys, depth);
    Message* message = MutableKind(source.object, *kind);
    if (message == nullptr) {
      return Fault(*keys.kind, "kind",
                   absl::StrFormat("\"%s\" is not one of Listener, Dialer, Forward%s", Quotable(*kind),
                                   DidYouMean(*kind, {"Listener", "Dialer", "Forward"})));
    }
    if (keys.items) Fault(*keys.items, "items", "unknown field");
    ReadBlock(decoder, node, keys.metadata, *message, "metadata", depth);
    ReadBlock(decoder, node, keys.spec, *message, "spec", depth);
    if (keys.metadata && keys.metadata->kind == YamlNode::Kind::kMap && source.lines.count("metadata.name") == 0) {
      Fault(*keys.metadata, "metadata.name", "required");
    }
    if (context_.faults.count() != faults_before) return;
    if (out_.size() >= kMaxObjects) {
      return Fault(node, "", absl::StrFormat("more than %d objects", kMaxObjects));
    }
    out_.push_back(std::move(source));
  }

 private:
  struct Keys {
    const YamlNode *version = nullptr, *kind = nullptr, *metadata = nullptr, *spec = nullptr, *items = nullptr;
  };

  void Fault(const YamlNode& node, std::string_view path, std::string_view message) {
    context_.faults.Add(context_.file, node.line, path, message);
  }

  void ReadKeys(const YamlNode& node, Decoder& decoder, Keys& keys) {
    static const std::vector<std::string> kKnown = {"apiVersion", "kind", "metadata", "spec", "status"};
    for (const auto& [key_node, value] : node.entries) {
      if (context_.faults.full()) return;
      const std::string* key = TextOf(*key_node);
      if (key == nullptr) {
        Fault(*key_node, "", "a key must be a single word");
        continue;
      }
      const YamlNode** slot = *key == "apiVersion" || *key == "api_version" ? &keys.version
                              : *key == "kind"                              ? &keys.kind
                              : *key == "metadata"                          ? &keys.metadata
                              : *key == "spec"                              ? &keys.spec
                              : *key == "items"                             ? &keys.items
                                                                            : nullptr;
      if (slot == nullptr && *key != "status") {
        Fault(*key_node, Quotable(*key), "unknown field" + DidYouMean(*key, kKnown));
        continue;
      }
      if (!decoder.NoteKey(*key_node, slot == &keys.version ? "apiVersion" : *key)) continue;
      if (slot != nullptr) *slot = value;
    }
  }

  bool CheckVersion(const YamlNode& node, const Keys& keys) {
    const std::string* version = keys.version ? TextOf(*keys.version) : nullptr;
    if (version != nullptr && *version == kApiVersion) return true;
    if (version == nullptr) {
      Fault(keys.version ? *keys.version : node, "apiVersion", absl::StrFormat("required: %s", kApiVersion));
    } else {
      Fault(*keys.version, "apiVersion", absl::StrFormat("\"%s\" is not %s", Quotable(*version), kApiVersion));
    }
    return false;
  }

  void ReadBlock(Decoder& decoder, const YamlNode& document, const YamlNode* block, Message& message,
                 const std::string& name, int depth) {
    if (!block) return Fault(document, name, "required");
    Message* child = message.GetReflection()->MutableMessage(&message, message.GetDescriptor()->FindFieldByName(name));
    decoder.DecodeBlock(*block, *child, name, depth + 1);
  }

  // What `culvertctl get -o json` prints for several objects.
  void ReadList(const Keys& keys, int depth) {
    if (!keys.items || keys.items->kind != YamlNode::Kind::kList) {
      return Fault(keys.items ? *keys.items : *keys.kind, "items", "a list of objects is wanted");
    }
    for (const YamlNode* item : keys.items->elements) {
      if (context_.nodes_left == 0 || context_.faults.full()) return;
      Read(*item, depth + 2);
    }
  }

  DecodeContext& context_;
  std::vector<SourceObject>& out_;
};

}  // namespace

absl::StatusOr<std::vector<SourceObject>> Parse(std::string_view text, const std::string& file_name,
                                                const std::string& base_dir) {
  CULVERT_RETURN_IF_ERROR(CheckText(text, file_name));
  const absl::StatusOr<YamlTree> tree = YamlTree::Read(text);
  if (!tree.ok()) {
    return absl::InvalidArgumentError(absl::StrFormat("%s:%s", file_name, std::string(tree.status().message())));
  }
  DecodeContext context{file_name, base_dir, {}, tree->size() + kMaxAliasedNodes};
  std::vector<SourceObject> objects;
  DocumentReader reader(context, objects);
  for (const YamlNode* document : tree->documents()) {
    if (context.nodes_left == 0 || context.faults.full()) break;
    if (document->kind != YamlNode::Kind::kNull) reader.Read(*document, 1);  // null: only comments between two "---"
  }
  FindDuplicates(objects, context.faults);
  CULVERT_RETURN_IF_ERROR(context.faults.ToStatus());
  return objects;
}

}  // namespace culvert::manifest
