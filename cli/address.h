// Where the daemon's control socket is.
// Thread: any; no state.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/globals.h"
#include "core/base/time.h"

namespace culvert::cli {

// How long a daemon that is just starting is waited for.
inline constexpr Duration kSocketPatience = std::chrono::seconds(2);

// The paths to try, in order: --address, then CULVERTCTL_ADDRESS, then the places where culvertd listens by default
// (/run/culvertd/control.sock and $XDG_RUNTIME_DIR/culvertd/control.sock; the latter first for a user other than root).
// Errors: INVALID_ARGUMENT for what is not unix:PATH.
absl::StatusOr<std::vector<std::string>> SocketPaths(const Globals& globals, const Environment& environment);

// The first of `paths` that accepts a connection; tries again until `patience` is over.
// Errors: PERMISSION_DENIED at once, when a socket is there but not ours to use; UNAVAILABLE naming the paths.
absl::StatusOr<std::string> WaitForSocket(const std::vector<std::string>& paths, Duration patience);

}  // namespace culvert::cli
