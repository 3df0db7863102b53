// "path=value" as `create --set` and `set` take it: one field of a declared object. A path begins in the spec, or with "labels",
// "annotations", "ttl" or "expire_time" in the metadata; both may be written out ("spec.bind", "metadata.labels.app").
// Thread: any; no state.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/objects/field_path.h"
#include "culvert/v1/config.pb.h"

namespace culvert::cli {

struct Assignment {
  std::string path;                  // as written
  std::optional<std::string> value;  // nullopt: make it absent
};

// "path=value"; "path=" and "path-" clear. Errors: INVALID_ARGUMENT.
absl::StatusOr<Assignment> ParseAssignment(std::string_view word);

// The field that an assignment to an object of the kind of `object` means, from the top of the kind's message.
// Errors: INVALID_ARGUMENT: unknown, set by the daemon, or the object's name.
absl::StatusOr<FieldPath> FindAssigned(const v1::Object& object, const std::string& path);

// Does it. Relative names of files get `base_dir` in front. The value of a secret is no part of a command line, which others can
// see: "kcp.seed=@FILE" takes it from a file, without one newline at its end.
// Errors: INVALID_ARGUMENT "PATH: what is wrong", never with the value of a secret.
absl::Status Assign(const Assignment& assignment, std::string_view base_dir, v1::Object& object);

// The folder that relative names in assignments begin at: the current one.
std::string CurrentFolder();

}  // namespace culvert::cli
