// Bbr: models the path by its bottleneck bandwidth and its least round-trip time and keeps about twice their product in
// flight, paced at the bandwidth. Loss as such does not slow it down, so that a path that loses 2 or 10 % at random is still
// used; loss that comes with a full queue shows in the model as a bandwidth that no longer grows.
//
// Four phases: startup (double the rate every round trip until the pipe is full), drain (let the queue go), probe bandwidth
// (cycle around the estimate), probe RTT (empty the pipe briefly when the least RTT has not been seen for 10 s).
//
// Source: draft-cardwell-iccrg-bbr-congestion-control-00 for the model and the gains. Deviations:
//   startup      ends as soon as a few answers on end show a queue, or a third of a round trip is lost without a timeout, not only when the
//                bandwidth stops growing: by then the queue would have overflowed
//   bandwidth    is what arrives; on a path that loses p by itself 1/(1-p) of it is sent, or one loss would cost twice. What is
//                lost while a queue stands does not count as the path's own
//   cruising     lets go a little while a queue stands, and more when it outlasts a cycle
//   cycles       step up and down by a quarter while that finds bandwidth, else by a tenth; one that found some is repeated at
//                once, and three such on end begin startup anew. The step down lasts until the queue is gone
//   probe RTT    keeps half of the bandwidth-delay product in flight instead of four packets, and is left out while round trips
//                near the least are seen anyway
//   ECN          a mark is a queue: it ends startup and a step up, and while every round trip brings some, cruising lets go
// Thread: owned by one worker.
#pragma once

#include <cstdint>

#include "core/congestion/congestion_controller.h"
#include "core/congestion/queue_signal.h"
#include "core/congestion/windowed_max.h"

namespace culvert::congestion {

class Bbr final : public CongestionController {
 public:
  // `cycle_start` in [0, 7] spreads the probing of flows that start together.
  Bbr(const ControllerOptions& options, uint32_t cycle_start);

  void OnAck(TimePoint now, const AckInfo& info) override;
  void OnSent(TimePoint now, uint64_t bytes, uint64_t bytes_in_flight, uint64_t order) override;
  void OnTimeout(TimePoint now, uint32_t count) override;
  void SetDatagramBytes(uint32_t datagram_bytes) override { options_.datagram_bytes = datagram_bytes; }
  uint64_t window_bytes() const override;
  uint64_t pacing_bytes_per_second() const override;
  const char* phase() const override;

  uint64_t bandwidth_bytes_per_second() const { return bandwidth_.Best(); }

 private:
  enum class Phase : uint8_t { kStartup, kDrain, kProbeBandwidth, kProbeRtt };

  void UpdateRound(TimePoint now, const AckInfo& info);
  void LearnLossRate(double lost, double total);
  void UpdateBandwidth(const AckInfo& info);
  void UpdateAggregation(TimePoint now, const AckInfo& info);
  void UpdateMinRtt(TimePoint now, const AckInfo& info);
  void CheckFullPipe(const AckInfo& info);
  void AdvanceCycle(TimePoint now, const AckInfo& info);
  void UpdatePacing();
  void UpdateWindow(const AckInfo& info);
  void EnterProbeBandwidth(TimePoint now);
  void EnterStartup();
  void EnterCyclePhase(TimePoint now, uint32_t index);
  uint64_t BandwidthDelayProduct(double gain) const;
  uint64_t MinWindow() const { return kMinWindowDatagrams * uint64_t{options_.datagram_bytes}; }
  uint64_t Quantum() const;

  ControllerOptions options_;
  Phase phase_ = Phase::kStartup;
  double pacing_gain_;
  uint64_t pacing_rate_;
  double window_gain_;
  uint64_t window_bytes_;

  uint64_t round_ = 0;
  bool round_started_ = false;
  uint64_t round_ends_at_delivered_ = 0;
  uint64_t round_lost_bytes_ = 0;
  uint64_t round_acked_bytes_ = 0;
  bool heavy_loss_ = false;
  bool round_had_timeout_ = false;
  bool round_is_marked_ = false;
  uint32_t rounds_marked_ = 0;  // on end
  // Of the last round trips without a queue: their ratio is the path's own loss.
  double remembered_lost_bytes_ = 0;
  double remembered_bytes_ = 0;
  double held_back_lost_bytes_ = 0;
  double held_back_bytes_ = 0;
  uint32_t filter_round_ = 0;   // round trips, but none shorter than kLeastFilterRound
  TimePoint filter_round_at_{};
  bool is_application_limited_ = false;  // as of the last sample
  double loss_rate_ = 0;
  QueueSignal queue_;

  WindowedMax bandwidth_{10};
  uint64_t full_bandwidth_ = 0;
  uint32_t rounds_without_growth_ = 0;
  bool pipe_is_full_ = false;

  Duration min_rtt_{};
  bool has_min_rtt_ = false;
  TimePoint min_rtt_at_{};
  TimePoint probe_rtt_until_{};
  bool probe_rtt_reached_ = false;

  uint32_t cycle_index_;
  TimePoint cycle_started_at_{};
  double cycle_step_;
  uint32_t bold_finds_ = 0;  // cycles on end that found bandwidth
  uint64_t bandwidth_before_up_ = 0;

  // Acknowledgements that come in lumps (an mKCP peer of v2ray answers on its tick) need that much more in flight.
  WindowedMax extra_acked_{10};
  TimePoint aggregation_started_at_{};
  uint64_t aggregation_bytes_ = 0;

  bool recovering_from_timeout_ = false;
  uint64_t window_before_timeout_ = 0;
};

}  // namespace culvert::congestion
