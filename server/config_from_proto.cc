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
  return transport == v1::TRANSPORT_KCP ? Transport::kKcp : Transport::kTcp;
}

HeaderType ToHeader(v1::PacketHeader header) {
  switch (header) {
    case v1::PACKET_HEADER_SRTP: return HeaderType::kSrtp;
    case v1::PACKET_HEADER_UTP: return HeaderType::kUtp;
    case v1::PACKET_HEADER_WECHAT_VIDEO: return HeaderType::kWechatVideo;
    case v1::PACKET_HEADER_DTLS: return HeaderType::kDtls;
    case v1::PACKET_HEADER_WIREGUARD: return HeaderType::kWireguard;
    default: return HeaderType::kNone;
  }
}

kcp::CongestionControl ToCongestionControl(v1::CongestionControl control) {
  switch (control) {
    case v1::CONGESTION_CONTROL_CUBIC: return kcp::CongestionControl::kCubic;
    case v1::CONGESTION_CONTROL_FIXED_RATE: return kcp::CongestionControl::kFixedRate;
    default: return kcp::CongestionControl::kBbr;
  }
}

// Fills what the configurations of listeners and dialers share.
template <typename Spec, typename Config>
void FillTransport(const Entry& entry, const v1::Metadata& metadata, const Spec& spec, Config& config) {
  config.id = {metadata.name(), entry.incarnation};
  config.transport = ToTransport(spec.transport());
  config.kcp = entry.kcp;
  config.tls = entry.tls;
  config.socket = ToSocketOptions(spec.socket());
  config.max_sessions = spec.max_sessions();
  config.paused = spec.paused();
  config.insecure = IsInsecure(entry);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const kcp::KcpConfig>> ToKcpConfig(const v1::KcpSpec& declared,
                                                                 const std::optional<std::string>& file_seed) {
  const v1::KcpSpec spec = WithDefaults(declared);
  kcp::KcpOptions options;
  options.profile = spec.profile() == v1::KCP_PROFILE_XRAY ? kcp::Profile::kXray : kcp::Profile::kV2ray;
  options.header = ToHeader(spec.header());
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
  return config;
}

std::shared_ptr<const DialerConfig> ToDialerConfig(const Entry& entry) {
  const v1::DialerSpec spec = WithDefaults(entry.object.dialer().spec());
  auto config = std::make_shared<DialerConfig>();
  FillTransport(entry, entry.object.dialer().metadata(), spec, *config);
  for (const std::string& target : spec.targets()) {
    if (auto parsed = HostPort::Parse(target); parsed.ok()) config->targets.push_back(*std::move(parsed));
  }
  config->tls_server_name = spec.tls().server_name();
  config->dial_timeout = ToDuration(spec.dial_timeout());
  return config;
}

std::shared_ptr<const ForwardConfig> ToForwardConfig(const Entry& entry) {
  const v1::ForwardSpec spec = WithDefaults(entry.object.forward().spec());
  auto config = std::make_shared<ForwardConfig>();
  config->id = {entry.object.forward().metadata().name(), entry.incarnation};
  config->listener = spec.listener();
  config->dialer = spec.dialer();
  if (auto parsed = HostPort::Parse(spec.destination()); parsed.ok()) config->destination = *std::move(parsed);
  config->idle_timeout = ToDuration(spec.tcp_idle_timeout());
  config->half_close_linger = ToDuration(spec.half_close_linger());
  config->paused = spec.paused();
  return config;
}

}  // namespace culvert::server
