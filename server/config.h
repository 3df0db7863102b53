// The declared objects as workers see them: immutable, validated, without protobuf. Made from the API's messages in one
// place (server/config.cc), shared between threads as shared_ptr<const ...>.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/address.h"
#include "core/base/time.h"
#include "core/kcp/config.h"
#include "core/tls/tls_context.h"

namespace culvert::server {

enum class Transport : uint8_t { kTcp, kKcp };

struct SocketOptions {
  IpAddress bind_address;             // family none: the system's choice
  std::string interface;              // empty: any
  uint32_t mark = 0;
  uint8_t dscp = 0;
  uint64_t receive_buffer_bytes = 0;  // 0: as large as useful
  uint64_t send_buffer_bytes = 0;
  friend bool operator==(const SocketOptions&, const SocketOptions&) = default;
};

// Identity of a running object: the same name with another incarnation is another object, whose sessions do not live on.
// The supervisor raises the incarnation when a change of the spec cannot be made under live sessions.
struct ObjectId {
  std::string name;
  uint64_t incarnation = 0;
  friend bool operator==(const ObjectId&, const ObjectId&) = default;
};

struct ListenerConfig {
  ObjectId id;
  Transport transport = Transport::kTcp;
  SocketAddress bind;                            // as bound: never port 0
  std::shared_ptr<const kcp::KcpConfig> kcp;     // kKcp only
  std::shared_ptr<const tls::TlsContext> tls;    // for new sessions; nullptr: no TLS
  SocketOptions socket;
  uint32_t max_sessions = 65536;
  bool paused = false;
  bool insecure = false;
};

struct DialerConfig {
  ObjectId id;
  Transport transport = Transport::kTcp;
  std::vector<HostPort> targets;                 // not empty
  std::shared_ptr<const kcp::KcpConfig> kcp;     // kKcp only
  std::shared_ptr<const tls::TlsContext> tls;    // for new sessions; nullptr: no TLS
  std::string tls_server_name;                   // empty: the host of the target
  SocketOptions socket;
  uint32_t max_sessions = 65536;
  Duration dial_timeout = std::chrono::seconds(10);
  bool paused = false;
  bool insecure = false;
};

struct ForwardConfig {
  ObjectId id;
  std::string listener;
  std::string dialer;                            // empty: direct
  HostPort destination;                          // direct only
  Duration idle_timeout = std::chrono::hours(1);
  Duration half_close_linger = std::chrono::seconds(2);
  bool paused = false;
};

// Everything a worker is to run. Swapped as a whole at an iteration boundary.
struct Routing {
  std::vector<std::shared_ptr<const ListenerConfig>> listeners;
  std::vector<std::shared_ptr<const DialerConfig>> dialers;
  std::vector<std::shared_ptr<const ForwardConfig>> forwards;
};

}  // namespace culvert::server
