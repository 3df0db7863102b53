// The generic validator: walks any message of the API and checks what the field options (culvert/v1/options.proto) demand:
// required, range, pattern, format; and that enum values are known and durations well formed. A zero in a number without
// presence means "the default" and is not checked against the range.
// Errors: all violations are collected (at most kMaxViolations). Values stand in the description, shortened and escaped;
// those of secret fields never do.
// Thread: any.
#pragma once

#include <string>

#include "google/protobuf/message.h"
#include "server/violation.h"

namespace culvert::server {

// Paths begin with `prefix`: "objects[2]", or empty.
void ValidateTree(const google::protobuf::Message& message, const std::string& prefix, Violations& violations);

// The same of a request, apart from the declared objects in it, which are judged as changes of what exists (change_plan.h).
void ValidateRequest(const google::protobuf::Message& request, Violations& violations);

// A user's value as it may stand in an error or a log line: in quotes, escaped, at most 64 bytes of it.
std::string QuotedValue(const std::string& value);

}  // namespace culvert::server
