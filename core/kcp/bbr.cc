#include "core/kcp/bbr.h"

#include <algorithm>

namespace culvert::kcp {
namespace {

constexpr double kStartupGain = 2.885;  // 2/ln 2: the least that doubles the rate every round trip
constexpr double kDrainGain = 1 / kStartupGain;
constexpr double kWindowGain = 2.0;
constexpr std::array<double, 8> kCycle = {1.25, 0.75, 1, 1, 1, 1, 1, 1};
constexpr double kGrowth = 1.25;
constexpr uint32_t kRoundsWithoutGrowth = 3;
constexpr double kHeavyLoss = 0.3;
// A round trip whose least RTT lies this far above the least ever stood in a queue from end to end.
constexpr double kQueueRttFactor = 1.25;
constexpr Duration kQueueRttSlack = std::chrono::milliseconds(5);
constexpr Duration kMinRttLifetime = std::chrono::seconds(10);
constexpr Duration kProbeRttTime = std::chrono::milliseconds(200);
// Slightly below the estimate, so that a queue never stands (draft section 4.2.1 of its successor).
constexpr double kPacingMargin = 0.99;

}  // namespace

void Bbr::WindowedMax::Update(uint64_t value, uint64_t time) {
  const Sample now{value, time};
  if (value >= samples_[0].value || time - samples_[2].time > window_) {
    samples_.fill(now);
    return;
  }
  if (value >= samples_[1].value) {
    samples_[1] = samples_[2] = now;
  } else if (value >= samples_[2].value) {
    samples_[2] = now;
  }
  if (time - samples_[0].time > window_) {
    samples_ = {samples_[1], samples_[2], now};
    if (time - samples_[0].time > window_) samples_ = {samples_[1], samples_[2], now};
  } else if (samples_[1].time == samples_[0].time && time - samples_[1].time > window_ / 4) {
    samples_[1] = samples_[2] = now;
  } else if (samples_[2].time == samples_[1].time && time - samples_[2].time > window_ / 2) {
    samples_[2] = now;
  }
}

Bbr::Bbr(const ControllerOptions& options, uint32_t cycle_start)
    : options_(options),
      pacing_gain_(kStartupGain),
      // The initial window within a millisecond until the first RTT is known.
      pacing_rate_(uint64_t{kInitialWindowSegments} * options.datagram_bytes * 1000),
      window_gain_(kStartupGain),
      window_bytes_(uint64_t{kInitialWindowSegments} * options.datagram_bytes),
      cycle_index_(cycle_start % kCycle.size()) {}

uint64_t Bbr::BandwidthDelayProduct(double gain) const {
  if (!has_min_rtt_ || bandwidth_.Best() == 0) {
    return static_cast<uint64_t>(gain * kInitialWindowSegments * options_.datagram_bytes);
  }
  return static_cast<uint64_t>(gain * static_cast<double>(bandwidth_.Best()) * ToSeconds(min_rtt_));
}

uint64_t Bbr::Quantum() const {
  // What a driver sends in one go: about a millisecond's worth, at most one train of 64 KiB.
  return std::clamp<uint64_t>(bandwidth_.Best() / 1000, 2 * uint64_t{options_.datagram_bytes}, 65536);
}

uint64_t Bbr::window_bytes() const {
  if (phase_ == Phase::kProbeRtt) return std::min(window_bytes_, std::max(BandwidthDelayProduct(0.5), MinWindow()));
  return window_bytes_;
}

uint64_t Bbr::pacing_bytes_per_second() const {
  const uint64_t rate =
      options_.max_bytes_per_second == 0 ? pacing_rate_ : std::min(pacing_rate_, options_.max_bytes_per_second);
  return std::max<uint64_t>(rate, options_.datagram_bytes);
}

void Bbr::UpdatePacing() {
  if (bandwidth_.Best() == 0) return;
  const uint64_t rate =
      static_cast<uint64_t>(pacing_gain_ * kPacingMargin * static_cast<double>(bandwidth_.Best()));
  // The first samples are of a sender that hardly began: they may raise the rate, not lower it.
  if (pipe_is_full_ || rate > pacing_rate_) pacing_rate_ = rate;
}

const char* Bbr::phase() const {
  switch (phase_) {
    case Phase::kStartup:
      return "startup";
    case Phase::kDrain:
      return "drain";
    case Phase::kProbeBandwidth:
      return "probe_bandwidth";
    case Phase::kProbeRtt:
      return "probe_rtt";
  }
  return "";
}

void Bbr::OnSent(TimePoint now, uint64_t, uint64_t bytes_in_flight, uint64_t) {
  // Coming back from idle: start a new cycle rather than a burst at a stale gain.
  if (bytes_in_flight == 0 && phase_ == Phase::kProbeBandwidth) cycle_started_at_ = now;
}

void Bbr::OnAck(TimePoint now, const AckInfo& info) {
  if (recovering_from_timeout_ && info.acked_bytes > 0) {
    recovering_from_timeout_ = false;
    window_bytes_ = std::max(window_bytes_, window_before_timeout_);
  }
  UpdateRound(info);
  UpdateBandwidth(info);
  UpdateAggregation(now, info);
  CheckFullPipe(info);
  if (phase_ == Phase::kStartup && pipe_is_full_) {
    phase_ = Phase::kDrain;
    pacing_gain_ = kDrainGain;
    window_gain_ = kStartupGain;
  }
  if (phase_ == Phase::kDrain && info.bytes_in_flight <= BandwidthDelayProduct(1.0)) EnterProbeBandwidth(now);
  if (phase_ == Phase::kProbeBandwidth) AdvanceCycle(now, info);
  UpdateMinRtt(now, info);
  UpdatePacing();
  UpdateWindow(info);
}

void Bbr::UpdateRound(const AckInfo& info) {
  round_started_ = false;
  round_lost_bytes_ += info.lost_bytes;
  round_acked_bytes_ += info.acked_bytes;
  if (info.has_rtt_sample) round_min_rtt_ = std::min(round_min_rtt_, info.rtt_sample);
  if (info.acked_bytes == 0 || info.rate.prior_delivered_bytes < round_ends_at_delivered_) return;
  round_ends_at_delivered_ = info.delivered_bytes;
  ++round_;
  round_started_ = true;
  const uint64_t total = round_lost_bytes_ + round_acked_bytes_;
  heavy_loss_ = static_cast<double>(round_lost_bytes_) > kHeavyLoss * static_cast<double>(total);
  queue_seen_ = has_min_rtt_ && round_min_rtt_ != kInfiniteDuration &&
                ToSeconds(round_min_rtt_) > kQueueRttFactor * ToSeconds(min_rtt_) + ToSeconds(kQueueRttSlack);
  round_lost_bytes_ = round_acked_bytes_ = 0;
  round_min_rtt_ = kInfiniteDuration;
}

void Bbr::UpdateBandwidth(const AckInfo& info) {
  if (!info.rate.is_valid) return;
  // A sample of a sender with nothing to send counts only when it shows more than we knew.
  if (info.rate.application_limited && info.rate.bytes_per_second < bandwidth_.Best()) return;
  bandwidth_.Update(info.rate.bytes_per_second, round_);
}

void Bbr::UpdateAggregation(TimePoint now, const AckInfo& info) {
  const double expected = static_cast<double>(bandwidth_.Best()) * ToSeconds(now - aggregation_started_at_);
  if (static_cast<double>(aggregation_bytes_) <= expected || aggregation_started_at_ == TimePoint{}) {
    aggregation_bytes_ = 0;
    aggregation_started_at_ = now;
  }
  aggregation_bytes_ += info.acked_bytes;
  const double grown = static_cast<double>(bandwidth_.Best()) * ToSeconds(now - aggregation_started_at_);
  const double extra = std::max(0.0, static_cast<double>(aggregation_bytes_) - grown);
  extra_acked_.Update(static_cast<uint64_t>(std::min(extra, static_cast<double>(window_bytes_))), round_);
}

void Bbr::CheckFullPipe(const AckInfo& info) {
  if (pipe_is_full_ || !round_started_ || info.rate.application_limited) return;
  if (heavy_loss_ || queue_seen_) {
    pipe_is_full_ = true;
    return;
  }
  if (static_cast<double>(bandwidth_.Best()) >= static_cast<double>(full_bandwidth_) * kGrowth) {
    full_bandwidth_ = bandwidth_.Best();
    rounds_without_growth_ = 0;
    return;
  }
  if (++rounds_without_growth_ >= kRoundsWithoutGrowth) pipe_is_full_ = true;
}

void Bbr::EnterProbeBandwidth(TimePoint now) {
  phase_ = Phase::kProbeBandwidth;
  window_gain_ = kWindowGain;
  // Any phase but the one that drains, which only makes sense after the one that fills.
  if (cycle_index_ == 1) cycle_index_ = 2;
  pacing_gain_ = kCycle[cycle_index_];
  cycle_started_at_ = now;
}

void Bbr::AdvanceCycle(TimePoint now, const AckInfo& info) {
  const bool lasted = now - cycle_started_at_ > min_rtt_;
  bool advance = lasted;
  if (pacing_gain_ > 1) {
    // Fill until the extra is really in flight or the path shows that it does not fit.
    advance = lasted && (info.lost_bytes > 0 || info.prior_bytes_in_flight >= BandwidthDelayProduct(pacing_gain_));
  } else if (pacing_gain_ < 1) {
    advance = info.bytes_in_flight <= BandwidthDelayProduct(1.0) || now - cycle_started_at_ > 4 * min_rtt_;
  }
  if (!advance) return;
  cycle_index_ = (cycle_index_ + 1) % kCycle.size();
  pacing_gain_ = kCycle[cycle_index_];
  cycle_started_at_ = now;
}

void Bbr::UpdateMinRtt(TimePoint now, const AckInfo& info) {
  const bool expired = has_min_rtt_ && now - min_rtt_at_ > kMinRttLifetime;
  if (info.has_rtt_sample && (!has_min_rtt_ || info.rtt_sample <= min_rtt_ || expired)) {
    if (!has_min_rtt_) {
      const double rtt = std::max(ToSeconds(info.rtt_sample), 0.001);
      pacing_rate_ = static_cast<uint64_t>(kStartupGain * static_cast<double>(window_bytes_) / rtt);
    }
    min_rtt_ = info.rtt_sample;
    min_rtt_at_ = now;
    has_min_rtt_ = true;
  }
  if (expired && phase_ != Phase::kProbeRtt && pipe_is_full_) {
    phase_ = Phase::kProbeRtt;
    pacing_gain_ = 1;
    probe_rtt_reached_ = false;
  }
  if (phase_ != Phase::kProbeRtt) return;
  if (!probe_rtt_reached_ && info.bytes_in_flight <= window_bytes()) {
    probe_rtt_reached_ = true;
    probe_rtt_until_ = now + std::max(kProbeRttTime, min_rtt_);
  }
  if (probe_rtt_reached_ && now >= probe_rtt_until_) {
    min_rtt_at_ = now;
    EnterProbeBandwidth(now);
  }
}

void Bbr::UpdateWindow(const AckInfo& info) {
  const uint64_t target = BandwidthDelayProduct(window_gain_) + extra_acked_.Best() + 3 * Quantum();
  if (pipe_is_full_) {
    window_bytes_ = std::min(window_bytes_ + info.acked_bytes, target);
  } else if (window_bytes_ < target || info.delivered_bytes < uint64_t{kInitialWindowSegments} * options_.datagram_bytes) {
    window_bytes_ += info.acked_bytes;
  }
  window_bytes_ = std::max(window_bytes_, MinWindow());
}

void Bbr::OnTimeout(TimePoint, uint32_t count) {
  // One timeout may be a lost tail; two in a row are a path that delivers nothing.
  if (count < 2 || recovering_from_timeout_) return;
  recovering_from_timeout_ = true;
  window_before_timeout_ = window_bytes_;
  window_bytes_ = MinWindow();
}

}  // namespace culvert::kcp
