// v2ray 4.34 as the other side of mKCP or QUIC: one process with any number of clients and servers, all carrying raw streams.
//
// The proxy protocols used add no bytes: dokodemo-door takes connections for a fixed destination and freedom dials it, with
// `streamSettings.network = kcp` or `quic` on the side of the wire.
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

// v2ray's kcpSettings. What is absent is left out of the file: v2ray's default.
struct V2rayKcp {
  std::optional<std::string> header;  // "none", "srtp", "utp", "wechat-video", "dtls", "wireguard"
  std::optional<std::string> seed;
  std::optional<int> mtu;
  std::optional<int> tti;
  std::optional<int> uplink_capacity;
  std::optional<int> downlink_capacity;
  std::optional<int> write_buffer_size;
  std::optional<int> read_buffer_size;
  std::optional<bool> congestion;
};

// v2ray's tlsSettings, with `security: tls`. What is empty is left out of the file. allowInsecure is always false.
struct V2rayTls {
  std::string certificate_file;   // shown to the peer, with key_file
  std::string key_file;
  std::string trust_file;         // client: the roots to verify by (usage "verify"), in place of the system's
  std::string server_name;
  std::vector<std::string> alpn;
};

// v2ray's quicSettings.
struct V2rayQuic {
  std::string security = "none";      // "none", "aes-128-gcm", "chacha20-poly1305"
  std::string key;                    // of the outer layer; with "none" it is not used
  std::optional<std::string> header;  // as in V2rayKcp
};

// Takes TCP connections at `listen` and carries each over mKCP to `peer`, or over QUIC where `quic` is there. Without `tls` a QUIC
// client verifies nobody and a QUIC server shows a certificate of its own making.
struct V2rayClient {
  SocketAddress listen;
  SocketAddress peer;
  V2rayKcp kcp = {};
  std::optional<V2rayTls> tls = {};
  std::optional<V2rayQuic> quic = {};  // in place of kcp
};
// Takes mKCP connections or QUIC streams at `listen` and carries each by TCP to `destination`.
struct V2rayServer {
  SocketAddress listen;
  SocketAddress destination;
  V2rayKcp kcp = {};
  std::optional<V2rayTls> tls = {};
  std::optional<V2rayQuic> quic = {};  // in place of kcp
};

// A SOCKS5 proxy without users, for TCP and UDP, that reaches everything itself.
struct V2raySocks {
  SocketAddress listen;
};

struct V2rayOptions {
  std::vector<V2rayClient> clients;
  std::vector<V2rayServer> servers;
  std::vector<V2raySocks> proxies = {};
};

class V2ray {
 public:
  // $V2RAY_BIN, or the one deploy/setup unpacked; empty when there is none.
  static std::string FindBinary();
  // Starts it and waits until it serves. NOT_FOUND: no binary. Errors carry v2ray's own output.
  static absl::StatusOr<std::unique_ptr<V2ray>> Start(const V2rayOptions& options, const std::string& netns = "");

  Process& process() { return *process_; }
  std::string Log() const { return process_->Stdout() + process_->Stderr(); }

 private:
  V2ray() = default;
  TempDir directory_;
  std::optional<Process> process_;
};

// The configuration file of such a process.
std::string V2rayConfig(const V2rayOptions& options);

}  // namespace culvert::testing
