// One written value into one field, typed by the field's descriptor.
// Thread: any; no state.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace culvert::manifest {

struct Written {
  std::string_view text;
  bool quoted = false;  // in quotes, so meant as text
};

// Sets `field` of `message`, or adds to it when it is repeated. Strings take any text; booleans only true and false;
// integers decimal digits (0x too; k, M, G and Ki, Mi, Gi after the digits for fields that count bytes; in quotes only
// for 64 bits, as protobuf JSON writes them); enums their names; durations text such as 50ms; times RFC 3339. A relative path in a
// field of format FILE gets `base_dir` in front of it. Errors: INVALID_ARGUMENT saying what the value should be. The
// value of a secret field is never part of it. REQUIRES: `field` is not a map and no message but a Duration
// or Timestamp.
absl::Status SetScalar(google::protobuf::Message& message, const google::protobuf::FieldDescriptor* field,
                       Written value, std::string_view base_dir);

}  // namespace culvert::manifest
