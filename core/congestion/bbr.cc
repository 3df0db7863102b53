#include "core/congestion/bbr.h"

#include <algorithm>
#include <utility>

namespace culvert::congestion {
namespace {

constexpr double kStartupGain = 2.885;  // 2/ln 2: the least that doubles the rate every round trip
constexpr double kDrainGain = 1 / kStartupGain;
constexpr double kWindowGain = 2.0;
// A cycle: one round trip above the estimate, one below it to let go of what that queued, then six at it.
constexpr uint32_t kCyclePhases = 8;
constexpr uint32_t kUp = 0;
constexpr uint32_t kDown = 1;
// How far above and below: boldly where the last cycle found more bandwidth, gently where there was none.
constexpr double kBoldStep = 0.25;
constexpr double kGentleStep = 0.1;
constexpr double kWorthwhile = 1.03;
// The path has much more than we know of: steps of a quarter are too slow.
constexpr uint32_t kBoldFindsToRestart = 3;
constexpr double kGrowth = 1.25;
constexpr uint32_t kRoundsWithoutGrowth = 3;
// Of what a round trip sent, and at least so many: nothing but an overflow loses that.
constexpr double kHeavyLoss = 0.3;
constexpr uint64_t kHeavyLossDatagrams = 16;
constexpr Duration kMinRttLifetime = std::chrono::seconds(10);
// How long the pipe is kept half empty to look at the round trip: long enough that flows that share it do so at one time, but where a round
// trip takes less than 10 ms so long a pause would cost more than it shows, and datagrams do not wait.
constexpr Duration kMostProbeRttTime = std::chrono::milliseconds(200);
constexpr Duration kLeastProbeRttTime = std::chrono::milliseconds(10);
constexpr int kProbeRttRounds = 20;
// Slightly below the estimate, so that what the estimate is too high by does not pile up (section 4.2.1 of the draft's successor).
constexpr double kPacingMargin = 0.99;
// At the estimate, while a queue stands that we may have made. One that outlasts a cycle shows that the estimate is too high:
// then less with every round trip.
constexpr double kQueueGain = 0.95;
constexpr double kQueueStep = 0.02;
constexpr double kQueueGainFloor = 0.8;
constexpr uint32_t kPatientRounds = 8;
// A sender that has less to send than the path takes does not learn how much that is. What it sends at a time may go faster than what it
// has sent so far: else a backlog, once there is one, would stay.
constexpr double kApplicationLimitedGain = 1.25;
// How long the best bandwidth of the last round trips is believed: ten of them, but where they take less than a millisecond that is less
// than a receiver may be kept from its processor, and its silence says nothing of the path.
constexpr Duration kLeastFilterRound = std::chrono::milliseconds(10);
// More than this is no path we want to fill against its losses.
constexpr double kMaxLossRate = 0.25;
constexpr double kForgetting = 0.125;  // per round trip

}  // namespace

Bbr::Bbr(const ControllerOptions& options, uint32_t cycle_start)
    : options_(options),
      pacing_gain_(kStartupGain),
      // The initial window within a millisecond until the first RTT is known.
      pacing_rate_(InitialWindowBytes(options) * 1000),
      window_gain_(kStartupGain),
      window_bytes_(InitialWindowBytes(options)),
      cycle_index_(cycle_start % kCyclePhases),
      cycle_step_(kBoldStep) {}

uint64_t Bbr::BandwidthDelayProduct(double gain) const {
  if (!has_min_rtt_ || bandwidth_.Best() == 0) {
    return static_cast<uint64_t>(gain * static_cast<double>(InitialWindowBytes(options_)));
  }
  return static_cast<uint64_t>(gain * static_cast<double>(bandwidth_.Best()) * ToSeconds(min_rtt_) / (1 - loss_rate_));
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
  // Two datagrams a round trip at least: slower than that nothing can be measured. The window still bounds what is on its way.
  const double floor = has_min_rtt_ ? 2.0 * options_.datagram_bytes / std::max(ToSeconds(min_rtt_), 0.001) : 0;
  uint64_t rate = std::max(pacing_rate_, static_cast<uint64_t>(floor));
  if (options_.max_bytes_per_second != 0) rate = std::min(rate, options_.max_bytes_per_second);
  return std::max<uint64_t>(rate, options_.datagram_bytes);
}

void Bbr::UpdatePacing() {
  if (bandwidth_.Best() == 0) return;
  double gain = pacing_gain_;
  if (pipe_is_full_) gain *= kPacingMargin;
  if (phase_ == Phase::kProbeBandwidth && cycle_index_ > kDown && (queue_.stands() || rounds_marked_ > 0)) {
    const uint32_t rounds = std::max(queue_.rounds_standing(), rounds_marked_);
    const uint32_t stubborn = rounds - std::min(rounds, kPatientRounds);
    gain *= std::max(kQueueGain - kQueueStep * stubborn, kQueueGainFloor);
  } else {
    // The bandwidth is what arrives. To keep the path full, what it loses has to be sent on top.
    gain /= 1 - loss_rate_;
    if (is_application_limited_ && phase_ == Phase::kProbeBandwidth) gain = std::max(gain, kApplicationLimitedGain);
  }
  const uint64_t rate = static_cast<uint64_t>(gain * static_cast<double>(bandwidth_.Best()));
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
  UpdateRound(now, info);
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

void Bbr::UpdateRound(TimePoint now, const AckInfo& info) {
  round_started_ = false;
  round_lost_bytes_ += info.lost_bytes;
  round_acked_bytes_ += info.acked_bytes;
  round_is_marked_ = round_is_marked_ || info.is_marked;
  if (info.has_rtt_sample && has_min_rtt_) queue_.OnRtt(now, info.rtt_sample, min_rtt_);
  const uint64_t total = round_lost_bytes_ + round_acked_bytes_;
  const double lost = total > 0 ? static_cast<double>(round_lost_bytes_) / static_cast<double>(total) : 0;
  // What was lost around a timeout is an outage, such as a handshake that hangs, and not a queue that overflowed.
  heavy_loss_ = !round_had_timeout_ && lost > kHeavyLoss && round_lost_bytes_ > kHeavyLossDatagrams * options_.datagram_bytes;
  if (info.acked_bytes == 0 || info.rate.prior_delivered_bytes < round_ends_at_delivered_) return;

  round_ends_at_delivered_ = info.delivered_bytes;
  round_had_timeout_ = false;
  ++round_;
  round_started_ = true;
  if (now - filter_round_at_ >= kLeastFilterRound) {
    ++filter_round_;
    filter_round_at_ = now;
  }
  queue_.OnRoundEnd(min_rtt_);
  rounds_marked_ = std::exchange(round_is_marked_, false) ? rounds_marked_ + 1 : 0;
  if (!queue_.stands() && !queue_.is_building()) LearnLossRate(static_cast<double>(round_lost_bytes_), static_cast<double>(total));
  round_lost_bytes_ = round_acked_bytes_ = 0;
}

// Only what is lost without a queue is the path's own loss: counting an overflow in would keep it up for ever.
void Bbr::LearnLossRate(double lost, double total) {
  if (phase_ == Phase::kStartup) {
    // The round trip that ends startup may have overflowed the queue before its answers showed one: each waits for the next.
    std::swap(lost, held_back_lost_bytes_);
    std::swap(total, held_back_bytes_);
  } else if (phase_ != Phase::kProbeBandwidth) {
    return;
  }
  remembered_lost_bytes_ += lost - remembered_lost_bytes_ * kForgetting;
  remembered_bytes_ += total - remembered_bytes_ * kForgetting;
  loss_rate_ = std::min(remembered_lost_bytes_ / std::max(remembered_bytes_, 1.0), kMaxLossRate);
}

void Bbr::UpdateBandwidth(const AckInfo& info) {
  if (!info.rate.is_valid) return;
  is_application_limited_ = info.rate.application_limited;
  // A sample of a sender with nothing to send counts only when it shows more than we knew.
  if (info.rate.application_limited && info.rate.bytes_per_second < bandwidth_.Best()) return;
  bandwidth_.Update(info.rate.bytes_per_second, filter_round_);
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
  if (pipe_is_full_) return;
  if (info.is_marked) pipe_is_full_ = true;
  if (pipe_is_full_ || info.rate.application_limited) return;
  if (queue_.is_building() || heavy_loss_) {
    pipe_is_full_ = true;
    return;
  }
  if (!round_started_) return;
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
  EnterCyclePhase(now, cycle_index_ == kDown ? kDown + 1 : cycle_index_);
}

void Bbr::AdvanceCycle(TimePoint now, const AckInfo& info) {
  const bool lasted = now - cycle_started_at_ > min_rtt_;
  bool advance = lasted;
  if (pacing_gain_ > 1) {
    // Fill until the extra is really in flight or the path shows that it does not fit.
    advance = lasted && (info.lost_bytes > 0 || info.is_marked || info.prior_bytes_in_flight >= BandwidthDelayProduct(pacing_gain_));
  } else if (pacing_gain_ < 1) {
    advance = info.bytes_in_flight <= BandwidthDelayProduct(1.0) || now - cycle_started_at_ > 4 * min_rtt_;
  }
  if (!advance) return;
  uint32_t next = (cycle_index_ + 1) % kCyclePhases;
  if (cycle_index_ == kDown) {
    const bool found = static_cast<double>(bandwidth_.Best()) > kWorthwhile * static_cast<double>(bandwidth_before_up_);
    cycle_step_ = found ? kBoldStep : kGentleStep;
    bold_finds_ = found ? bold_finds_ + 1 : 0;
    if (bold_finds_ >= kBoldFindsToRestart) return EnterStartup();
    if (found) next = kUp;  // there may be more
  }
  EnterCyclePhase(now, next);
}

void Bbr::EnterStartup() {
  phase_ = Phase::kStartup;
  pacing_gain_ = window_gain_ = kStartupGain;
  pipe_is_full_ = false;
  full_bandwidth_ = bandwidth_.Best();
  rounds_without_growth_ = 0;
  bold_finds_ = 0;
}

void Bbr::EnterCyclePhase(TimePoint now, uint32_t index) {
  cycle_index_ = index;
  cycle_started_at_ = now;
  pacing_gain_ = 1;
  if (index == kUp) {
    pacing_gain_ += cycle_step_;
    bandwidth_before_up_ = bandwidth_.Best();
  } else if (index == kDown) {
    pacing_gain_ -= cycle_step_;
  }
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
  // As good as the least: no need to empty the pipe to look.
  if (info.has_rtt_sample && info.rtt_sample - min_rtt_ <= min_rtt_ / 64) min_rtt_at_ = now;
  if (expired && phase_ != Phase::kProbeRtt && pipe_is_full_) {
    phase_ = Phase::kProbeRtt;
    pacing_gain_ = 1;
    probe_rtt_reached_ = false;
  }
  if (phase_ != Phase::kProbeRtt) return;
  if (!probe_rtt_reached_ && info.bytes_in_flight <= window_bytes()) {
    probe_rtt_reached_ = true;
    probe_rtt_until_ = now + std::max(std::clamp(kProbeRttRounds * min_rtt_, kLeastProbeRttTime, kMostProbeRttTime), min_rtt_);
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
  } else if (window_bytes_ < target || info.delivered_bytes < InitialWindowBytes(options_)) {
    window_bytes_ += info.acked_bytes;
  }
  window_bytes_ = std::max(window_bytes_, MinWindow());
}

void Bbr::OnTimeout(TimePoint, uint32_t count) {
  round_had_timeout_ = true;
  // One timeout may be a lost tail; two in a row are a path that delivers nothing.
  if (count < 2 || recovering_from_timeout_) return;
  recovering_from_timeout_ = true;
  window_before_timeout_ = window_bytes_;
  window_bytes_ = MinWindow();
}

}  // namespace culvert::congestion
