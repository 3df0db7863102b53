#include "server/stats_proto.h"

#include <google/protobuf/util/time_util.h>

#include <numeric>
#include <string>

namespace culvert::server {
namespace {

v1::PathStats::LimitedBy ToProto(SendLimit limit) {
  switch (limit) {
    case SendLimit::kApplication: return v1::PathStats::LIMITED_BY_APPLICATION;
    case SendLimit::kCongestion: return v1::PathStats::LIMITED_BY_CONGESTION;
    case SendLimit::kPacing: return v1::PathStats::LIMITED_BY_PACING;
    case SendLimit::kPeerWindow: return v1::PathStats::LIMITED_BY_PEER_WINDOW;
    case SendLimit::kBuffer: return v1::PathStats::LIMITED_BY_BUFFER;
    case SendLimit::kPathDown: return v1::PathStats::LIMITED_BY_PATH_DOWN;
  }
  return v1::PathStats::LIMITED_BY_UNSPECIFIED;
}

// The summary of an mKCP, QUIC or TCP state name: what still carries data is ACTIVE, what finishes is DRAINING.
v1::State ToState(std::string_view state) {
  if (state == "ACTIVE" || state == "ESTABLISHED" || state.empty()) return v1::STATE_ACTIVE;
  if (state == "TERMINATED" || state == "CLOSED") return v1::STATE_CLOSED;
  if (state == "SYN_SENT" || state == "SYN_RECV" || state == "CONNECTING" || state == "HANDSHAKING") {
    return v1::STATE_PENDING;
  }
  return v1::STATE_DRAINING;
}

v1::Transport ToProto(Transport transport) {
  switch (transport) {
    case Transport::kTcp: return v1::TRANSPORT_TCP;
    case Transport::kUdp: return v1::TRANSPORT_UDP;
    case Transport::kKcp: return v1::TRANSPORT_KCP;
    case Transport::kQuic: return v1::TRANSPORT_QUIC;
  }
  return v1::TRANSPORT_UNSPECIFIED;
}

void FillSessionCounters(const SessionStats& stats, v1::Counters& counters) {
  counters.set_rx_bytes(stats.rx_bytes);
  counters.set_tx_bytes(stats.tx_bytes);
  counters.set_rx_packets(stats.rx_datagrams);
  counters.set_tx_packets(stats.tx_datagrams);
  counters.set_rx_dropped(stats.dropped_datagrams);
  counters.set_lost_packets(stats.lost_segments);
  counters.set_retransmitted_packets(stats.retransmitted_segments);
  counters.set_rx_segments(stats.rx_segments);
  counters.set_tx_segments(stats.tx_segments);
  counters.set_rx_packet_bytes(stats.rx_datagram_bytes);
  counters.set_tx_packet_bytes(stats.tx_datagram_bytes);
  counters.set_duplicate_segments(stats.duplicate_segments);
  counters.set_out_of_window_segments(stats.out_of_window_segments);
}

}  // namespace

v1::Event ToProto(const Event& event) {
  v1::Event out;
  out.set_revision(event.revision);
  *out.mutable_first_time() = ToTimestamp(event.first_unix_ns);
  *out.mutable_last_time() = ToTimestamp(event.last_unix_ns);
  out.set_count(event.count);
  out.set_type(event.type == EventType::kWarning ? v1::Event::TYPE_WARNING : v1::Event::TYPE_NORMAL);
  out.set_reason(event.reason);
  out.set_subject(event.subject);
  out.set_message(event.message);
  return out;
}

google::protobuf::Duration ToProto(Duration duration) {
  return google::protobuf::util::TimeUtil::NanosecondsToDuration(duration.count());
}

google::protobuf::Timestamp ToTimestamp(int64_t unix_ns) {
  return google::protobuf::util::TimeUtil::NanosecondsToTimestamp(unix_ns);
}

v1::Counters ToProto(const ObjectCounters& from) {
  v1::Counters counters;
  counters.set_rx_bytes(from.rx_bytes);
  counters.set_tx_bytes(from.tx_bytes);
  counters.set_rx_packets(from.rx_datagrams);
  counters.set_tx_packets(from.tx_datagrams);
  counters.set_rx_dropped(std::accumulate(from.dropped.begin(), from.dropped.end(), uint64_t{0}) +
                          std::accumulate(from.udp_dropped.begin(), from.udp_dropped.end(), uint64_t{0}));
  counters.set_lost_packets(from.lost_segments);
  counters.set_retransmitted_packets(from.retransmitted_segments);
  counters.set_opened(from.opened);
  counters.set_closed(from.closed);
  counters.set_failed(from.failed);
  counters.set_active(from.active);
  counters.set_rx_segments(from.rx_segments);
  counters.set_tx_segments(from.tx_segments);
  counters.set_rx_packet_bytes(from.rx_datagram_bytes);
  counters.set_tx_packet_bytes(from.tx_datagram_bytes);
  counters.set_duplicate_segments(from.duplicate_segments);
  counters.set_out_of_window_segments(from.out_of_window_segments);
  return counters;
}

v1::SocketStatus ToProto(const io::UdpSocket::Granted& granted) {
  v1::SocketStatus status;
  status.set_receive_buffer_bytes(granted.receive_buffer_bytes);
  status.set_send_buffer_bytes(granted.send_buffer_bytes);
  status.set_gso(granted.gso);
  status.set_gro(granted.gro);
  return status;
}

v1::TimeInLimit ToProto(const TimeInLimit& from) {
  v1::TimeInLimit time;
  const auto set = [&from](SendLimit limit, auto mutable_field) {
    if (from[limit] > Duration::zero()) *mutable_field() = ToProto(from[limit]);
  };
  set(SendLimit::kApplication, [&] { return time.mutable_application(); });
  set(SendLimit::kCongestion, [&] { return time.mutable_congestion(); });
  set(SendLimit::kPacing, [&] { return time.mutable_pacing(); });
  set(SendLimit::kPeerWindow, [&] { return time.mutable_peer_window(); });
  set(SendLimit::kBuffer, [&] { return time.mutable_buffer(); });
  set(SendLimit::kPathDown, [&] { return time.mutable_path_down(); });
  return time;
}

v1::PathStats ToPathStats(const SessionStats& stats) {
  v1::PathStats path;
  // Unset: no sample yet.
  if (stats.smoothed_rtt > Duration::zero()) *path.mutable_smoothed_rtt() = ToProto(stats.smoothed_rtt);
  *path.mutable_min_rtt() = ToProto(stats.min_rtt);
  *path.mutable_rtt_variance() = ToProto(stats.rttvar);
  *path.mutable_retransmission_timeout() = ToProto(stats.rto);
  path.set_congestion_window_bytes(stats.congestion_window_bytes);
  path.set_slow_start_threshold_bytes(stats.slow_start_threshold_bytes);
  path.set_bytes_in_flight(stats.bytes_in_flight);
  // Windows are counted in segments; a full segment fills a datagram.
  path.set_peer_window_bytes(uint64_t{stats.peer_window_segments} * stats.path_mtu_bytes);
  path.set_receive_window_bytes(uint64_t{stats.receive_window_segments} * stats.path_mtu_bytes);
  path.set_pacing_bytes_per_second(stats.pacing_bytes_per_second);
  path.set_path_mtu_bytes(stats.path_mtu_bytes);
  path.set_waste_ratio(stats.waste_ratio);
  path.set_spurious_retransmits(stats.spurious_retransmits);
  path.set_limited_by(ToProto(stats.limited_by));
  path.set_send_queue_bytes(stats.send_queue_bytes);
  path.set_receive_buffered_bytes(stats.receive_buffered_bytes);
  path.set_segments_in_flight(stats.segments_in_flight);
  path.set_migrations(stats.path_migrations);
  path.set_path_mtu_reductions(stats.path_mtu_reductions);
  path.set_ecn_marks(stats.ecn_marks);
  // Unset: never.
  if (stats.flow_blocked_time > Duration::zero()) *path.mutable_flow_blocked_time() = ToProto(stats.flow_blocked_time);
  // Unset: the transport does not say.
  if (stats.time_in_limit != TimeInLimit{}) *path.mutable_time_in_limit() = ToProto(stats.time_in_limit);
  return path;
}

v1::TlsSession ToProto(const SessionTls& from) {
  v1::TlsSession tls;
  tls.set_version(std::string(from.info.version));
  tls.set_cipher(std::string(from.info.cipher));
  tls.set_alpn(from.info.alpn);
  tls.set_server_name(from.info.server_name);
  tls.set_peer_name(from.info.peer_name);
  tls.set_resumed(from.info.resumed);
  *tls.mutable_handshake_time() = ToProto(from.handshake_time);
  return tls;
}

v1::Session ToProto(const SessionSnapshot& from) {
  v1::Session session;
  session.set_name("sessions/" + from.id);
  session.set_transport(ToProto(from.transport));
  session.set_listener(from.listener);
  session.set_dialer(from.dialer);
  session.set_forward(from.forward);
  if (from.local.ip.family() != IpAddress::Family::kNone) session.set_local_address(from.local.ToString());
  if (from.remote.ip.family() != IpAddress::Family::kNone) session.set_remote_address(from.remote.ToString());
  session.set_state(ToState(from.stats.state));
  session.set_transport_state(std::string(from.stats.state));
  *session.mutable_open_time() = ToTimestamp(from.opened_at_unix_ns);
  *session.mutable_path() = ToPathStats(from.stats);
  if (from.transport == Transport::kTcp) session.mutable_path()->clear_limited_by();  // the kernel does not say
  FillSessionCounters(from.stats, *session.mutable_counters());
  session.set_conversation_id(from.stats.conversation_id);
  session.set_worker(from.worker);
  session.set_validated(from.stats.validated);
  session.set_insecure(from.insecure);
  session.set_open_streams(from.stats.open_streams);
  session.set_max_streams(from.stats.max_streams);
  session.set_opened_streams(from.stats.opened_streams);
  session.set_key_updates(from.stats.key_updates);
  if (from.closed_at_unix_ns != 0) {
    session.set_state(v1::STATE_CLOSED);
    *session.mutable_close_time() = ToTimestamp(from.closed_at_unix_ns);
    session.set_close_reason(std::string(from.close_reason));
  }
  if (from.tls != nullptr) *session.mutable_tls() = ToProto(*from.tls);
  return session;
}

v1::Stream ToProto(const StreamSnapshot& from) {
  v1::Stream stream;
  stream.set_name("sessions/" + from.session_id + "/streams/" + from.id);
  if (!from.session_id.empty()) stream.set_session("sessions/" + from.session_id);
  if (!from.far_session_id.empty()) stream.set_far_session("sessions/" + from.far_session_id);
  stream.set_forward(from.forward);
  stream.set_source(from.source);
  stream.set_destination(from.destination);
  stream.set_state(from.is_open ? v1::STATE_ACTIVE : v1::STATE_PENDING);
  *stream.mutable_open_time() = ToTimestamp(from.opened_at_unix_ns);
  if (from.is_open) *stream.mutable_connect_latency() = ToProto(from.connect_latency);
  *stream.mutable_idle_time() = ToProto(from.idle);
  stream.mutable_counters()->set_rx_bytes(from.rx_bytes);
  stream.mutable_counters()->set_tx_bytes(from.tx_bytes);
  stream.set_worker(from.worker);
  if (from.time_in_limit) *stream.mutable_time_in_limit() = ToProto(*from.time_in_limit);
  if (from.far_time_in_limit) *stream.mutable_far_time_in_limit() = ToProto(*from.far_time_in_limit);
  return stream;
}

v1::UdpFlow ToProto(const UdpFlowSnapshot& from) {
  v1::UdpFlow flow;
  flow.set_name("udpFlows/" + from.id);
  flow.set_forward(from.forward);
  flow.set_listener(from.listener);
  if (!from.session_id.empty()) flow.set_session("sessions/" + from.session_id);
  flow.set_source(from.source);
  flow.set_destination(from.destination);
  flow.set_outside_address(from.outside);
  *flow.mutable_open_time() = ToTimestamp(from.opened_at_unix_ns);
  *flow.mutable_idle_time() = ToProto(from.idle);
  *flow.mutable_idle_timeout() = ToProto(from.idle_timeout);
  flow.set_queued_packets(static_cast<uint32_t>(from.queued_packets));
  flow.set_worker(from.worker);
  v1::Counters& counters = *flow.mutable_counters();
  counters.set_rx_packets(from.rx_packets);
  counters.set_rx_bytes(from.rx_bytes);
  counters.set_tx_packets(from.tx_packets);
  counters.set_tx_bytes(from.tx_bytes);
  counters.set_rx_dropped(from.dropped);
  return flow;
}

v1::TapRecord ToProto(const EndedRecord& from) {
  v1::TapRecord record;
  *record.mutable_time() = ToTimestamp(from.ended_at_unix_ns);
  record.set_kind(from.kind == EndedRecord::Kind::kStream ? v1::TapRecord::KIND_STREAM : v1::TapRecord::KIND_UDP_FLOW);
  switch (from.verdict) {
    case EndedRecord::Verdict::kClosed: record.set_verdict(v1::TapRecord::VERDICT_CLOSED); break;
    case EndedRecord::Verdict::kBroken: record.set_verdict(v1::TapRecord::VERDICT_BROKEN); break;
    case EndedRecord::Verdict::kRefused: record.set_verdict(v1::TapRecord::VERDICT_REFUSED); break;
  }
  record.set_reason(std::string(from.reason));
  record.set_message(from.message);
  record.set_forward(from.forward);
  record.set_listener(from.listener);
  if (!from.session_id.empty()) record.set_session("sessions/" + from.session_id);
  if (!from.far_session_id.empty()) record.set_far_session("sessions/" + from.far_session_id);
  record.set_source(from.source);
  record.set_destination(from.destination);
  *record.mutable_duration() = ToProto(from.duration);
  v1::Counters& counters = *record.mutable_counters();
  counters.set_rx_packets(from.rx_packets);
  counters.set_rx_bytes(from.rx_bytes);
  counters.set_tx_packets(from.tx_packets);
  counters.set_tx_bytes(from.tx_bytes);
  counters.set_rx_dropped(from.dropped);
  record.set_worker(from.worker);
  return record;
}

}  // namespace culvert::server
