// Reads files that hold secrets or what secrets go with: those of seed_file and key_file fields, and (tls_files.h) keys and
// certificates.
//
// What lies below a folder of --credentials-dir is opened relative to it with openat2 RESOLVE_BENEATH and RESOLVE_NO_MAGICLINKS: links
// are followed, and one that leads out of the folder, as every absolute one does, is an error. RESOLVE_NO_SYMLINKS, which reliability.md
// T54 asks for, would refuse every Secret that Kubernetes mounts: there tls.crt is a link to ..data/tls.crt, and ..data one to the folder
// of the day.
// Thread: the control thread; it waits for a local disk.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/credential_folders.h"

namespace culvert::server {

inline constexpr size_t kMaxSeedFileBytes = 4096;

// The whole content of a regular file of at most `max_bytes`. The caller erases it.
// Errors: FAILED_PRECONDITION (CREDENTIAL_UNREADABLE) naming `field`, the file and the system's reason; never its content.
absl::StatusOr<std::string> ReadCredentialFile(const std::string& path, const std::string& field, size_t max_bytes,
                                               const CredentialFolders& folders = {});

// The content without one trailing newline ("\n" or "\r\n"). The caller erases it.
// Errors: as above.
absl::StatusOr<std::string> ReadSeedFile(const std::string& path, const std::string& field, const CredentialFolders& folders = {});

}  // namespace culvert::server
