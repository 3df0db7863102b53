// The daemon that a command line means: flags go before variables, variables before the file of contexts, that before the places where
// culvertd listens by default. --address alone, or CULVERTCTL_ADDRESS without --context, means that daemon and no context.
// Thread: any; values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/process/failure.h"
#include "cli/process/globals.h"

namespace culvert::cli {

struct Target {
  std::string context;  // its name; empty: none
  bool is_protected = false;
  std::vector<std::string> socket_paths;  // to be tried in this order; empty: host_port
  std::string host_port;
  TlsFlags tls;  // of host_port; paths as they are opened

  // "unix:PATH" of the first, or HOST:PORT.
  std::string ToString() const;
};

// Failures: usage. Nothing is contacted.
Outcome ResolveTarget(const Globals& globals, const Environment& environment, Target& target);

}  // namespace culvert::cli
