// aioquic as the other side of QUIC: tests/interop/aioquic_peer.py, a tunnel end that shares no code with ngtcp2 or BoringSSL.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/address.h"
#include "tests/testing/process.h"
#include "tests/testing/temp_dir.h"

namespace culvert::testing {

class Aioquic {
 public:
  enum class Role : uint8_t { kClient, kServer };
  struct Options {
    Role role = Role::kClient;
    SocketAddress listen;  // client: TCP; server: QUIC
    SocketAddress peer;    // client: the QUIC listener; server: where streams go by TCP
    // The outer layer, in v2ray's words. `key` without a security is not used.
    std::string security = "none";
    std::string key;
    std::string header = "none";
    std::string certificate_file;   // server, with private_key_file
    std::string private_key_file;
    std::string trust_file;         // client; empty: it verifies nobody
    std::string versions = "1,2";   // the preferred one first
    bool retries = false;           // server: every client must prove its address
    int half_open = 0;              // client: handshakes to begin and leave before its own
    std::string netns;
  };

  // Empty when it can run here; else what is missing.
  static std::string WhyNot();
  // Starts it and waits until it serves; a client has its connection by then. NOT_FOUND: it cannot run here. Errors carry its output.
  static absl::StatusOr<std::unique_ptr<Aioquic>> Start(const Options& options);

  // Client: moves to another local port.
  absl::Status Rebind();
  // Client: begins a key update.
  absl::Status UpdateKeys();
  // Client: leaves its connection and begins another, with the ticket and token that the first left it.
  absl::Status BeginAgain();
  // Waits for a line of its output ("connected version=2", "reset by peer").
  bool WaitForOutput(std::string_view text, Duration limit) { return process_->WaitForOutput(text, limit); }

  Process& process() { return *process_; }
  std::string Log() const { return process_->Stdout() + process_->Stderr(); }

 private:
  Aioquic() = default;
  // Sends the signal and waits for the `count`th line that begins with `answer`.
  absl::Status Ask(int signal, std::string_view answer, size_t count);

  TempDir directory_;
  std::optional<Process> process_;
  size_t rebinds_ = 0, key_updates_ = 0, connections_ = 1;
};

}  // namespace culvert::testing
