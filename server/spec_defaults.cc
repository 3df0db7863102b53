#include "server/spec_defaults.h"

#include <google/protobuf/util/message_differencer.h>
#include <google/protobuf/util/time_util.h>

#include <utility>

namespace culvert::server {
namespace {

using google::protobuf::util::MessageDifferencer;
using google::protobuf::util::TimeUtil;

template <typename Spec>
void FillTransport(Spec& spec) {
  if (spec.stream_header() == v1::STREAM_HEADER_UNSPECIFIED) spec.set_stream_header(v1::STREAM_HEADER_NONE);
  if (spec.transport() == v1::TRANSPORT_KCP) *spec.mutable_kcp() = WithDefaults(std::move(*spec.mutable_kcp()));
  if (spec.transport() == v1::TRANSPORT_QUIC) *spec.mutable_quic() = WithDefaults(std::move(*spec.mutable_quic()));
  if (spec.has_tls()) *spec.mutable_tls() = WithDefaults(std::move(*spec.mutable_tls()));
  spec.mutable_socket();
  if (spec.max_sessions() == 0) spec.set_max_sessions(kDefaultMaxSessions);
}

// What new handshakes show; who may come in is the rest, and a change of that ends sessions.
template <typename Spec>
void ForgetShown(Spec& spec) {
  if (!spec.has_tls()) return;
  spec.mutable_tls()->clear_certificate_file();
  spec.mutable_tls()->clear_private_key_file();
  spec.mutable_tls()->clear_alpn();
}

bool SameMeaning(v1::ListenerSpec before, v1::ListenerSpec after) {
  for (v1::ListenerSpec* spec : {&before, &after}) {
    *spec = WithDefaults(std::move(*spec));
    spec->clear_paused();
    spec->clear_max_sessions();
    spec->clear_users_file();
    if (spec->has_udp()) {
      spec->mutable_udp()->clear_hub_capacity();
      spec->mutable_udp()->clear_max_clients();
    }
    ForgetShown(*spec);
  }
  return MessageDifferencer::Equals(before, after);
}

bool SameMeaning(v1::DialerSpec before, v1::DialerSpec after) {
  for (v1::DialerSpec* spec : {&before, &after}) {
    *spec = WithDefaults(std::move(*spec));
    spec->clear_paused();
    spec->clear_max_sessions();
    spec->clear_min_sessions();
    spec->clear_dial_timeout();
    spec->clear_backoff_min();
    spec->clear_backoff_max();
    spec->clear_resolve_interval();
    ForgetShown(*spec);
  }
  return MessageDifferencer::Equals(before, after);
}

}  // namespace

v1::KcpSpec WithDefaults(v1::KcpSpec spec) {
  if (spec.profile() == v1::KCP_PROFILE_UNSPECIFIED) spec.set_profile(v1::KCP_PROFILE_V2RAY);
  if (spec.header() == v1::PACKET_HEADER_UNSPECIFIED) spec.set_header(v1::PACKET_HEADER_NONE);
  if (spec.mtu_bytes() == 0) spec.set_mtu_bytes(kDefaultMtuBytes);
  if (!spec.has_tick_interval()) *spec.mutable_tick_interval() = TimeUtil::MillisecondsToDuration(50);
  if (spec.congestion_control() == v1::CONGESTION_CONTROL_UNSPECIFIED) {
    spec.set_congestion_control(v1::CONGESTION_CONTROL_BBR);
  }
  return spec;
}

v1::QuicSpec WithDefaults(v1::QuicSpec spec) {
  v1::QuicOuterSpec& outer = *spec.mutable_outer();
  if (outer.security() == v1::OUTER_SECURITY_UNSPECIFIED) outer.set_security(v1::OUTER_SECURITY_NONE);
  if (outer.header() == v1::PACKET_HEADER_UNSPECIFIED) outer.set_header(v1::PACKET_HEADER_NONE);
  // With a security an absent key is the empty one.
  if (outer.security() != v1::OUTER_SECURITY_NONE && outer.key_file().empty() && !outer.has_key()) outer.set_key("");
  if (spec.max_streams_per_session() == 0) spec.set_max_streams_per_session(kDefaultStreamsPerSession);
  if (spec.max_udp_payload_bytes() == 0) spec.set_max_udp_payload_bytes(kDefaultUdpPayloadBytes);
  if (!spec.has_idle_timeout()) *spec.mutable_idle_timeout() = TimeUtil::SecondsToDuration(kDefaultIdleTimeoutSeconds);
  if (!spec.has_keepalive_interval()) {
    *spec.mutable_keepalive_interval() = TimeUtil::SecondsToDuration(kDefaultKeepaliveSeconds);
  }
  if (spec.congestion_control() == v1::CONGESTION_CONTROL_UNSPECIFIED) {
    spec.set_congestion_control(v1::CONGESTION_CONTROL_BBR);
  }
  if (!spec.has_datagrams()) spec.set_datagrams(true);
  if (!spec.has_migration()) spec.set_migration(true);
  return spec;
}

v1::TlsSpec WithDefaults(v1::TlsSpec spec) {
  // XTLS means the same.
  spec.set_mode(v1::TLS_MODE_TLS);
  if (spec.alpn().empty()) {
    for (const char* protocol : {"h2", "http/1.1"}) spec.add_alpn(protocol);  // v2ray's (spec/tls.md section 1.1)
  }
  return spec;
}

v1::ListenerSpec WithDefaults(v1::ListenerSpec spec) {
  FillTransport(spec);
  if (spec.protocol() == v1::LISTENER_PROTOCOL_UNSPECIFIED) spec.set_protocol(v1::LISTENER_PROTOCOL_RAW);
  if (spec.transport() == v1::TRANSPORT_UDP || spec.protocol() == v1::LISTENER_PROTOCOL_SOCKS5) {
    v1::UdpListenerSpec& udp = *spec.mutable_udp();
    if (udp.hub_capacity() == 0) udp.set_hub_capacity(kDefaultHubCapacity);
    if (udp.max_clients() == 0) udp.set_max_clients(kDefaultUdpClients);
  }
  return spec;
}

v1::DialerSpec WithDefaults(v1::DialerSpec spec) {
  FillTransport(spec);
  if (!spec.has_dial_timeout()) *spec.mutable_dial_timeout() = TimeUtil::SecondsToDuration(10);
  if (spec.transport() == v1::TRANSPORT_QUIC) {
    if (!spec.has_backoff_min()) *spec.mutable_backoff_min() = TimeUtil::MillisecondsToDuration(100);
    if (!spec.has_backoff_max()) *spec.mutable_backoff_max() = TimeUtil::SecondsToDuration(30);
    if (!spec.has_resolve_interval()) *spec.mutable_resolve_interval() = TimeUtil::SecondsToDuration(30);
  }
  return spec;
}

v1::ForwardSpec WithDefaults(v1::ForwardSpec spec) {
  if (!spec.has_tcp_idle_timeout()) *spec.mutable_tcp_idle_timeout() = TimeUtil::HoursToDuration(1);
  if (!spec.has_half_close_linger()) *spec.mutable_half_close_linger() = TimeUtil::SecondsToDuration(2);
  v1::UdpForwardSpec& udp = *spec.mutable_udp();
  if (udp.compatibility() == v1::UDP_COMPATIBILITY_UNSPECIFIED) udp.set_compatibility(v1::UDP_COMPATIBILITY_CULVERT);
  if (udp.filtering() == v1::UDP_FILTERING_UNSPECIFIED) udp.set_filtering(v1::UDP_FILTERING_ADDRESS_AND_PORT_DEPENDENT);
  if (udp.max_flows_per_client() == 0) udp.set_max_flows_per_client(kDefaultFlowsPerClient);
  if (!spec.has_udp_idle_timeout()) {
    const bool is_v2ray = udp.compatibility() == v1::UDP_COMPATIBILITY_V2RAY;
    *spec.mutable_udp_idle_timeout() =
        TimeUtil::SecondsToDuration(is_v2ray ? kV2rayUdpIdleTimeoutSeconds : kDefaultUdpIdleTimeoutSeconds);
  }
  if (spec.udp_queue_packets() == 0) spec.set_udp_queue_packets(kDefaultUdpQueuePackets);
  if (!spec.has_reverse_wait()) spec.mutable_reverse_wait();
  if (spec.reverse_parked() == 0) spec.set_reverse_parked(kDefaultReverseParked);
  return spec;
}

bool IsDisruptive(const v1::Object& before, const v1::Object& after) {
  if (before.has_listener()) return !SameMeaning(before.listener().spec(), after.listener().spec());
  if (before.has_dialer()) return !SameMeaning(before.dialer().spec(), after.dialer().spec());
  return false;
}

const char* ChangedSocketSetting(const v1::Object& before, const v1::Object& after) {
  const v1::ListenerSpec& a = before.listener().spec();
  const v1::ListenerSpec& b = after.listener().spec();
  if (!MessageDifferencer::Equals(a.socket(), b.socket())) return "spec.socket";
  return a.udp().original_destination() != b.udp().original_destination() ? "spec.udp.original_destination" : nullptr;
}

}  // namespace culvert::server
