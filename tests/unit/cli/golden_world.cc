#include "tests/unit/cli/golden_world.h"

namespace culvert::cli {
namespace {

constexpr int64_t kHour = 3600;
constexpr int64_t kDay = 24 * kHour;
constexpr uint64_t kMiB = 1 << 20;

google::protobuf::Timestamp Ago(int64_t seconds) {
  google::protobuf::Timestamp time;
  time.set_seconds(kGoldenNow - seconds);
  return time;
}
google::protobuf::Duration Milliseconds(int64_t milliseconds) {
  google::protobuf::Duration duration;
  duration.set_seconds(milliseconds / 1000);
  duration.set_nanos(static_cast<int32_t>(milliseconds % 1000 * 1'000'000));
  return duration;
}

void SetMetadata(v1::Metadata& metadata, const std::string& name, int64_t age) {
  metadata.set_name(name);
  metadata.set_uid("00000000-0000-4000-8000-000000000001");
  metadata.set_generation(4);
  metadata.set_manager("file");
  metadata.set_etag("\"5e1f\"");
  *metadata.mutable_create_time() = Ago(age);
  *metadata.mutable_update_time() = Ago(age / 2);
}

template <typename Status>
void AddCondition(Status& status, const std::string& type, bool is_true, const std::string& reason, const std::string& message) {
  v1::Condition& condition = *status.add_conditions();
  condition.set_type(type);
  condition.set_status(is_true ? v1::Condition::STATUS_TRUE : v1::Condition::STATUS_FALSE);
  condition.set_reason(reason);
  condition.set_message(message);
  condition.set_observed_generation(4);
  *condition.mutable_last_transition_time() = Ago(2 * kDay);
}

void SetTraffic(v1::Counters& counters, uint64_t rx_bytes, uint64_t tx_bytes, uint64_t active) {
  counters.set_rx_bytes(rx_bytes);
  counters.set_tx_bytes(tx_bytes);
  counters.set_active(active);
  counters.set_opened(active + 100);
  counters.set_closed(100);
}

void AddListeners(FakeDaemon& daemon) {
  v1::Listener& quic = daemon.listeners.emplace_back();
  SetMetadata(*quic.mutable_metadata(), "quic-in", 3 * kDay);
  (*quic.mutable_metadata()->mutable_labels())["tier"] = "edge";
  (*quic.mutable_metadata()->mutable_annotations())["owner"] = "東京 team";
  quic.mutable_spec()->set_transport(v1::TRANSPORT_QUIC);
  quic.mutable_spec()->set_bind("[::]:4433");
  quic.mutable_spec()->mutable_tls()->set_certificate_file("/etc/culvertd/tls.crt");
  quic.mutable_spec()->mutable_quic()->set_max_streams_per_session(64);
  v1::ListenerStatus& status = *quic.mutable_status();
  status.set_state(v1::STATE_DEGRADED);
  status.add_bound_addresses("[::]:4433");
  status.mutable_socket()->set_receive_buffer_bytes(425984);
  status.mutable_socket()->set_send_buffer_bytes(425984);
  status.mutable_socket()->set_gso(true);
  SetTraffic(*status.mutable_counters(), 90316 * kMiB, 72704 * kMiB, 1840);
  status.mutable_counters()->set_rx_packets(98'123'456);
  status.mutable_counters()->set_tx_packets(78'123'456);
  status.mutable_counters()->set_rx_packet_bytes(91316 * kMiB);
  status.mutable_counters()->set_tx_packet_bytes(73704 * kMiB);
  status.mutable_counters()->set_rx_dropped(17);
  (*status.mutable_dropped_datagrams())["bad_auth_tag"] = 12;
  (*status.mutable_dropped_datagrams())["truncated"] = 5;
  status.mutable_tls()->set_certificate_subject("CN=edge-a.example");
  status.mutable_tls()->add_certificate_names("edge-a.example");
  *status.mutable_tls()->mutable_certificate_not_after() = Ago(-19 * kHour);
  status.mutable_tls()->set_spki_pin("sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
  status.mutable_tls()->set_handshakes(1940);
  status.mutable_tls()->set_handshakes_resumed(312);
  AddCondition(status, "Ready", true, "Bound", "");
  AddCondition(status, "BuffersGranted", false, "BelowWanted", "receive 425984 of 7340032 bytes: set net.core.rmem_max=7340032");
  v1::Listener& tcp = daemon.listeners.emplace_back();
  SetMetadata(*tcp.mutable_metadata(), "local-pg", 3 * kDay);
  tcp.mutable_spec()->set_transport(v1::TRANSPORT_TCP);
  tcp.mutable_spec()->set_bind("[2001:db8:85a3:8d3:1319:8a2e:370:7348]:15432");
  tcp.mutable_status()->set_state(v1::STATE_ACTIVE);
  SetTraffic(*tcp.mutable_status()->mutable_counters(), 1126 * kMiB, 9626 * kMiB, 12);
}

void AddDialers(FakeDaemon& daemon) {
  v1::Dialer& edge = daemon.dialers.emplace_back();
  SetMetadata(*edge.mutable_metadata(), "edge", 9 * kDay);
  edge.mutable_spec()->set_transport(v1::TRANSPORT_QUIC);
  edge.mutable_spec()->add_targets("edge-a.example:443");
  edge.mutable_spec()->add_targets("edge-b.a-rather-long-subdomain.of.example:443");
  edge.mutable_spec()->set_min_sessions(2);
  edge.mutable_spec()->set_max_sessions(8);
  v1::DialerStatus& status = *edge.mutable_status();
  status.set_state(v1::STATE_DEGRADED);
  SetTraffic(*status.mutable_counters(), 17 * kMiB, 4096 * kMiB, 3);
  status.mutable_counters()->set_failed(31);
  v1::TargetStatus& good = *status.add_targets();
  good.set_target("edge-a.example:443");
  good.add_addresses("198.51.100.4");
  good.set_sessions(2);
  v1::TargetStatus& bad = *status.add_targets();
  bad.set_target("edge-b.a-rather-long-subdomain.of.example:443");
  bad.add_addresses("2001:db8:85a3:8d3:1319:8a2e:370:7348");
  bad.set_last_error_reason("TLS_ALERT");
  bad.set_last_error_message("certificate expired");
  AddCondition(status, "Ready", true, "MinimumSessions", "3 of 2 sessions");
  AddCondition(status, "PeerReachable", false, "TargetFailing", "1 of 2 targets failing");
}

void AddForwards(FakeDaemon& daemon) {
  v1::Forward& forward = daemon.forwards.emplace_back();
  SetMetadata(*forward.mutable_metadata(), "pg", 3 * kDay);
  forward.mutable_spec()->set_listener("local-pg");
  forward.mutable_spec()->set_dialer("edge");
  forward.mutable_spec()->set_destination("db.internal:5432");
  forward.mutable_status()->set_state(v1::STATE_ACTIVE);
  SetTraffic(*forward.mutable_status()->mutable_counters(), 1126 * kMiB, 9626 * kMiB, 12);
  (*forward.mutable_status()->mutable_refused_streams())["DIAL_FAILED"] = 7;
  AddCondition(*forward.mutable_status(), "Ready", true, "Joined", "");
  v1::Forward& peer = daemon.forwards.emplace_back();
  SetMetadata(*peer.mutable_metadata(), "peer-in", 40);
  peer.mutable_spec()->set_listener("quic-in");
  peer.mutable_spec()->set_destination("[fd00::1]:8080");
  peer.mutable_status()->set_state(v1::STATE_ACTIVE);
}

void AddSessions(FakeDaemon& daemon) {
  v1::Session& session = daemon.sessions.emplace_back();
  session.set_name("sessions/k3f9q2");
  session.set_transport(v1::TRANSPORT_QUIC);
  session.set_dialer("edge");
  session.set_local_address("192.0.2.10:40112");
  session.set_remote_address("[2001:db8:85a3:8d3:1319:8a2e:370:7348]:443");
  session.set_state(v1::STATE_ACTIVE);
  session.set_transport_state("ESTABLISHED");
  *session.mutable_open_time() = Ago(41 * 60);
  session.set_validated(true);
  session.set_worker(2);
  session.set_open_streams(31);
  session.set_max_streams(64);
  session.set_opened_streams(204);
  v1::TlsSession& tls = *session.mutable_tls();
  tls.set_version("TLSv1.3");
  tls.set_cipher("TLS_AES_128_GCM_SHA256");
  tls.set_alpn("h2");
  tls.set_peer_name("CN=edge-a.example");
  *tls.mutable_handshake_time() = Milliseconds(41);
  v1::Counters& counters = *session.mutable_counters();
  SetTraffic(counters, 18 * kMiB, 3 * 1024 * kMiB, 0);
  counters.set_rx_packets(20'000);
  counters.set_tx_packets(2'400'000);
  counters.set_rx_segments(19'000);
  counters.set_tx_segments(2'390'000);
  counters.set_lost_packets(9'560);
  counters.set_retransmitted_packets(9'700);
  v1::PathStats& path = *session.mutable_path();
  *path.mutable_smoothed_rtt() = Milliseconds(112);
  *path.mutable_min_rtt() = Milliseconds(80);
  *path.mutable_rtt_variance() = Milliseconds(9);
  path.set_congestion_window_bytes(65536);
  path.set_bytes_in_flight(60000);
  path.set_pacing_bytes_per_second(1'250'000);
  path.set_path_mtu_bytes(1452);
  path.set_waste_ratio(1.02);
  path.set_limited_by(v1::PathStats::LIMITED_BY_CONGESTION);
  *path.mutable_time_in_limit()->mutable_application() = Milliseconds(600'000);
  *path.mutable_time_in_limit()->mutable_congestion() = Milliseconds(1'800'000);
  *path.mutable_time_in_limit()->mutable_pacing() = Milliseconds(60'000);
  v1::Session& other = daemon.sessions.emplace_back();
  other.set_name("sessions/p0x7aa");
  other.set_transport(v1::TRANSPORT_KCP);
  other.set_listener("kcp-in");
  other.set_remote_address("203.0.113.7:52110");
  other.set_state(v1::STATE_DRAINING);
  *other.mutable_open_time() = Ago(9);
}

void AddBelowSessions(FakeDaemon& daemon) {
  v1::Stream& stream = daemon.streams.emplace_back();
  stream.set_name("sessions/k3f9q2/streams/4");
  stream.set_session("sessions/k3f9q2");
  stream.set_far_session("sessions/t1");
  stream.set_forward("pg");
  stream.set_source("[2001:db8:85a3:8d3:1319:8a2e:370:7348]:40112");
  stream.set_destination("a-database-with-a-long-name.internal.example:5432");
  stream.set_state(v1::STATE_ACTIVE);
  *stream.mutable_open_time() = Ago(307);
  *stream.mutable_connect_latency() = Milliseconds(41);
  stream.mutable_idle_time()->set_seconds(3);
  SetTraffic(*stream.mutable_counters(), 12 * 1024, 3 * kMiB, 0);
  *stream.mutable_time_in_limit()->mutable_peer_window() = Milliseconds(90'000);
  *stream.mutable_time_in_limit()->mutable_application() = Milliseconds(10'000);
  v1::UdpFlow& flow = daemon.flows.emplace_back();
  flow.set_name("udpFlows/12");
  flow.set_forward("dns");
  flow.set_listener("dns-in");
  flow.set_source("10.0.1.9:5353");
  flow.set_destination("10.9.0.2:53");
  flow.set_outside_address("192.0.2.10:31000");
  *flow.mutable_open_time() = Ago(kHour);
  flow.mutable_idle_time()->set_seconds(4);
  flow.mutable_idle_timeout()->set_seconds(15);
  SetTraffic(*flow.mutable_counters(), 4800, 19000, 0);
}

void AddEvents(FakeDaemon& daemon) {
  v1::Event& expired = *daemon.events.emplace_back().add_events();
  expired.set_revision(31);
  *expired.mutable_first_time() = Ago(54 * 60);
  *expired.mutable_last_time() = Ago(12);
  expired.set_count(31);
  expired.set_type(v1::Event::TYPE_WARNING);
  expired.set_reason("DialFailed");
  expired.set_subject("dialer/edge");
  expired.set_message("edge-b.a-rather-long-subdomain.of.example:443 handshake: certificate expired");
}

}  // namespace

void FillGoldenWorld(FakeDaemon& daemon) {
  AddListeners(daemon);
  AddDialers(daemon);
  AddForwards(daemon);
  AddSessions(daemon);
  AddBelowSessions(daemon);
  AddEvents(daemon);
}

}  // namespace culvert::cli
