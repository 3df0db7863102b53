// Congestion: the congestion controller of one ngtcp2_conn, and what the connection has to know of it: how fast to send, and what
// was lost. ngtcp2 has no public place for a controller of ours; congestion_bridge.c puts one there.
//
// The window reaches ngtcp2 by itself. Pacing is the connection's: it sets a congestion::Pacer to pacing_bytes_per_second() after
// each input, and never calls ngtcp2_conn_update_pkt_tx_time (ngtcp2's own pacing counts whole nanoseconds a byte).
//
// For .cc files of this folder.
// Units: bytes are QUIC datagrams as ngtcp2 makes them, without a wrapper. Thread: owned by one worker.
#pragma once

#include <ngtcp2/ngtcp2.h>

#include <array>
#include <cstdint>
#include <memory>

#include "core/base/random.h"
#include "core/base/time.h"
#include "core/congestion/congestion_controller.h"
#include "core/quic/config.h"
#include "core/quic/congestion_bridge.h"

namespace culvert::quic {

// Cumulative over all paths of a connection.
struct CongestionCounters {
  uint64_t sent_packets = 0;      // ack-eliciting ones of the application's space
  uint64_t acked_bytes = 0;       // of datagrams, each counted once
  uint64_t lost_packets = 0;      // declared lost; probes for a larger MTU are not among them
  uint64_t lost_bytes = 0;
  uint64_t spurious_packets = 0;  // declared lost, then acknowledged
  uint64_t timeouts = 0;          // probe timeouts that fired (RFC 9002 section 6.2)
};

class Congestion {
 public:
  // What ngtcp2_settings::cc_algo must say for `kind`.
  static ngtcp2_cc_algo AlgorithmFor(CongestionControl kind);
  // Right after ngtcp2_conn_client_new or _server_new. The result must live until `conn` is no longer used, `random` too.
  // `datagram_bytes`: what the connection begins with (1200). kNgtcp2Bbr: counts nothing, as that model leaves no room for it.
  static std::unique_ptr<Congestion> Install(ngtcp2_conn* conn, CongestionControl kind, uint32_t datagram_bytes,
                                             RandomSource& random);
  Congestion(const Congestion&) = delete;
  Congestion& operator=(const Congestion&) = delete;

  // 0: do not pace.
  [[nodiscard]] uint64_t pacing_bytes_per_second() const;
  [[nodiscard]] uint64_t window_bytes() const;
  [[nodiscard]] uint64_t slow_start_threshold_bytes() const;  // 0: none
  [[nodiscard]] const char* phase() const;                    // for observation
  // How many probe timeouts in a row; 0: the peer acknowledges.
  [[nodiscard]] uint32_t pto_count() const;
  // Data of streams was declared lost and is not sent again yet. Takes time with the streams that ngtcp2 has something to say about.
  [[nodiscard]] bool has_lost_data() const;
  // Datagrams that the path marked instead of dropping, as the peer reports them.
  [[nodiscard]] uint64_t ecn_marks() const;
  [[nodiscard]] const CongestionCounters& counters() const { return counters_; }

  // To be called after ngtcp2_conn_handle_expiry: tells the controller of probe timeouts.
  void OnTimerHandled(TimePoint now);

  // Whether datagrams above what every path must carry get lost while smaller ones arrive, or nothing at all is acknowledged any more: the
  // path may have become too narrow for them.
  [[nodiscard]] bool LargeDatagramsVanish(TimePoint now) const;
  // Large datagrams stopped arriving: from now on everything, retransmissions included, is cut to the size every path must
  // carry (1200), and a search under way ends. False, and no effect: the handshake is not done yet, or there is nothing
  // to reduce.
  [[nodiscard]] bool ReduceToMinimumMtu();
  // Begins the search for a larger size anew, up to `max_bytes` (and what the settings and the peer allow). False: none was
  // begun, as the handshake is not confirmed, one is under way, settings forbid it or nothing larger is left to try.
  [[nodiscard]] bool RestartMtuSearch(uint32_t max_bytes);

  // To be called after each call into ngtcp2 that takes something in: after a change of path nothing but this has what was on its way
  // watched, and the end of a stream that was lost just then would be sent again only when something else is.
  void WatchAfterPathChange(TimePoint now);
  // Until then ngtcp2 writes acknowledgements only, and an offer of no stream data is no sign of an application with nothing to send
  // (whose delivery rate samples would not count). kInfiniteFuture: from now on anything again. Its own deadlines include it.
  void HoldUntil(TimePoint when);
  // Probe timeouts have doubled often enough: the next come after the same time. During the handshake, when a guess stands for the round
  // trip and few packets decide everything.
  void CapTimeouts(uint32_t most, TimePoint now);
  // The next packet is written whatever the window says, and carries a PING: a probe as after a probe timeout (RFC 9002
  // section 6.2.4), at a time of the connection's choosing.
  void Probe();

 private:
  Congestion(ngtcp2_conn* conn, CongestionControl kind, uint32_t datagram_bytes, RandomSource& random);

  // What the bridge calls.
  static const culvert_quic_cc_hooks& Hooks();
  void OnSent(int64_t packet_number, uint64_t bytes, uint64_t in_flight_before, TimePoint now);
  void OnAcked(bool is_application, int64_t packet_number, uint64_t bytes);
  void OnLost(bool is_application, int64_t packet_number, uint64_t bytes);
  void OnLossesDetected(TimePoint now);
  void OnAckProcessed(const culvert_quic_cc_ack& ack, TimePoint now);
  void OnPersistentCongestion(TimePoint now);
  void OnPathChanged();

  void Report(const culvert_quic_cc_ack& ack, TimePoint now);
  void TellTimeouts(TimePoint now);
  void FollowPathMtu();
  void PublishWindow();
  bool TakeLost(int64_t packet_number);

  ngtcp2_conn* conn_;
  CongestionControl kind_;
  RandomSource& random_;
  uint32_t datagram_bytes_;
  std::unique_ptr<congestion::CongestionController> controller_;  // null: ngtcp2's decides
  CongestionCounters counters_;

  // Since the controller last heard of them.
  uint64_t unreported_acked_bytes_ = 0;
  uint64_t unreported_lost_bytes_ = 0;
  bool inside_ack_ = false;
  bool path_has_changed_ = false;
  uint64_t largest_lost_order_ = 0;
  uint64_t reported_marks_ = 0;
  uint32_t reported_timeouts_ = 0;       // in a row
  int64_t last_sampled_ = -1;            // the packet the last delivery rate sample was from
  int64_t path_begins_at_ = 0;           // packets before it were sent on another path

  // Large datagrams since one was last acknowledged, and small ones that were acknowledged meanwhile.
  uint32_t large_lost_ = 0;
  uint32_t small_acked_ = 0;
  TimePoint first_large_lost_at_{};

  // The latest packets declared lost, to tell when that was wrong. 0: free; a packet number plus 1.
  static constexpr size_t kRememberedLosses = 256;
  std::unique_ptr<std::array<int64_t, kRememberedLosses>> lost_;  // from the first loss on
};

}  // namespace culvert::quic
