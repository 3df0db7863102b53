// Failed system calls as absl::Status: a canonical code, a sentence ("bind 127.0.0.1:4000: address already in use") and, as
// a payload, a reason for programs.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace culvert::io {

// The status payload that holds the reason: ADDRESS_IN_USE, BIND_NOT_PERMITTED, ADDRESS_NOT_AVAILABLE,
// INTERFACE_NOT_FOUND, CONNECT_REFUSED, CONNECT_TIMEOUT, UNREACHABLE, TOO_MANY_FILES.
inline constexpr char kReasonPayload[] = "culvert/reason";

// The reason of `status`, empty when it carries none.
std::string ReasonOf(const absl::Status& status);

// `action` says what was tried and on what: "bind 127.0.0.1:4000". Codes: FAILED_PRECONDITION for what the user or the
// machine's set-up decides, RESOURCE_EXHAUSTED for descriptors and memory, UNAVAILABLE for the network, INTERNAL else.
absl::Status SocketStatus(const std::string& action, int error_number);

// The system's words for an error, beginning in lower case.
std::string ErrorText(int error_number);

}  // namespace culvert::io
