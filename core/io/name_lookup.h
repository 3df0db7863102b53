// The operating system's name lookup. It blocks, possibly for many seconds: never on a worker's thread.
// Thread: any.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/address.h"

namespace culvert::io {

// The addresses of `host` in the order the system prefers (RFC 6724), without repetition, at least one.
// Errors: UNAVAILABLE "resolve db.example: name or service not known".
absl::StatusOr<std::vector<IpAddress>> LookUpHost(const std::string& host);

}  // namespace culvert::io
