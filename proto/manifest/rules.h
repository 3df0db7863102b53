// The field rules of the API checked where no daemon is asked: what is required, ranges, patterns and the syntax of
// addresses. References, uniqueness and what kinds say about themselves only the daemon knows.
// Thread: any; no state.
#pragma once

#include <string>
#include <vector>

#include "google/protobuf/message.h"

namespace culvert::manifest {

struct Violation {
  std::string path;     // "spec.kcp.mtu_bytes"
  std::string message;  // never holds the value of a secret
};

// All violations in `message`, in the order of its fields. Output-only fields are not looked at.
std::vector<Violation> CheckRules(const google::protobuf::Message& message);

}  // namespace culvert::manifest
