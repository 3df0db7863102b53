// What a connection shows of itself.
#include <algorithm>

#include "core/quic/connection.h"

namespace culvert::quic {

Duration Connection::smoothed_rtt() const {
  const culvert_quic_path path = culvert_quic_path_now(conn_);
  return path.has_rtt ? Duration(static_cast<int64_t>(path.smoothed_rtt)) : Duration::zero();
}

SessionInfo Connection::info() const {
  SessionInfo info;
  info.outgoing = !is_server_;
  info.established = state_ == State::kEstablished || (is_over() && !tls_info_.version.empty());
  info.tls = tls_info_;
  info.handshake_time = handshake_time_;
  info.version = ngtcp2_conn_get_negotiated_version(conn_);
  info.early_data_accepted = handshake_.is_early_data_accepted();
  info.error_reason = error_reason_;
  info.error_message = error_message_;
  return info;
}

SessionStats Connection::GetStats(TimePoint now) const {
  SessionStats stats = counters_;
  stats.session = handle_;
  stats.peer = peer_;
  stats.outgoing = !is_server_;
  stats.validated = is_server_ ? is_validated_ : !tls_info_.version.empty();
  stats.opened_at = opened_at_;
  switch (state_) {
    case State::kHandshaking: stats.state = "HANDSHAKING"; break;
    case State::kEstablished: stats.state = closes_when_idle_ ? "CLOSING_WHEN_IDLE" : "ESTABLISHED"; break;
    case State::kClosing: stats.state = "CLOSING"; break;
    case State::kClosed: stats.state = "CLOSED"; break;
  }
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info(conn_, &info);
  const bool has_rtt = info.min_rtt != UINT64_MAX;
  const auto duration = [](uint64_t ns) { return Duration(static_cast<int64_t>(std::min<uint64_t>(ns, INT64_MAX))); };
  if (has_rtt) {
    stats.smoothed_rtt = duration(info.smoothed_rtt);
    stats.min_rtt = duration(info.min_rtt);
    stats.rttvar = duration(info.rttvar);
  }
  stats.rto = duration(ngtcp2_conn_get_pto(conn_));
  stats.congestion_window_bytes = info.cwnd;
  stats.slow_start_threshold_bytes = congestion_->slow_start_threshold_bytes();
  stats.bytes_in_flight = info.bytes_in_flight;
  stats.path_mtu_bytes =
      static_cast<uint32_t>(ngtcp2_conn_get_path_max_tx_udp_payload_size(conn_) + host_.config().outer_overhead_bytes());
  stats.segments_in_flight = static_cast<uint32_t>(info.bytes_in_flight / std::max<size_t>(1, ngtcp2_conn_get_path_max_tx_udp_payload_size(conn_)));
  stats.pacing_bytes_per_second = congestion_->pacing_bytes_per_second();
  stats.limited_by = limits_.current();
  stats.time_in_limit = limits_.Totals(now);
  for (const auto& [id, stream] : streams_) {
    stats.send_queue_bytes += stream->sending.size();
    stats.receive_buffered_bytes += stream->receiving.size();
  }
  const uint64_t data_left = is_over() ? 0 : ngtcp2_conn_get_max_data_left(conn_);
  stats.peer_window_segments = static_cast<uint32_t>(std::min<uint64_t>(data_left / std::max<uint32_t>(1, stats.path_mtu_bytes), UINT32_MAX));
  stats.open_streams = static_cast<uint32_t>(streams_.size());
  stats.max_streams = is_server_ ? host_.config().max_streams_per_session()
                                 : static_cast<uint32_t>(std::min<uint64_t>(streams_.size() + (is_over() ? 0 : ngtcp2_conn_get_streams_bidi_left(conn_)), UINT32_MAX));
  const CongestionCounters& congestion = congestion_->counters();
  stats.tx_segments = congestion.sent_packets;
  stats.lost_segments = congestion.lost_packets;
  // QUIC sends the frames of a lost packet again, in others.
  stats.retransmitted_segments = congestion.lost_packets;
  stats.spurious_retransmits = congestion.spurious_packets;
  stats.ecn_marks = congestion_->ecn_marks();
  stats.key_updates = prepared_keys_ > 0 ? prepared_keys_ - 1 : 0;
  if (blocked_since_ != kInfiniteFuture) stats.flow_blocked_time += now - blocked_since_;
  if (stats.tx_datagram_bytes > congestion.lost_bytes && stats.tx_datagram_bytes > 0) {
    stats.waste_ratio = static_cast<double>(stats.tx_datagram_bytes) / static_cast<double>(stats.tx_datagram_bytes - congestion.lost_bytes);
  }
  return stats;
}

}  // namespace culvert::quic
