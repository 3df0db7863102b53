// Whether bytes are a text that may be read at all.
// Thread: any; no state.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace culvert::manifest {

// Errors: INVALID_ARGUMENT naming the line of `file`: larger than kMaxFileBytes, not UTF-8, or with control characters.
absl::Status CheckText(std::string_view text, const std::string& file);

}  // namespace culvert::manifest
