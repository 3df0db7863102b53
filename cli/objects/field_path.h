// FieldPath: one field of an API message as command lines name it: "kcp.mtu_bytes", "targets[0]", "labels.app",
// "labels[example.com/app]", "conditions[0].status". Names are snake_case or camelCase. Behind a map without brackets the
// rest of the text is the key, dots included. Values are read and written as in files (proto/manifest).
// Thread: any; no state. Descriptors live as long as the program.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"

namespace culvert::cli {

struct FieldPath {
  struct Step {
    const google::protobuf::FieldDescriptor* field = nullptr;
    std::optional<int> index;        // of an element of a list
    std::optional<std::string> key;  // of an entry of a map
  };
  std::vector<Step> steps;  // never empty; all but the last lead to messages

  // As it was meant, in snake_case: "labels.app".
  std::string ToString() const;
  // What an update mask says for it: names only, up to the first list or map.
  std::string Mask() const;
  const google::protobuf::FieldDescriptor& field() const { return *steps.back().field; }
};

// Errors: INVALID_ARGUMENT "PATH: unknown field (did you mean ...?)" and the like.
absl::StatusOr<FieldPath> ParseFieldPath(const google::protobuf::Descriptor& type, std::string_view text);

// Sets the field from text: a list takes its elements separated by commas, an entry of a list may be the one behind the
// last; "{}" makes an empty block of a field that has fields of its own. `base_dir` stands before relative names of files.
// Errors: INVALID_ARGUMENT "PATH: what is wrong", never with the value of a secret.
absl::Status WriteField(google::protobuf::Message& message, const FieldPath& path, std::string_view text, std::string_view base_dir);
// Makes the field absent. Errors: INVALID_ARGUMENT when the element or entry is not there.
absl::Status EraseField(google::protobuf::Message& message, const FieldPath& path);

// The value as a file spells it, without quotes: enums short, durations "50ms", lists "[a, b]", blocks "{...}" on one line.
// nullopt: it is absent (of a field that cannot be absent: its zero is "0", "false" or "").
std::optional<std::string> ReadField(const google::protobuf::Message& message, const FieldPath& path);
// The same of a field without a path. `field` is one of message's own.
std::optional<std::string> ValueText(const google::protobuf::Message& message, const google::protobuf::FieldDescriptor& field);

}  // namespace culvert::cli
