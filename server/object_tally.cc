#include "server/object_tally.h"

namespace culvert::server {

ObjectCounters& ObjectCounters::operator+=(const ObjectCounters& other) {
  rx_bytes += other.rx_bytes;
  tx_bytes += other.tx_bytes;
  rx_datagrams += other.rx_datagrams;
  tx_datagrams += other.tx_datagrams;
  rx_datagram_bytes += other.rx_datagram_bytes;
  tx_datagram_bytes += other.tx_datagram_bytes;
  lost_segments += other.lost_segments;
  retransmitted_segments += other.retransmitted_segments;
  rx_segments += other.rx_segments;
  tx_segments += other.tx_segments;
  duplicate_segments += other.duplicate_segments;
  out_of_window_segments += other.out_of_window_segments;
  opened += other.opened;
  closed += other.closed;
  failed += other.failed;
  active += other.active;
  tls_handshakes += other.tls_handshakes;
  tls_resumed += other.tls_resumed;
  tls_failed += other.tls_failed;
  for (size_t i = 0; i < dropped.size(); ++i) dropped[i] += other.dropped[i];
  lost_handovers += other.lost_handovers;
  for (size_t i = 0; i < refused.size(); ++i) refused[i] += other.refused[i];
  for (size_t i = 0; i < udp_dropped.size(); ++i) udp_dropped[i] += other.udp_dropped[i];
  udp_flows += other.udp_flows;
  udp_flows_opened += other.udp_flows_opened;
  reverse_parked += other.reverse_parked;
  return *this;
}

void AddSession(const SessionStats& stats, ObjectCounters& to) {
  to.rx_bytes += stats.rx_bytes;
  to.tx_bytes += stats.tx_bytes;
  to.lost_segments += stats.lost_segments;
  to.retransmitted_segments += stats.retransmitted_segments;
  to.rx_segments += stats.rx_segments;
  to.tx_segments += stats.tx_segments;
  to.duplicate_segments += stats.duplicate_segments;
  to.out_of_window_segments += stats.out_of_window_segments;
}

void AddEndpoint(const EndpointCounters& endpoint, ObjectCounters& to) {
  to.rx_datagrams += endpoint.rx_datagrams;
  to.tx_datagrams += endpoint.tx_datagrams;
  to.rx_datagram_bytes += endpoint.rx_bytes;
  to.tx_datagram_bytes += endpoint.tx_bytes;
  for (size_t i = 0; i < to.dropped.size(); ++i) to.dropped[i] += endpoint.dropped[i];
}

}  // namespace culvert::server
