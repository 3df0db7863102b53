// The declared objects as workers see them: immutable, validated, without protobuf. Made from the API's messages in one
// place (server/config.cc), shared between threads as shared_ptr<const ...>.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/address.h"
#include "core/base/time.h"
#include "core/egress/destination_policy.h"
#include "core/frontdoor/users.h"
#include "core/kcp/config.h"
#include "core/quic/config.h"
#include "core/quic/endpoint_keys.h"
#include "core/tls/tls_context.h"

namespace culvert::server {

enum class Transport : uint8_t { kTcp, kUdp, kKcp, kQuic };
enum class ListenerProtocol : uint8_t { kRaw, kSocks5, kHttpConnect };

struct SocketOptions {
  IpAddress bind_address;             // family none: the system's choice
  std::string interface;              // empty: any
  uint32_t mark = 0;
  uint8_t dscp = 0;
  uint64_t receive_buffer_bytes = 0;  // 0: as large as useful
  uint64_t send_buffer_bytes = 0;
  friend bool operator==(const SocketOptions&, const SocketOptions&) = default;
};

// What v2ray's QUIC uses when nothing else is configured (spec/quic.md section 2).
inline constexpr char kQuicServerName[] = "quic.internal.v2ray.com";

// Identity of a running object: the same name with another incarnation is another object, whose sessions do not live on.
// The supervisor raises the incarnation when a change of the spec cannot be made under live sessions.
struct ObjectId {
  std::string name;
  uint64_t incarnation = 0;
  friend bool operator==(const ObjectId&, const ObjectId&) = default;
};

// UdpListenerSpec.
struct HubOptions {
  uint32_t capacity = 1024;           // datagrams that wait, of all clients together
  bool original_destination = false;
  uint32_t max_clients = 16384;
};

// What a forward says about UDP flows.
struct UdpFlowOptions {
  Duration idle_timeout = std::chrono::seconds(120);
  Duration dns_idle_timeout = std::chrono::seconds(15);  // towards port 53; the same as idle_timeout where that was set
  uint32_t queue_packets = 256;                          // of one client
  uint32_t max_flows_per_client = 1024;
  bool is_v2ray_compatible = false;
  bool is_endpoint_independent = false;                  // filtering
};

struct ListenerConfig {
  ObjectId id;
  Transport transport = Transport::kTcp;
  SocketAddress bind;                            // as bound: never port 0
  std::shared_ptr<const kcp::KcpConfig> kcp;     // kKcp only
  std::shared_ptr<const quic::QuicConfig> quic;  // kQuic only
  std::shared_ptr<quic::EndpointKeys> quic_keys; // kQuic only
  std::shared_ptr<const tls::TlsContext> tls;    // for new sessions; nullptr: no TLS. Never null with kQuic
  SocketOptions socket;
  uint32_t max_sessions = 65536;
  bool paused = false;
  bool insecure = false;
  bool is_addressed = false;                     // stream_header CULVERT
  ListenerProtocol protocol = ListenerProtocol::kRaw;
  std::shared_ptr<const frontdoor::UserTable> users;  // nullptr: anyone
  HubOptions hub;                                // kUdp, and kSocks5
};

struct DialerConfig {
  ObjectId id;
  Transport transport = Transport::kTcp;
  std::vector<HostPort> targets;                 // not empty
  std::shared_ptr<const kcp::KcpConfig> kcp;     // kKcp only
  std::shared_ptr<const quic::QuicConfig> quic;  // kQuic only
  std::shared_ptr<quic::EndpointKeys> quic_keys; // kQuic only
  std::shared_ptr<const tls::TlsContext> tls;    // for new sessions; nullptr: no TLS. Never null with kQuic
  // Empty: the host of the target; with kQuic and a target that is an IP address kQuicServerName.
  std::string tls_server_name;
  SocketOptions socket;
  // Sessions over all workers. kQuic: kept open to every target without being asked for, and at most.
  uint32_t min_sessions = 0;
  uint32_t max_sessions = 65536;
  Duration dial_timeout = std::chrono::seconds(10);
  // kQuic: pause before a target is tried again after a failure, doubled with every further one, with jitter.
  Duration backoff_min = std::chrono::milliseconds(100);
  Duration backoff_max = std::chrono::seconds(30);
  Duration resolve_interval = std::chrono::seconds(30);  // kQuic: how long resolved addresses are used
  bool paused = false;
  bool insecure = false;
  bool is_addressed = false;                     // stream_header CULVERT
};

struct ForwardConfig {
  ObjectId id;
  std::string listener;                          // empty: the private side of a reverse forward
  std::string dialer;                            // empty: direct, or the public side of a reverse forward
  HostPort destination;                          // host empty: none
  std::shared_ptr<const egress::DestinationPolicy> allowed;  // nullptr: nothing may be named but `destination`
  std::string reverse;                           // empty: not a reverse forward
  std::string reverse_listener;                  // public side; empty: any that is addressed
  Duration reverse_wait{};
  uint32_t reverse_parked = 4;                   // private side, all workers together
  UdpFlowOptions udp;
  bool proxy_protocol = false;
  Duration idle_timeout = std::chrono::hours(1);
  Duration half_close_linger = std::chrono::seconds(2);
  bool paused = false;
};

// What a worker refuses since the daemon drains: nothing; new sessions of KCP and QUIC listeners, what comes through them, and what comes to
// the private side of reverse forwards; or everything new.
enum class DrainMode : uint8_t { kNone, kInbound, kWhole };

// Everything a worker is to run. Swapped as a whole at an iteration boundary.
struct Routing {
  // Each sorted by name; what did not change is the same object as in the routing before (routing_difference.h).
  std::vector<std::shared_ptr<const ListenerConfig>> listeners;
  std::vector<std::shared_ptr<const DialerConfig>> dialers;
  std::vector<std::shared_ptr<const ForwardConfig>> forwards;
  // Where this daemon listens: never reached by who names a destination.
  std::vector<SocketAddress> own_addresses;
  DrainMode drain = DrainMode::kNone;
};

}  // namespace culvert::server
