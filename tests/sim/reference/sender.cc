#include "tests/sim/reference/sender.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace culvert::reference {

uint32_t Settings::inflight() const { return std::max(8u, uplink * 1048576 / mtu / (1000 / tti)); }
uint32_t Settings::window() const { return std::max(8u, downlink * 1048576 / mtu / (1000 / tti)); }
uint32_t Settings::mss() const { return std::min(mtu - overhead - 18, 2048u); }

void RoundTrip::Sample(uint32_t rtt, uint32_t now) {
  if (rtt > 0x7fffffff) return;
  if (srtt_ == 0) {
    srtt_ = rtt;
    variation_ = rtt / 2;
  } else {
    const uint32_t difference = rtt > srtt_ ? rtt - srtt_ : srtt_ - rtt;
    variation_ = (3 * variation_ + difference) / 4;
    srtt_ = std::max((7 * srtt_ + rtt) / 8, min_rtt_);
  }
  const uint32_t r = min_rtt_ < 4 * variation_ ? srtt_ + 4 * variation_ : srtt_ + variation_;
  rto_ = std::min(r, 10000u) * 5 / 4;
  updated_ = now;
}

void RoundTrip::AdoptPeer(uint32_t peer_rto, uint32_t now) {
  if (now - updated_ < 3000) return;
  updated_ = now;
  rto_ = peer_rto;
}

bool Sender::Push(Bytes payload) {
  if (queue_.size() > settings_.queue()) return false;
  queue_[next_number_++].payload = std::move(payload);
  return true;
}

void Sender::UpdateFirstUnacked() {
  const uint32_t first = queue_.empty() ? next_number_ : queue_.begin()->first;
  if (first != first_unacked_) progressed_ = true;
  first_unacked_ = first;
}

void Sender::ClearBelow(uint32_t receiving_next) {
  while (!queue_.empty() && queue_.begin()->first < receiving_next) queue_.erase(queue_.begin());
  UpdateFirstUnacked();
}

void Sender::ProcessAck(const Segment& ack, uint32_t now, RoundTrip& round_trip) {
  const uint32_t rto = round_trip.rto();
  remote_edge_ = std::max(remote_edge_, ack.receiving_window);
  ClearBelow(ack.receiving_next);
  if (ack.numbers.empty()) return;
  uint32_t largest = 0;
  bool largest_removed = false;
  for (const uint32_t k : ack.numbers) {
    bool removed = false;
    if (k - first_unacked_ <= 0x7fffffff && k - next_number_ >= 0x7fffffff && queue_.erase(k) > 0) {
      removed = true;
      if (in_flight_total_ > 0) --in_flight_total_;
      UpdateFirstUnacked();
    }
    if (k > largest) {
      largest = k;
      largest_removed = removed;
    }
  }
  if (!largest_removed) return;
  FastAck(largest, rto);
  if (now - ack.timestamp < 10000) round_trip.Sample(now - ack.timestamp, now);
}

void Sender::FastAck(uint32_t largest, uint32_t rto) {
  for (auto& [number, segment] : queue_) {
    if (number >= largest) break;
    if (segment.transmissions > 0 && segment.timeout > rto / 3) segment.timeout -= rto / 3;
  }
}

bool Sender::Flush(uint32_t now, uint32_t rto, const std::function<void(Segment)>& send) {
  uint32_t window = std::min(settings_.inflight(), remote_edge_ - first_unacked_);
  if (settings_.congestion) window = std::min(window, control_window_);
  const uint32_t limit = 20 * window;
  const uint32_t sending_next = first_unacked_;
  uint32_t sent = 0;
  uint32_t lost = 0;
  for (auto& [number, segment] : queue_) {
    if (now - segment.timeout >= 0x7fffffff) continue;
    if (segment.transmissions == 0) {
      ++in_flight_total_;
    } else {
      ++lost;
    }
    segment.timeout = now + rto;
    ++segment.transmissions;
    ++transmissions_;
    Segment data;
    data.command = kData;
    data.timestamp = now;
    data.number = number;
    data.sending_next = sending_next;
    data.payload = segment.payload;
    send(std::move(data));
    if (++sent >= limit) break;
  }
  if (sent > 0 && in_flight_total_ > 0) OnLoss(lost * 100 / in_flight_total_, rto);
  const bool wants_ping = queue_.empty() && progressed_;
  progressed_ = false;
  return wants_ping;
}

void Sender::OnLoss(uint32_t percent, uint32_t rto) {
  if (!settings_.congestion || rto == 0) return;
  if (percent >= 15) {
    control_window_ = control_window_ * 3 / 4;
  } else if (percent <= 5) {
    control_window_ += control_window_ / 4;
  }
  control_window_ = std::min(std::max(control_window_, 16u), 2 * settings_.inflight());
}

}  // namespace culvert::reference
