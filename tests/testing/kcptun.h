// kcptun as a peer of comparisons: its client takes TCP and carries it in streams of one KCP session to its server.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/address.h"
#include "tests/testing/process.h"

namespace culvert::testing {

// kcptun's flags. What is absent is left out: kcptun's default.
struct KcptunSettings {
  std::string key = "a key for tests";
  std::optional<std::string> crypt;  // "aes" (256 bits), "aes-128", "none", ...
  std::optional<std::string> mode;   // "normal", "fast", "fast2", "fast3"
  std::optional<int> send_window;    // packets, as is the other
  std::optional<int> receive_window;
  std::optional<int> data_shards;  // of its forward error correction; both 0: none
  std::optional<int> parity_shards;
  std::optional<int> mux_buffer_bytes;
  bool compresses = true;
};

class Kcptun {
 public:
  enum class Role { kClient, kServer };
  struct Options {
    Role role = Role::kClient;
    SocketAddress listen;  // client: TCP; server: UDP
    SocketAddress target;  // client: the server's; server: where streams go by TCP
    KcptunSettings settings;
    std::string netns;
  };

  // True when deploy/setup unpacked both programs.
  static bool IsInstalled();
  // Starts it and waits until it is ready to listen. NOT_FOUND: not installed. Errors carry its own output.
  static absl::StatusOr<std::unique_ptr<Kcptun>> Start(const Options& options);

  Process& process() { return *process_; }

 private:
  Kcptun() = default;
  std::optional<Process> process_;
};

}  // namespace culvert::testing
