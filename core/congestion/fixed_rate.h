// FixedRate: sends at the rate the user named, whatever is lost. For links of known, reserved capacity.
// Thread: owned by one worker.
#pragma once

#include <algorithm>

#include "core/congestion/congestion_controller.h"

namespace culvert::congestion {

class FixedRate final : public CongestionController {
 public:
  explicit FixedRate(const ControllerOptions& options) : options_(options) {}

  void OnAck(TimePoint, const AckInfo& info) override {
    if (info.smoothed_rtt > Duration::zero()) smoothed_rtt_ = info.smoothed_rtt;
  }
  void OnSent(TimePoint, uint64_t, uint64_t, uint64_t) override {}
  void OnTimeout(TimePoint, uint32_t) override {}
  void SetDatagramBytes(uint32_t datagram_bytes) override { options_.datagram_bytes = datagram_bytes; }
  // Two round trips' worth, so that the rate and not the window decides.
  uint64_t window_bytes() const override {
    const double bytes = 2 * static_cast<double>(options_.max_bytes_per_second) * ToSeconds(smoothed_rtt_);
    return std::max(static_cast<uint64_t>(bytes), InitialWindowBytes(options_));
  }
  uint64_t pacing_bytes_per_second() const override { return options_.max_bytes_per_second; }
  const char* phase() const override { return "fixed_rate"; }

 private:
  ControllerOptions options_;
  Duration smoothed_rtt_ = std::chrono::milliseconds(300);
};

}  // namespace culvert::congestion
