// Reads files that hold secrets or what secrets go with: those of seed_file and key_file fields, and (tls_files.h) keys and
// certificates.
// Thread: the control thread; it waits for a local disk.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace culvert::server {

inline constexpr size_t kMaxSeedFileBytes = 4096;

// The whole content of a regular file of at most `max_bytes`. The caller erases it.
// Errors: FAILED_PRECONDITION (CREDENTIAL_UNREADABLE) naming `field`, the file and the system's reason; never its content.
absl::StatusOr<std::string> ReadCredentialFile(const std::string& path, const std::string& field, size_t max_bytes);

// The content without one trailing newline ("\n" or "\r\n"). The caller erases it.
// Errors: as above.
absl::StatusOr<std::string> ReadSeedFile(const std::string& path, const std::string& field);

}  // namespace culvert::server
