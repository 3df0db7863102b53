// The one door to what ngtcp2 keeps private: a place for a congestion controller, and its path MTU. congestion_bridge.c knows the
// library's structures, of exactly the version that core/cmake/ngtcp2.cmake builds; whoever includes this sees none of them.
// Plain C, so that no private header has to compile as C++.
// Units: bytes, nanoseconds. Thread: the connection's. Only for core/quic/congestion.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ngtcp2_conn;

// What one acknowledgement meant, and the delivery rate sample that came of it.
struct culvert_quic_cc_ack {
  uint64_t prior_bytes_in_flight;
  uint64_t rtt;                    // UINT64_MAX: no sample
  uint64_t rate_interval;          // 0 or UINT64_MAX: no sample
  uint64_t rate_delivered_bytes;   // within the interval
  uint64_t rate_prior_delivered_bytes;
  int64_t rate_packet;             // the packet the sample is from, counted over all spaces
  bool is_application_limited;
};

// What the path is like now.
struct culvert_quic_path {
  uint64_t bytes_in_flight;
  uint64_t delivered_bytes;
  uint64_t smoothed_rtt;
  bool has_rtt;                    // smoothed_rtt is of this path, no guess
  uint64_t window_bytes;
  uint64_t slow_start_threshold_bytes;  // UINT64_MAX: none
  uint64_t pacing_interval;        // per byte, of a controller of ngtcp2's; 0: none
  uint32_t datagram_bytes;
  uint32_t pto_count;
  uint64_t ecn_marks;              // CE, application space, as the peer reported them
  int64_t next_packet_number;      // application space
};

// All are called with `owner`, in the midst of a call into the connection, which they must not re-enter.
struct culvert_quic_cc_hooks {
  // Ack-eliciting, application space. `in_flight_before`: without it.
  void (*sent)(void* owner, int64_t packet_number, uint64_t bytes, uint64_t in_flight_before, uint64_t now);
  void (*acked)(void* owner, bool is_application, int64_t packet_number, uint64_t bytes);
  void (*lost)(void* owner, bool is_application, int64_t packet_number, uint64_t bytes);
  // After the `lost` of one detection, in an acknowledgement or by the timer.
  void (*losses_detected)(void* owner, uint64_t now);
  void (*persistent_congestion)(void* owner, uint64_t now);
  // The end of an acknowledgement that acknowledged something.
  void (*ack_processed)(void* owner, const struct culvert_quic_cc_ack* ack, uint64_t now);
  // The connection went over to another path. Its figures began anew.
  void (*path_changed)(void* owner);
};

// Which part of the connection's controller is replaced.
enum culvert_quic_cc_mode {
  CULVERT_QUIC_CC_OWN,    // all of it: the hooks decide and set the window
  CULVERT_QUIC_CC_CUBIC,  // none: ngtcp2's CUBIC decides, the hooks are told as well. REQUIRES: cc_algo CUBIC
};

// Right after the connection was made with cc_algo CUBIC. `hooks` and `owner` must live as long as it is used.
void culvert_quic_cc_install(struct ngtcp2_conn* conn, enum culvert_quic_cc_mode mode, const struct culvert_quic_cc_hooks* hooks,
                             void* owner);
struct culvert_quic_path culvert_quic_path_now(const struct ngtcp2_conn* conn);
uint32_t culvert_quic_pto_count(const struct ngtcp2_conn* conn);  // alone: it is asked for after every Flush
// See Congestion::has_lost_data.
bool culvert_quic_has_lost_data(const struct ngtcp2_conn* conn);
// `threshold_bytes`: UINT64_MAX for none.
void culvert_quic_set_window(struct ngtcp2_conn* conn, uint64_t window_bytes, uint64_t threshold_bytes);

// A stream that was told STOP_SENDING and whose end has come is over, whatever is missing of it. ngtcp2 1.11 waits for bytes that it has
// thrown away itself when it sent STOP_SENDING, and would keep the stream for as long as the connection lasts.
void culvert_quic_end_stopped_stream(struct ngtcp2_conn* conn, int64_t stream_id);

// ngtcp2_conn_set_keep_alive_timeout, but also where the timer has fired and nothing was sent yet: 1.11 would then never fire again, because
// under a longer time there is nothing to send. UINT64_MAX: off.
void culvert_quic_set_keep_alive(struct ngtcp2_conn* conn, uint64_t timeout);
// Whether the peer has asked to be sent no more on this stream (STOP_SENDING). ngtcp2 1.11 answers that itself and tells nobody: its
// callback of that name is about the STOP_SENDING that we send.
bool culvert_quic_is_stop_sending_received(struct ngtcp2_conn* conn, int64_t stream_id);
// Whether a packet of the application's number space was not received before. `header`: without its protection. ngtcp2 decrypts
// duplicates before it finds that out.
bool culvert_quic_is_new_packet(struct ngtcp2_conn* conn, const uint8_t* header, size_t size);

// See Congestion::CapTimeouts.
void culvert_quic_cap_timeouts(struct ngtcp2_conn* conn, uint32_t most, uint64_t now);
// See Congestion::Probe.
void culvert_quic_probe(struct ngtcp2_conn* conn);
// Sets the timer of loss detection where it is off although something is unacknowledged, as ngtcp2 leaves it after a change of path.
void culvert_quic_watch_for_losses(struct ngtcp2_conn* conn, uint64_t now);
// See Congestion::HoldUntil.
void culvert_quic_hold_until(struct ngtcp2_conn* conn, uint64_t when);

// See Congestion::ReduceToMinimumMtu and RestartMtuSearch.
bool culvert_quic_reduce_mtu(struct ngtcp2_conn* conn);
bool culvert_quic_restart_mtu_search(struct ngtcp2_conn* conn, size_t max_bytes);

#ifdef __cplusplus
}
#endif
