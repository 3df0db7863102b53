// The file form of declared objects: YAML or JSON documents with apiVersion, kind, metadata and spec, as `culvertctl apply`
// reads them, `culvertd --config-dir` loads them and `culvertctl export` prints them. Shared by both programs.
//
// Keys are snake_case (protobuf JSON's camelCase is accepted too); enum values may be short (`transport: KCP`); durations may
// be written 50ms, 10s, 2m, 1h. An unknown key, a key twice, a wrong type and an unknown enum value are errors that name
// file, line and path: `tunnel.yaml:7: spec.kcp.mtu: unknown field (did you mean mtu_bytes?)`.
// Limits: 4 MiB a file, depth 64, 10,000 objects.
// Thread: any; no state.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "culvert/v1/config.pb.h"

namespace culvert::manifest {

struct SourceObject {
  v1::Object object;
  std::string file;                  // as named by the caller
  int line = 0;                      // where the document begins, from 1
  std::map<std::string, int> lines;  // path of a field ("spec.kcp.mtu_bytes") to its line

  // "FILE:LINE" of the nearest line known for `path` (its longest prefix that has one).
  std::string Where(std::string_view path) const;
};

std::string_view KindOf(const v1::Object& object);  // "Listener"
const v1::Metadata& MetadataOf(const v1::Object& object);
std::string DisplayName(const v1::Object& object);  // "listener/local-pg"

// Reads all documents of one text. Relative paths in fields of format FILE become relative to `base_dir`.
// Errors: INVALID_ARGUMENT with one line per fault found, at most 20.
absl::StatusOr<std::vector<SourceObject>> Parse(std::string_view text, const std::string& file_name,
                                                const std::string& base_dir);
// Reads a file, "-" for standard input, or every *.yaml, *.yml and *.json of a folder in sorted order (not recursive, no hidden
// names). A kind and name that stands twice is an error naming both places.
// Errors: NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT.
absl::StatusOr<std::vector<SourceObject>> Load(const std::vector<std::string>& paths);

// The files that Load reads of these, in its order; "-" is left out. Errors: NOT_FOUND, PERMISSION_DENIED, for a folder.
absl::StatusOr<std::vector<std::string>> FilesOf(const std::vector<std::string>& paths);

// The file form of an object: apiVersion, kind, metadata, spec, short enums, snake_case. Status, output-only fields and
// secrets are left out unless with_status (status and output-only metadata; never secrets).
std::string ToYaml(const v1::Object& object, bool with_status = false);
// Several documents, separated by "---".
std::string ToYaml(const std::vector<v1::Object>& objects, bool with_status = false);

// Durations as users write them: "50ms", "10s", "1m30s". Errors: INVALID_ARGUMENT.
absl::StatusOr<google::protobuf::Duration> ParseDuration(std::string_view text);
std::string FormatDuration(const google::protobuf::Duration& duration);

}  // namespace culvert::manifest
