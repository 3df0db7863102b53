#include "proto/manifest/message.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "proto/manifest/decoder.h"
#include "proto/manifest/text.h"
#include "proto/manifest/yaml_tree.h"

namespace culvert::manifest {

absl::Status ParseMessage(std::string_view text, const std::string& file, google::protobuf::Message& message,
                          std::map<std::string, int>& lines) {
  CULVERT_RETURN_IF_ERROR(CheckText(text, file));
  const absl::StatusOr<YamlTree> tree = YamlTree::Read(text);
  if (!tree.ok()) return absl::InvalidArgumentError(absl::StrFormat("%s:%s", file, std::string(tree.status().message())));
  DecodeContext context{file, "", {}, tree->size() + kMaxAliasedNodes};
  Decoder decoder(context, lines);
  bool is_read = false;
  for (const YamlNode* document : tree->documents()) {
    if (document->kind == YamlNode::Kind::kNull) continue;  // comments only
    if (document->kind != YamlNode::Kind::kMap) {
      context.faults.Add(file, document->line, "", "a mapping is expected");
    } else if (is_read) {
      context.faults.Add(file, document->line, "", "one document is expected");
    } else {
      decoder.DecodeBlock(*document, message, "", 1);
    }
    is_read = true;
  }
  return context.faults.ToStatus();
}

std::string WhereIn(const std::string& file, const std::map<std::string, int>& lines, std::string_view path) {
  // "rules[1].role" → "rules[1]" → "rules". Keys of maps may hold dots and brackets; cutting there only finds nothing and goes on.
  while (!path.empty()) {
    if (const auto found = lines.find(std::string(path)); found != lines.end()) return absl::StrFormat("%s:%d", file, found->second);
    const size_t cut = path.find_last_of(".[");
    if (cut == std::string_view::npos) break;
    path = path.substr(0, cut);
  }
  return file;
}

}  // namespace culvert::manifest
