// RttEstimator turns acknowledged send times into a retransmission timeout for one mKCP connection.
// Units:  durations are exact here; the codec rounds to milliseconds.
// Errors: a sample above kMaxSample is ignored.
// Thread: owned by one worker.
// Source: RFC 6298 section 2; deviations are marked "mKCP:" below.
#pragma once

#include <algorithm>

#include "core/base/time.h"

namespace culvert::kcp {

class RttEstimator {
 public:
  static constexpr Duration kMaxSample = std::chrono::seconds(10);  // spec section 8.3
  static constexpr Duration kInitialRto = std::chrono::milliseconds(500);
  static constexpr Duration kMaxRto = std::chrono::seconds(10);
  // mKCP: K26. A peer answers on its tick grid, so a timeout below it would always be early.
  static constexpr Duration kMinRto = std::chrono::milliseconds(100);

  // mKCP: a peer like us holds an ack back for up to 5 ms and sends it behind data of its own; when all samples so far came at
  // once, rttvar does not cover that. A v2ray peer's tick shows in rttvar.
  static constexpr Duration kAckDelayAllowance = std::chrono::milliseconds(20);

  explicit RttEstimator(Duration tick_interval) : floor_(std::max(tick_interval, kMinRto)) {}

  // Adds one sample from a segment that was sent once, or whose echo says which transmission is meant. REQUIRES: sample >= 0.
  void AddSample(TimePoint now, Duration sample) {
    if (sample > kMaxSample) return;
    if (!has_sample_) {
      smoothed_rtt_ = sample;
      rttvar_ = sample / 2;
      min_rtt_ = sample;
      has_sample_ = true;
    } else {
      rttvar_ = (3 * rttvar_ + std::chrono::abs(smoothed_rtt_ - sample)) / 4;
      smoothed_rtt_ = (7 * smoothed_rtt_ + sample) / 8;
      min_rtt_ = std::min(min_rtt_, sample);
    }
    latest_rtt_ = sample;
    updated_at_ = now;
    rto_ = std::clamp(smoothed_rtt_ + std::max(kAckDelayAllowance, 4 * rttvar_), floor_, kMaxRto);
  }

  // A guess from other conversations with the same host, until the first sample of our own. A path may have changed since: the
  // timeout leaves it room.
  void Guess(Duration smoothed_rtt, Duration rttvar) {
    if (has_sample_) return;
    rto_ = std::clamp(smoothed_rtt + std::max({kAckDelayAllowance, 4 * rttvar, smoothed_rtt / 2}), floor_, kInitialRto);
  }

  // mKCP: a ping carries the peer's own timeout. Adopted when we had no sample for 3 s, within bounds (K11).
  void AdoptPeerRto(TimePoint now, Duration peer_rto) {
    if (has_sample_ && now - updated_at_ < std::chrono::seconds(3)) return;
    updated_at_ = now;
    rto_ = std::clamp(peer_rto, floor_, kMaxRto);
  }

  bool has_sample() const { return has_sample_; }
  Duration smoothed_rtt() const { return smoothed_rtt_; }
  Duration rttvar() const { return rttvar_; }
  Duration min_rtt() const { return min_rtt_; }
  Duration latest_rtt() const { return latest_rtt_; }
  Duration rto() const { return rto_; }

 private:
  Duration floor_;
  Duration smoothed_rtt_{};
  Duration rttvar_{};
  Duration min_rtt_{};
  Duration latest_rtt_{};
  Duration rto_ = kInitialRto;
  TimePoint updated_at_{};
  bool has_sample_ = false;
};

}  // namespace culvert::kcp
