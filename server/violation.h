// What is wrong with a request, field by field.
#pragma once

#include <string>
#include <vector>

namespace culvert::server {

struct Violation {
  std::string path;         // "spec.kcp.mtu_bytes"; in an Apply "objects[2].spec.kcp.mtu_bytes"
  std::string description;  // "100 is not in [576, 1460]"; never holds a secret
  // The machine-readable reason: INVALID_FIELD, or FIELD_IMMUTABLE for a change that an update may not make.
  const char* reason = "INVALID_FIELD";
};
using Violations = std::vector<Violation>;

// At most this many violations are collected of one request: beyond, it is noise, and work that a caller could make us do.
inline constexpr size_t kMaxViolations = 100;

}  // namespace culvert::server
