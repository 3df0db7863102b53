// haproxy as a peer of comparisons: a plain TCP relay.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/address.h"
#include "tests/testing/process.h"
#include "tests/testing/temp_dir.h"

namespace culvert::testing {

class Haproxy {
 public:
  struct Options {
    SocketAddress listen;
    SocketAddress target;
    std::string netns;
  };

  static bool IsInstalled();
  // Starts it and waits until its port is open. NOT_FOUND: not installed. Errors carry its own output.
  static absl::StatusOr<std::unique_ptr<Haproxy>> Start(const Options& options);

  Process& process() { return *process_; }

 private:
  Haproxy() = default;
  TempDir directory_;
  std::optional<Process> process_;
};

}  // namespace culvert::testing
