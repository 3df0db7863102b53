#include "core/congestion/cubic.h"

#include <algorithm>
#include <cmath>

namespace culvert::congestion {
namespace {

constexpr double kC = 0.4;
constexpr double kBeta = 0.7;
constexpr double kAlpha = 3 * (1 - kBeta) / (1 + kBeta);  // RFC 9438 section 4.3

}  // namespace

Cubic::Cubic(const ControllerOptions& options)
    : options_(options), window_bytes_(InitialWindowBytes(options)) {}

void Cubic::OnSent(TimePoint, uint64_t, uint64_t, uint64_t order) { last_order_ = order; }

void Cubic::OnAck(TimePoint now, const AckInfo& info) {
  smoothed_rtt_ = info.smoothed_rtt;
  if (info.lost_bytes > 0 && info.largest_lost_order > recovery_ends_at_order_) OnCongestion(now);
  // A mark weighs as much as a loss (RFC 9438 section 4.6), once in a round trip.
  if (info.is_marked && info.rate.prior_delivered_bytes >= marks_count_from_) {
    marks_count_from_ = info.delivered_bytes;
    OnCongestion(now);
  }
  // A window that is not used says nothing (RFC 9438 section 5.8).
  if (info.acked_bytes == 0 || info.prior_bytes_in_flight + 2 * options_.datagram_bytes < window_bytes_) return;
  if (window_bytes_ < threshold_bytes_) {
    window_bytes_ += info.acked_bytes;
    return;
  }
  const double segment = options_.datagram_bytes;
  const double window = static_cast<double>(window_bytes_) / segment;
  if (!in_epoch_) {
    in_epoch_ = true;
    epoch_started_at_ = now;
    if (w_max_segments_ < window) w_max_segments_ = window;
    k_seconds_ = std::cbrt((w_max_segments_ - window) / kC);
    estimate_segments_ = window;
  }
  const double t = ToSeconds(now - epoch_started_at_ + smoothed_rtt_);
  const double target = std::clamp(kC * std::pow(t - k_seconds_, 3) + w_max_segments_, window, 1.5 * window);
  const double acked = static_cast<double>(info.acked_bytes) / segment;
  estimate_segments_ += (estimate_segments_ < w_max_segments_ ? kAlpha : 1.0) * acked / window;
  const double grown = std::max(window + (target - window) / window * acked, estimate_segments_);
  window_bytes_ = static_cast<uint64_t>(grown * segment);
}

void Cubic::OnCongestion(TimePoint) {
  const double window = static_cast<double>(window_bytes_) / options_.datagram_bytes;
  // Fast convergence (section 4.7): a flow that lost room gives some of it away.
  w_max_segments_ = window < w_max_segments_ ? window * (1 + kBeta) / 2 : window;
  window_bytes_ = std::max<uint64_t>(static_cast<uint64_t>(static_cast<double>(window_bytes_) * kBeta),
                                     2 * uint64_t{options_.datagram_bytes});
  threshold_bytes_ = window_bytes_;
  threshold_known_ = true;
  in_epoch_ = false;
  recovery_ends_at_order_ = last_order_;
}

void Cubic::OnTimeout(TimePoint now, uint32_t count) {
  if (count != 2) return;
  OnCongestion(now);
  window_bytes_ = kMinWindowDatagrams * uint64_t{options_.datagram_bytes};
}

uint64_t Cubic::pacing_bytes_per_second() const {
  if (smoothed_rtt_ == Duration::zero()) return options_.max_bytes_per_second;
  const double gain = window_bytes_ < threshold_bytes_ ? 2.0 : 1.25;
  uint64_t rate = static_cast<uint64_t>(gain * static_cast<double>(window_bytes_) / ToSeconds(smoothed_rtt_));
  if (options_.max_bytes_per_second != 0) rate = std::min(rate, options_.max_bytes_per_second);
  return std::max<uint64_t>(rate, options_.datagram_bytes);
}

const char* Cubic::phase() const { return window_bytes_ < threshold_bytes_ ? "slow_start" : "congestion_avoidance"; }

}  // namespace culvert::congestion
