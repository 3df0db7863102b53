// The flow: ngtcp2 calls OnSent for a packet, and for an acknowledgement OnAcked and OnLost for each packet, OnLossesDetected if
// there were losses, and OnAckProcessed at its end, which is when the controller hears of all of it. A detection by the timer
// has no such end and is reported at once.
#include "core/quic/congestion.h"

#include "core/quic/ngtcp2_time.h"

#include <algorithm>
#include <utility>

namespace culvert::quic {
namespace {

constexpr uint64_t kEveryPathCarries = 1200;  // RFC 9000 section 14
// A path that loses at random lets some of so many through within the time.
constexpr uint32_t kLargeLossesOfABlackHole = 4;
constexpr uint32_t kTimeoutsOfABlackHole = 3;
constexpr Duration kLeastPatience = std::chrono::milliseconds(500);

// RFC 9002 section 7.2 recommends 10. What may go out before the client's address is validated is bounded anyway, pacing spreads
// the rest over a round trip, and mKCP begins with as many.
constexpr uint32_t kInitialWindowDatagrams = 32;
// RFC 9002 section 7.7 for the second; before slow start ends the window doubles within a round trip, and the rate must allow it.
constexpr double kSlowStartPacingGain = 2.0;
constexpr double kPacingGain = 1.25;
constexpr uint64_t kNone = UINT64_MAX;

Duration ToDuration(uint64_t nanoseconds) { return Duration(static_cast<int64_t>(nanoseconds)); }

std::unique_ptr<congestion::CongestionController> MakeController(CongestionControl kind, uint32_t datagram_bytes,
                                                                 RandomSource& random) {
  if (kind != CongestionControl::kBbr) return nullptr;
  return congestion::CreateController(
      congestion::CongestionControl::kBbr,
      {.datagram_bytes = datagram_bytes, .initial_window_datagrams = kInitialWindowDatagrams}, random);
}

}  // namespace

ngtcp2_cc_algo Congestion::AlgorithmFor(CongestionControl kind) {
  return kind == CongestionControl::kNgtcp2Bbr ? NGTCP2_CC_ALGO_BBR : NGTCP2_CC_ALGO_CUBIC;
}

const culvert_quic_cc_hooks& Congestion::Hooks() {
  static constexpr culvert_quic_cc_hooks hooks = {
      .sent =
          [](void* self, int64_t number, uint64_t bytes, uint64_t in_flight_before, uint64_t now) {
            static_cast<Congestion*>(self)->OnSent(number, bytes, in_flight_before, FromTimestamp(now));
          },
      .acked = [](void* self, bool is_application, int64_t number,
                  uint64_t bytes) { static_cast<Congestion*>(self)->OnAcked(is_application, number, bytes); },
      .lost = [](void* self, bool is_application, int64_t number,
                 uint64_t bytes) { static_cast<Congestion*>(self)->OnLost(is_application, number, bytes); },
      .losses_detected = [](void* self,
                            uint64_t now) { static_cast<Congestion*>(self)->OnLossesDetected(FromTimestamp(now)); },
      .persistent_congestion =
          [](void* self, uint64_t now) { static_cast<Congestion*>(self)->OnPersistentCongestion(FromTimestamp(now)); },
      .ack_processed =
          [](void* self, const culvert_quic_cc_ack* ack, uint64_t now) {
            static_cast<Congestion*>(self)->OnAckProcessed(*ack, FromTimestamp(now));
          },
      .path_changed = [](void* self) { static_cast<Congestion*>(self)->OnPathChanged(); },
  };
  return hooks;
}

std::unique_ptr<Congestion> Congestion::Install(ngtcp2_conn* conn, CongestionControl kind, uint32_t datagram_bytes,
                                                RandomSource& random) {
  std::unique_ptr<Congestion> congestion(new Congestion(conn, kind, datagram_bytes, random));
  switch (kind) {
    case CongestionControl::kBbr:
      culvert_quic_cc_install(conn, CULVERT_QUIC_CC_OWN, &Hooks(), congestion.get());
      break;
    case CongestionControl::kCubic:
      culvert_quic_cc_install(conn, CULVERT_QUIC_CC_CUBIC, &Hooks(), congestion.get());
      break;
    case CongestionControl::kNgtcp2Bbr:
      break;
  }
  congestion->PublishWindow();
  return congestion;
}

Congestion::Congestion(ngtcp2_conn* conn, CongestionControl kind, uint32_t datagram_bytes, RandomSource& random)
    : conn_(conn),
      kind_(kind),
      random_(random),
      datagram_bytes_(datagram_bytes),
      controller_(MakeController(kind, datagram_bytes, random)) {}

uint64_t Congestion::pacing_bytes_per_second() const {
  if (controller_ != nullptr) return controller_->pacing_bytes_per_second();
  const culvert_quic_path path = culvert_quic_path_now(conn_);
  if (kind_ == CongestionControl::kNgtcp2Bbr) return path.pacing_interval == 0 ? 0 : 1'000'000'000 / path.pacing_interval;
  if (!path.has_rtt || path.smoothed_rtt == 0) return 0;
  const double gain = path.window_bytes < path.slow_start_threshold_bytes ? kSlowStartPacingGain : kPacingGain;
  const double rate = gain * static_cast<double>(path.window_bytes) / ToSeconds(ToDuration(path.smoothed_rtt));
  return std::max<uint64_t>(static_cast<uint64_t>(rate), datagram_bytes_);
}

uint64_t Congestion::window_bytes() const { return culvert_quic_path_now(conn_).window_bytes; }

uint64_t Congestion::slow_start_threshold_bytes() const {
  const uint64_t threshold = culvert_quic_path_now(conn_).slow_start_threshold_bytes;
  return threshold == kNone ? 0 : threshold;
}

const char* Congestion::phase() const {
  if (controller_ != nullptr) return controller_->phase();
  if (kind_ == CongestionControl::kNgtcp2Bbr) return "";
  const culvert_quic_path path = culvert_quic_path_now(conn_);
  return path.window_bytes < path.slow_start_threshold_bytes ? "slow_start" : "congestion_avoidance";
}

uint32_t Congestion::pto_count() const { return culvert_quic_pto_count(conn_); }
bool Congestion::has_lost_data() const { return culvert_quic_has_lost_data(conn_); }
uint64_t Congestion::ecn_marks() const { return culvert_quic_path_now(conn_).ecn_marks; }

void Congestion::OnTimerHandled(TimePoint now) {
  TellTimeouts(now);
  PublishWindow();
}

bool Congestion::ReduceToMinimumMtu() {
  if (!culvert_quic_reduce_mtu(conn_)) return false;
  FollowPathMtu();
  return true;
}

bool Congestion::RestartMtuSearch(uint32_t max_bytes) { return culvert_quic_restart_mtu_search(conn_, max_bytes); }

void Congestion::OnSent(int64_t packet_number, uint64_t bytes, uint64_t in_flight_before, TimePoint now) {
  ++counters_.sent_packets;
  TellTimeouts(now);
  if (controller_ == nullptr) return;
  FollowPathMtu();
  controller_->OnSent(now, bytes, in_flight_before, static_cast<uint64_t>(packet_number) + 1);
  PublishWindow();
}

void Congestion::OnAcked(bool is_application, int64_t packet_number, uint64_t bytes) {
  inside_ack_ = true;
  counters_.acked_bytes += bytes;
  if (is_application && TakeLost(packet_number)) {
    // It left the flight when it was declared lost.
    ++counters_.spurious_packets;
    return;
  }
  if (is_application && packet_number < path_begins_at_) return;
  unreported_acked_bytes_ += bytes;
  if (bytes > kEveryPathCarries) {
    large_lost_ = small_acked_ = 0;
  } else if (large_lost_ > 0) {
    ++small_acked_;
  }
}

void Congestion::OnLost(bool is_application, int64_t packet_number, uint64_t bytes) {
  ++counters_.lost_packets;
  counters_.lost_bytes += bytes;
  if (!is_application) {
    unreported_lost_bytes_ += bytes;
    return;
  }
  if (lost_ == nullptr) lost_ = std::make_unique<std::array<int64_t, kRememberedLosses>>();
  (*lost_)[static_cast<size_t>(packet_number) % kRememberedLosses] = packet_number + 1;
  if (packet_number < path_begins_at_) return;
  unreported_lost_bytes_ += bytes;
  if (bytes > kEveryPathCarries) ++large_lost_;
  largest_lost_order_ = std::max(largest_lost_order_, static_cast<uint64_t>(packet_number) + 1);
}

bool Congestion::TakeLost(int64_t packet_number) {
  if (lost_ == nullptr) return false;
  int64_t& place = (*lost_)[static_cast<size_t>(packet_number) % kRememberedLosses];
  if (place != packet_number + 1) return false;
  place = 0;
  return true;
}

void Congestion::OnLossesDetected(TimePoint now) {
  if (large_lost_ > 0 && small_acked_ == 0) first_large_lost_at_ = std::max(first_large_lost_at_, now);
  if (inside_ack_) return;
  Report({.prior_bytes_in_flight = culvert_quic_path_now(conn_).bytes_in_flight + unreported_lost_bytes_,
          .rtt = kNone,
          .rate_packet = last_sampled_},
         now);
}

void Congestion::OnAckProcessed(const culvert_quic_cc_ack& ack, TimePoint now) {
  inside_ack_ = false;
  if (culvert_quic_path_now(conn_).pto_count == 0) reported_timeouts_ = 0;
  Report(ack, now);
}

void Congestion::Report(const culvert_quic_cc_ack& ack, TimePoint now) {
  const uint64_t acked = std::exchange(unreported_acked_bytes_, 0);
  const uint64_t lost = std::exchange(unreported_lost_bytes_, 0);
  // ngtcp2 leaves its last sample standing when an acknowledgement brings only older packets; its interval is stale then.
  const bool is_fresh = ack.rate_packet != std::exchange(last_sampled_, ack.rate_packet);
  if (controller_ == nullptr) return;
  FollowPathMtu();
  const culvert_quic_path path = culvert_quic_path_now(conn_);
  congestion::AckInfo info;
  info.acked_bytes = acked;
  info.lost_bytes = lost;
  info.bytes_in_flight = path.bytes_in_flight;
  info.prior_bytes_in_flight = ack.prior_bytes_in_flight;
  info.delivered_bytes = path.delivered_bytes;
  info.rate.prior_delivered_bytes = ack.rate_prior_delivered_bytes;
  info.rate.application_limited = ack.is_application_limited;
  if (is_fresh && ack.rate_interval != 0 && ack.rate_interval != kNone) {
    info.rate.is_valid = true;
    info.rate.bytes_per_second = static_cast<uint64_t>(static_cast<double>(ack.rate_delivered_bytes) /
                                                       ToSeconds(ToDuration(ack.rate_interval)));
  }
  info.has_rtt_sample = ack.rtt != kNone;
  if (info.has_rtt_sample) info.rtt_sample = ToDuration(ack.rtt);
  info.smoothed_rtt = ToDuration(path.smoothed_rtt);
  info.largest_lost_order = largest_lost_order_;
  info.is_marked = path.ecn_marks != std::exchange(reported_marks_, path.ecn_marks);
  controller_->OnAck(now, info);
  PublishWindow();
}

void Congestion::TellTimeouts(TimePoint now) {
  const uint32_t count = culvert_quic_path_now(conn_).pto_count;
  if (count < reported_timeouts_) reported_timeouts_ = 0;  // some were acknowledged, or the path changed
  for (; reported_timeouts_ < count; ++reported_timeouts_) {
    ++counters_.timeouts;
    if (controller_ != nullptr) controller_->OnTimeout(now, reported_timeouts_ + 1);
  }
}

void Congestion::OnPersistentCongestion(TimePoint now) {
  // All of several probe timeouts' time was lost (RFC 9002 section 7.6): to a controller as two timeouts on end, unless those
  // were reported as they fired.
  if (controller_ != nullptr && reported_timeouts_ < 2) controller_->OnTimeout(now, 2);
  PublishWindow();
}

void Congestion::WatchAfterPathChange(TimePoint now) {
  if (std::exchange(path_has_changed_, false)) culvert_quic_watch_for_losses(conn_, ToTimestamp(now));
}

void Congestion::OnPathChanged() {
  path_has_changed_ = true;
  const culvert_quic_path path = culvert_quic_path_now(conn_);
  path_begins_at_ = path.next_packet_number;
  unreported_acked_bytes_ = unreported_lost_bytes_ = 0;
  reported_timeouts_ = 0;
  datagram_bytes_ = path.datagram_bytes;
  controller_ = MakeController(kind_, datagram_bytes_, random_);
  PublishWindow();
}

void Congestion::FollowPathMtu() {
  const uint32_t datagram_bytes = culvert_quic_path_now(conn_).datagram_bytes;
  if (std::exchange(datagram_bytes_, datagram_bytes) == datagram_bytes) return;
  if (controller_ != nullptr) controller_->SetDatagramBytes(datagram_bytes);
}

void Congestion::PublishWindow() {
  if (controller_ == nullptr) return;
  const uint64_t threshold = controller_->slow_start_threshold_bytes();
  culvert_quic_set_window(conn_, controller_->window_bytes(), threshold == 0 ? kNone : threshold);
}

bool Congestion::LargeDatagramsVanish(TimePoint now) const {
  const culvert_quic_path path = culvert_quic_path_now(conn_);
  if (path.pto_count >= kTimeoutsOfABlackHole) return true;
  const Duration patience = std::max(kLeastPatience, 3 * Duration(static_cast<int64_t>(path.smoothed_rtt)));
  return large_lost_ >= kLargeLossesOfABlackHole && small_acked_ > 0 && now - first_large_lost_at_ >= patience;
}

void Congestion::CapTimeouts(uint32_t most, TimePoint now) {
  culvert_quic_cap_timeouts(conn_, most, ToTimestamp(now));
  reported_timeouts_ = std::min(reported_timeouts_, most);
}

void Congestion::Probe() { culvert_quic_probe(conn_); }

void Congestion::HoldUntil(TimePoint when) {
  culvert_quic_hold_until(conn_, when == kInfiniteFuture ? UINT64_MAX : ToTimestamp(when));
}

}  // namespace culvert::quic
