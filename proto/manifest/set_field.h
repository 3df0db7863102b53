// One field by path, as command lines write it: `--set kcp.seed_file=seed`.
// Thread: any; no state.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace culvert::manifest {

// Sets the field at `path` (names joined by dots) from text. A list takes its elements separated by commas; an absent
// message on the way is made. `base_dir` stands before relative paths of files.
// Errors: INVALID_ARGUMENT "PATH: what is wrong", never with the value of a secret.
absl::Status SetField(google::protobuf::Message& message, std::string_view path, std::string_view value,
                      std::string_view base_dir);

}  // namespace culvert::manifest
