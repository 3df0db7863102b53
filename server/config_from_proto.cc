#include "server/config_from_proto.h"

#include <google/protobuf/util/time_util.h>

#include <utility>

#include "core/crypto/secret.h"
#include "server/spec_defaults.h"

namespace culvert::server {
namespace {

using google::protobuf::util::TimeUtil;

Duration ToDuration(const google::protobuf::Duration& duration) {
  return Duration(TimeUtil::DurationToNanoseconds(duration));
}

Transport ToTransport(v1::Transport transport) {
  switch (transport) {
    case v1::TRANSPORT_UDP: return Transport::kUdp;
    case v1::TRANSPORT_KCP: return Transport::kKcp;
    case v1::TRANSPORT_QUIC: return Transport::kQuic;
    default: return Transport::kTcp;
  }
}

ListenerProtocol ToProtocol(v1::ListenerProtocol protocol) {
  switch (protocol) {
    case v1::LISTENER_PROTOCOL_SOCKS5: return ListenerProtocol::kSocks5;
    case v1::LISTENER_PROTOCOL_HTTP_CONNECT: return ListenerProtocol::kHttpConnect;
    default: return ListenerProtocol::kRaw;
  }
}

// `declared`: before defaults, since what was not said is shorter towards port 53.
UdpFlowOptions ToUdpFlowOptions(const v1::ForwardSpec& declared) {
  const v1::ForwardSpec spec = WithDefaults(declared);
  UdpFlowOptions options;
  options.idle_timeout = ToDuration(spec.udp_idle_timeout());
  options.is_v2ray_compatible = spec.udp().compatibility() == v1::UDP_COMPATIBILITY_V2RAY;
  const bool is_own_choice = !declared.has_udp_idle_timeout() && !options.is_v2ray_compatible;
  options.dns_idle_timeout = is_own_choice ? std::chrono::seconds(kDefaultDnsIdleTimeoutSeconds) : options.idle_timeout;
  options.queue_packets = spec.udp_queue_packets();
  options.max_flows_per_client = spec.udp().max_flows_per_client();
  options.is_endpoint_independent = spec.udp().filtering() == v1::UDP_FILTERING_ENDPOINT_INDEPENDENT;
  return options;
}

kcp::CongestionControl ToCongestionControl(v1::CongestionControl control) {
  switch (control) {
    case v1::CONGESTION_CONTROL_CUBIC: return kcp::CongestionControl::kCubic;
    case v1::CONGESTION_CONTROL_FIXED_RATE: return kcp::CongestionControl::kFixedRate;
    default: return kcp::CongestionControl::kBbr;
  }
}

quic::OuterSecurity ToOuterSecurity(v1::OuterSecurity security) {
  switch (security) {
    case v1::OUTER_SECURITY_AES_128_GCM: return quic::OuterSecurity::kAes128Gcm;
    case v1::OUTER_SECURITY_CHACHA20_POLY1305: return quic::OuterSecurity::kChacha20Poly1305;
    default: return quic::OuterSecurity::kNone;
  }
}

// Fills what the configurations of listeners and dialers share.
template <typename Spec, typename Config>
void FillTransport(const Entry& entry, const v1::Metadata& metadata, const Spec& spec, Config& config) {
  config.id = {metadata.name(), entry.incarnation};
  config.transport = ToTransport(spec.transport());
  config.kcp = entry.kcp;
  config.quic = entry.quic;
  if (entry.quic_shared != nullptr) config.quic_keys = entry.quic_shared->keys;
  config.tls = entry.tls;
  config.socket = ToSocketOptions(spec.socket());
  config.max_sessions = spec.max_sessions();
  config.paused = spec.paused() || entry.is_draining;
  config.insecure = IsInsecure(entry);
  config.is_addressed = spec.stream_header() == v1::STREAM_HEADER_CULVERT;
}

}  // namespace

HeaderType ToHeaderType(v1::PacketHeader header) {
  switch (header) {
    case v1::PACKET_HEADER_SRTP: return HeaderType::kSrtp;
    case v1::PACKET_HEADER_UTP: return HeaderType::kUtp;
    case v1::PACKET_HEADER_WECHAT_VIDEO: return HeaderType::kWechatVideo;
    case v1::PACKET_HEADER_DTLS: return HeaderType::kDtls;
    case v1::PACKET_HEADER_WIREGUARD: return HeaderType::kWireguard;
    default: return HeaderType::kNone;
  }
}

absl::StatusOr<std::shared_ptr<const kcp::KcpConfig>> ToKcpConfig(const v1::KcpSpec& declared,
                                                                 const std::optional<std::string>& file_seed) {
  const v1::KcpSpec spec = WithDefaults(declared);
  kcp::KcpOptions options;
  options.profile = spec.profile() == v1::KCP_PROFILE_XRAY ? kcp::Profile::kXray : kcp::Profile::kV2ray;
  options.header = ToHeaderType(spec.header());
  if (file_seed.has_value()) {
    options.seed = *file_seed;
  } else if (spec.has_seed()) {
    options.seed = spec.seed();
  }
  options.mtu_bytes = spec.mtu_bytes();
  options.tick_interval = ToDuration(spec.tick_interval());
  options.uplink_bytes_per_second = spec.uplink_bytes_per_second();
  options.downlink_bytes_per_second = spec.downlink_bytes_per_second();
  options.congestion_control = ToCongestionControl(spec.congestion_control());
  auto config = kcp::KcpConfig::Create(options);
  if (options.seed) SecureErase({reinterpret_cast<uint8_t*>(options.seed->data()), options.seed->size()});
  return config;
}

absl::StatusOr<std::shared_ptr<const quic::QuicConfig>> ToQuicConfig(const v1::QuicSpec& declared,
                                                                    const std::optional<std::string>& file_key) {
  const v1::QuicSpec spec = WithDefaults(declared);
  quic::QuicOptions options;
  options.outer_security = ToOuterSecurity(spec.outer().security());
  options.outer_key = file_key.has_value() ? *file_key : spec.outer().key();
  options.outer_header = ToHeaderType(spec.outer().header());
  options.max_streams_per_session = spec.max_streams_per_session();
  options.max_udp_payload_bytes = spec.max_udp_payload_bytes();
  options.idle_timeout = ToDuration(spec.idle_timeout());
  options.keepalive_interval = ToDuration(spec.keepalive_interval());
  const bool is_cubic = spec.congestion_control() == v1::CONGESTION_CONTROL_CUBIC;
  options.congestion_control = is_cubic ? quic::CongestionControl::kCubic : quic::CongestionControl::kBbr;
  options.datagrams = spec.datagrams();
  options.migration = spec.migration();
  options.early_data = spec.early_data();
  auto config = quic::QuicConfig::Create(options);
  SecureErase({reinterpret_cast<uint8_t*>(options.outer_key.data()), options.outer_key.size()});
  return config;
}

SocketOptions ToSocketOptions(const v1::SocketSpec& spec) {
  SocketOptions options;
  if (!spec.bind_address().empty()) {
    if (const auto address = IpAddress::Parse(spec.bind_address()); address.ok()) options.bind_address = *address;
  }
  options.interface = spec.interface();
  options.mark = spec.mark();
  options.dscp = static_cast<uint8_t>(spec.dscp());
  options.receive_buffer_bytes = spec.receive_buffer_bytes();
  options.send_buffer_bytes = spec.send_buffer_bytes();
  return options;
}

std::shared_ptr<const ListenerConfig> ToListenerConfig(const Entry& entry, const SocketAddress& bound) {
  const v1::ListenerSpec spec = WithDefaults(entry.object.listener().spec());
  auto config = std::make_shared<ListenerConfig>();
  FillTransport(entry, entry.object.listener().metadata(), spec, *config);
  config->bind = bound;
  config->protocol = ToProtocol(spec.protocol());
  config->users = entry.users;
  if (spec.has_udp()) {
    config->hub = {spec.udp().hub_capacity(), spec.udp().original_destination(), spec.udp().max_clients()};
  }
  return config;
}

std::shared_ptr<const DialerConfig> ToDialerConfig(const Entry& entry) {
  const v1::DialerSpec spec = WithDefaults(entry.object.dialer().spec());
  auto config = std::make_shared<DialerConfig>();
  FillTransport(entry, entry.object.dialer().metadata(), spec, *config);
  for (const std::string& target : spec.targets()) {
    if (auto parsed = HostPort::Parse(target); parsed.ok()) config->targets.push_back(*std::move(parsed));
  }
  // Who verifies nobody says no more of its target than v2ray does.
  const bool is_quic = spec.transport() == v1::TRANSPORT_QUIC;
  config->tls_server_name = is_quic && !spec.has_tls() ? kQuicServerName : spec.tls().server_name();
  config->dial_timeout = ToDuration(spec.dial_timeout());
  if (is_quic) {
    config->min_sessions = spec.min_sessions();
    config->backoff_min = ToDuration(spec.backoff_min());
    config->backoff_max = ToDuration(spec.backoff_max());
    config->resolve_interval = ToDuration(spec.resolve_interval());
  }
  return config;
}

std::shared_ptr<const ForwardConfig> ToForwardConfig(const Entry& entry) {
  const v1::ForwardSpec spec = WithDefaults(entry.object.forward().spec());
  auto config = std::make_shared<ForwardConfig>();
  config->id = {entry.object.forward().metadata().name(), entry.incarnation};
  config->listener = spec.listener();
  config->dialer = spec.dialer();
  if (auto parsed = HostPort::Parse(spec.destination()); parsed.ok()) config->destination = *std::move(parsed);
  if (spec.allowed_destinations_size() > 0) {
    auto policy = egress::DestinationPolicy::Create({spec.allowed_destinations().begin(), spec.allowed_destinations().end()});
    if (policy.ok()) config->allowed = *std::move(policy);  // without one nothing may be named
  }
  config->reverse = spec.reverse();
  config->reverse_listener = spec.reverse_listener();
  config->reverse_wait = ToDuration(spec.reverse_wait());
  config->reverse_parked = spec.reverse_parked();
  config->udp = ToUdpFlowOptions(entry.object.forward().spec());
  config->proxy_protocol = spec.proxy_protocol();
  config->idle_timeout = ToDuration(spec.tcp_idle_timeout());
  config->half_close_linger = ToDuration(spec.half_close_linger());
  config->paused = spec.paused() || entry.is_draining;
  return config;
}

}  // namespace culvert::server
