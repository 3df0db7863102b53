// One snapshot of a transport session: the same schema for every transport.
// Units are in the names; counters are cumulative since the session began.
#pragma once

#include <cstdint>

#include "core/base/address.h"
#include "core/base/time.h"
#include "core/transport/event.h"
#include "core/transport/limit_clock.h"

namespace culvert {

struct SessionStats {
  SessionHandle session;
  StreamHandle stream;                 // the session's only one; null where sessions carry many
  SocketAddress peer;
  uint32_t conversation_id = 0;        // mKCP; 0 elsewhere
  std::string_view state;              // the transport's own state name, static storage
  bool outgoing = false;               // we opened it
  bool validated = false;              // the peer proved its address
  TimePoint opened_at{};

  // Path (RFC 6298, RFC 9002 names).
  Duration smoothed_rtt{};
  Duration min_rtt{};
  Duration rttvar{};
  Duration rto{};
  uint64_t congestion_window_bytes = 0;
  uint64_t slow_start_threshold_bytes = 0;  // 0: the controller has none
  uint64_t bytes_in_flight = 0;
  uint32_t segments_in_flight = 0;
  uint64_t send_queue_bytes = 0;            // accepted from the application, not yet acknowledged
  uint32_t peer_window_segments = 0;        // how many more segments the peer will take
  uint32_t receive_window_segments = 0;     // what we announce
  uint64_t receive_buffered_bytes = 0;      // received, not yet consumed by the application
  uint64_t pacing_bytes_per_second = 0;     // 0: not paced yet
  uint32_t path_mtu_bytes = 0;              // largest UDP payload we send
  SendLimit limited_by = SendLimit::kApplication;
  TimeInLimit time_in_limit;                // all zero: the transport does not say (TCP)

  // Counters.
  uint64_t tx_bytes = 0;                // application bytes accepted for sending
  uint64_t rx_bytes = 0;                // application bytes delivered in order
  uint64_t tx_datagram_bytes = 0;       // UDP payload bytes
  uint64_t rx_datagram_bytes = 0;
  uint64_t tx_datagrams = 0;
  uint64_t rx_datagrams = 0;
  uint64_t tx_segments = 0;             // data segments including retransmissions
  uint64_t rx_segments = 0;             // data segments including duplicates
  uint64_t retransmitted_segments = 0;
  uint64_t lost_segments = 0;           // declared lost by loss detection
  uint64_t spurious_retransmits = 0;    // declared lost, then acknowledged from the first transmission
  uint64_t duplicate_segments = 0;      // received more than once
  uint64_t out_of_window_segments = 0;  // received outside the announced window
  uint64_t acknowledged_bytes = 0;      // application bytes the peer acknowledged

  // Of transports whose sessions carry many streams and can change their path; 0 elsewhere.
  uint32_t open_streams = 0;
  uint32_t max_streams = 0;             // that the opener may have open at once, as the peer allows (or as we allow it)
  uint64_t opened_streams = 0;
  uint32_t path_migrations = 0;         // changes of the peer's or our own address that the session lived through
  uint32_t path_mtu_reductions = 0;     // times that large datagrams stopped arriving and smaller ones were used instead
  uint64_t ecn_marks = 0;               // our datagrams that the path marked (CE), as the peer reports them
  Duration flow_blocked_time{};         // something to send, but the peer's flow control did not allow it
  uint32_t key_updates = 0;
  uint64_t dropped_datagrams = 0;       // received datagrams that nobody took in time

  // Payload bytes sent, retransmissions included, per payload byte sent for the first time; 1 on a clean network. 0: none sent.
  double waste_ratio = 0;
};

}  // namespace culvert
