// Walks over protobuf messages that are driven by the field options of the API (culvert/v1/options.proto) and nothing else:
// redaction of secrets, clearing of output-only fields, comparison, merging of updates.
// Thread: any; no state.
#pragma once

#include <string>
#include <vector>

#include "culvert/v1/types.pb.h"
#include "google/protobuf/message.h"
#include "server/violation.h"

namespace culvert::server {

const v1::FieldRules& RulesOf(const google::protobuf::FieldDescriptor& field);
// "spec" + "kcp" = "spec.kcp"; "" + "spec" = "spec".
std::string JoinPath(const std::string& prefix, const std::string& name);

// Removes every field marked secret, overwriting the value first.
void RedactSecrets(google::protobuf::Message& message);
// Removes every field marked output_only; one warning for each that was set.
void ClearOutputOnly(google::protobuf::Message& message, const std::string& prefix, std::vector<v1::Warning>& warnings);
// Removes every field marked live, and all counters.
void ClearLive(google::protobuf::Message& message);
// Appends a FIELD_IMMUTABLE violation for every immutable field that differs.
void FindImmutableChanges(const google::protobuf::Message& before, const google::protobuf::Message& after,
                          const std::string& prefix, Violations& violations);
// Paths of the fields that differ, output-only ones left out; repeated fields and maps count as one field.
std::vector<std::string> ChangedPaths(const google::protobuf::Message& before, const google::protobuf::Message& after);

struct NamedFile {
  std::string path;  // of the field
  std::string file;
};
// The fields of format FILE that are set in `after` and not the same in `before` (nullptr: there is nothing before).
std::vector<NamedFile> NewlyNamedFiles(const google::protobuf::Message* before, const google::protobuf::Message& after,
                                       const std::string& prefix);

// The wire form with maps in sorted order: equal messages have equal bytes.
std::string DeterministicBytes(const google::protobuf::Message& message);

// Makes `target` what an update of it with `patch` and `mask_paths` says. No paths: the populated fields of `patch` replace
// those of `target`; "*": everything that is not output-only is replaced.
// Appends a violation for a path that does not exist or is output-only.
void MergeUpdate(const google::protobuf::Message& patch, const std::vector<std::string>& mask_paths,
                 google::protobuf::Message& target, Violations& violations);

}  // namespace culvert::server
