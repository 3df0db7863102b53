// stunnel as a peer of comparisons: TCP in, TLS over TCP to another stunnel, TCP out.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/address.h"
#include "tests/testing/process.h"
#include "tests/testing/temp_dir.h"

namespace culvert::testing {

class Stunnel {
 public:
  enum class Role { kClient, kServer };
  struct Options {
    Role role = Role::kClient;
    SocketAddress listen;
    SocketAddress target;
    std::string authority_pem;    // client: what it trusts
    std::string certificate_pem;  // server: what it shows
    std::string private_key_pem;
    std::string server_name;  // client: what it checks the certificate for
    std::string netns;
  };

  static bool IsInstalled();
  // Starts it and waits until its port is open. NOT_FOUND: not installed. Errors carry its own output.
  static absl::StatusOr<std::unique_ptr<Stunnel>> Start(const Options& options);

  Process& process() { return *process_; }

 private:
  Stunnel() = default;
  TempDir directory_;
  std::optional<Process> process_;
};

}  // namespace culvert::testing
