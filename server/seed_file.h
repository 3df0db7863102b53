// Reads the file that a seed_file field names.
// Thread: the control thread; it waits for a local disk.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace culvert::server {

inline constexpr size_t kMaxSeedFileBytes = 4096;

// The content without one trailing newline ("\n" or "\r\n"). The caller erases it.
// Errors: FAILED_PRECONDITION (CREDENTIAL_UNREADABLE) naming `field`, the file and the system's reason; never its content.
absl::StatusOr<std::string> ReadSeedFile(const std::string& path, const std::string& field);

}  // namespace culvert::server
