// The sending half of a v2ray connection: a queue, timeouts, and bursts of twenty windows. Slow and simple on purpose.
// Time is the connection's own clock: milliseconds since it began, modulo 2^32. Source: spec/mkcp.md section 8.
#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include "tests/sim/reference/wire.h"

namespace culvert::reference {

struct Settings {
  uint32_t mtu = 1350;
  uint32_t tti = 50;
  uint32_t uplink = 5;      // "MB/s"
  uint32_t downlink = 20;
  uint32_t write_buffer = 2 << 20;
  bool congestion = false;
  uint32_t overhead = 6;    // header and authenticator

  // Section 6, in segments.
  uint32_t inflight() const;
  uint32_t window() const;
  uint32_t queue() const { return write_buffer / mtu; }
  uint32_t mss() const;
};

// Section 10.
class RoundTrip {
 public:
  explicit RoundTrip(uint32_t min_rtt) : min_rtt_(min_rtt) {}
  void Sample(uint32_t rtt, uint32_t now);
  void AdoptPeer(uint32_t peer_rto, uint32_t now);
  uint32_t rto() const { return rto_; }

 private:
  uint32_t min_rtt_;
  uint32_t srtt_ = 0;
  uint32_t variation_ = 0;
  uint32_t rto_ = 100;
  uint32_t updated_ = 0;
};

class Sender {
 public:
  explicit Sender(const Settings& settings) : settings_(settings), control_window_(settings.inflight()) {}

  // One segment of at most mss bytes. False: the queue is full.
  bool Push(Bytes payload);
  void ProcessAck(const Segment& ack, uint32_t now, RoundTrip& round_trip);
  // Only the cumulative part: what a command-only segment carries.
  void ClearBelow(uint32_t receiving_next);
  // Section 8.2: hands what is due to `send`, which fills in conversation and option. True when a progress ping is called for
  // afterwards (8.5).
  bool Flush(uint32_t now, uint32_t rto, const std::function<void(Segment)>& send);
  void Clear() { queue_.clear(); }

  bool empty() const { return queue_.empty(); }
  uint32_t first_unacked() const { return first_unacked_; }
  uint64_t transmissions() const { return transmissions_; }
  uint32_t next_number() const { return next_number_; }
  size_t queued() const { return queue_.size(); }

 private:
  struct Queued {
    Bytes payload;
    uint32_t timeout = 0;
    uint32_t transmissions = 0;
  };
  void UpdateFirstUnacked();
  void FastAck(uint32_t largest, uint32_t rto);
  void OnLoss(uint32_t percent, uint32_t rto);

  const Settings settings_;
  std::map<uint32_t, Queued> queue_;
  uint32_t first_unacked_ = 0;
  uint32_t next_number_ = 0;
  uint32_t remote_edge_ = 32;
  uint32_t in_flight_total_ = 0;
  uint32_t control_window_;
  bool progressed_ = false;
  uint64_t transmissions_ = 0;
};

}  // namespace culvert::reference
