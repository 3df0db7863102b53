// The tunnel of design.md on loopback: near (TCP listener, KCP or QUIC dialer, forward) and far (KCP or QUIC listener, forward
// to an application), as two daemons configured by culvertctl.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "tests/testing/daemon.h"
#include "tests/testing/tcp_app.h"

namespace culvert::testing {

struct TunnelOptions {
  TcpServer::Handler application = ChoiceHandler();
  std::string host = "127.0.0.1";  // where everything is bound; "[::1]" for IPv6
  bool has_seed = true;
  KcpText kcp;  // its seed_file is set from has_seed
  std::optional<QuicText> quic;    // QUIC instead of KCP
  std::string dialer_spec;         // QUIC: further settings of the dialer itself
  std::optional<SocketAddress> via;  // the dialer's target, where that is not the far listener itself
  // The tls blocks of dialer and listener; see KcpText.
  std::string near_tls;
  std::string far_tls;
  bool near_is_insecure = false;
  DaemonOptions near;
  DaemonOptions far;
};

class TunnelPair {
 public:
  static constexpr const char* kListener = "local-app";
  static constexpr const char* kDialer = "site-b";
  static constexpr const char* kForward = "app";
  static constexpr const char* kWire = "kcp-in";
  static constexpr const char* kSeed = "a seed only for this test";

  static absl::StatusOr<std::unique_ptr<TunnelPair>> Start(TunnelOptions options = {});

  SocketAddress entrance() const { return entrance_; }
  SocketAddress wire() const { return wire_; }
  ClientOptions client() const { return {.to = entrance_, .chooses = true}; }
  TcpServer& application() { return *application_; }
  Daemon& near() { return *near_; }
  Daemon& far() { return *far_; }
  // As RestartFar, but killed, and started again with `flags`.
  absl::Status KillAndRestartFar();
  const std::string& near_manifest() const { return near_manifest_; }
  const std::string& far_manifest() const { return far_manifest_; }
  // Kills both ends' processes or starts the far one again with the same configuration.
  absl::Status RestartFar();
  std::string Logs() const { return "--- near:\n" + near_->Log() + "--- far:\n" + far_->Log(); }

 private:
  TunnelPair() = default;

  TunnelOptions options_;
  SocketAddress entrance_;
  SocketAddress wire_;
  std::unique_ptr<TcpServer> application_;
  std::string near_manifest_;
  std::string far_manifest_;
  std::unique_ptr<Daemon> near_;
  std::unique_ptr<Daemon> far_;
};

// Starts a daemon and applies a manifest to it. The manifest may name the file "seed".
absl::StatusOr<std::unique_ptr<Daemon>> StartWith(const std::string& manifest, const DaemonOptions& options = {});

// Every value that stands under `key` anywhere in a JSON text.
std::vector<nlohmann::json> FindAll(const std::string& json, const std::string& key);
// The sum of such values: protobuf JSON writes 64-bit numbers as text.
uint64_t SumOf(const std::string& json, const std::string& key);
// Looks again until `condition` holds, at most for `limit`.
bool Eventually(const std::function<bool()>& condition, Duration limit = std::chrono::seconds(10));

}  // namespace culvert::testing
