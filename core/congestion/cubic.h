// Cubic: RFC 9438, for clean links where loss means congestion. Paced at 1.25 times window per round trip.
// Thread: owned by one worker.
#pragma once

#include "core/congestion/congestion_controller.h"

namespace culvert::congestion {

class Cubic final : public CongestionController {
 public:
  explicit Cubic(const ControllerOptions& options);

  void OnAck(TimePoint now, const AckInfo& info) override;
  void OnSent(TimePoint now, uint64_t bytes, uint64_t bytes_in_flight, uint64_t order) override;
  void OnTimeout(TimePoint now, uint32_t count) override;
  void SetDatagramBytes(uint32_t datagram_bytes) override { options_.datagram_bytes = datagram_bytes; }
  uint64_t window_bytes() const override { return window_bytes_; }
  uint64_t pacing_bytes_per_second() const override;
  uint64_t slow_start_threshold_bytes() const override { return threshold_known_ ? threshold_bytes_ : 0; }
  const char* phase() const override;

 private:
  void OnCongestion(TimePoint now);

  ControllerOptions options_;
  uint64_t window_bytes_;
  uint64_t threshold_bytes_ = UINT64_MAX;
  bool threshold_known_ = false;
  double w_max_segments_ = 0;
  double k_seconds_ = 0;
  double estimate_segments_ = 0;     // W_est: what Reno would have
  TimePoint epoch_started_at_{};
  bool in_epoch_ = false;
  uint64_t last_order_ = 0;          // latest transmission
  uint64_t recovery_ends_at_order_ = 0;  // losses of earlier transmissions belong to the same congestion
  uint64_t marks_count_from_ = 0;        // delivered when the last mark counted
  Duration smoothed_rtt_{};
};

}  // namespace culvert::congestion
