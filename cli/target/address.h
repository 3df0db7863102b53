// Where the daemon's control socket is.
// Thread: any; no state.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/process/globals.h"
#include "core/base/time.h"

namespace culvert::cli {

// How long a daemon that is just starting is waited for.
inline constexpr Duration kSocketPatience = std::chrono::seconds(2);

// unix:PATH or HOST:PORT.
struct Address {
  std::string socket_path;  // empty: host_port
  std::string host_port;
};
// Errors: INVALID_ARGUMENT beginning with `origin`: what the text came from, "--address".
absl::StatusOr<Address> ParseAddress(const std::string& text, const std::string& origin);

// Where culvertd listens by default: /run/culvertd/control.sock and $XDG_RUNTIME_DIR/culvertd/control.sock; the latter first for a user
// other than root.
std::vector<std::string> DefaultSocketPaths(const Environment& environment);

// The first of `paths` that accepts a connection; tries again until `patience` is over.
// Errors: PERMISSION_DENIED at once, when a socket is there but not ours to use; UNAVAILABLE naming the paths.
absl::StatusOr<std::string> WaitForSocket(const std::vector<std::string>& paths, Duration patience);

}  // namespace culvert::cli
