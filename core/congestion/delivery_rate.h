// DeliveryRate: how fast the network delivers, measured from acknowledgements, for controllers that model the path.
// Every transmission remembers how much had been delivered when it left (DeliverySnapshot); its acknowledgement then spans an
// interval with a known amount delivered.
// Units: bytes are datagram bytes. Thread: owned by one worker.
// Source: draft-cheng-iccrg-delivery-rate-estimation.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/base/time.h"

namespace culvert::congestion {

struct DeliverySnapshot {
  uint64_t delivered_bytes = 0;    // when the unit (segment, packet) was sent
  TimePoint delivered_at{};        // when that amount was reached
  TimePoint first_sent_at{};       // start of the flight it belongs to
  bool application_limited = false;
};

struct RateSample {
  bool is_valid = false;
  uint64_t bytes_per_second = 0;
  uint64_t prior_delivered_bytes = 0;  // of the unit the sample is from: tells round trips apart
  bool application_limited = false;
};

class DeliveryRate {
 public:
  // Call before a transmission; what it returns travels with the unit.
  DeliverySnapshot OnSend(TimePoint now, bool nothing_in_flight) {
    if (nothing_in_flight) {
      first_sent_at_ = now;
      delivered_at_ = now;
    }
    return {delivered_bytes_, delivered_at_, first_sent_at_, application_limited_until_ != 0};
  }

  // `bytes` were newly acknowledged; the most recently sent of them left at `sent_at` carrying `snapshot`.
  RateSample OnAck(TimePoint now, uint64_t bytes, const DeliverySnapshot& snapshot, TimePoint sent_at, Duration min_rtt) {
    delivered_bytes_ += bytes;
    delivered_at_ = now;
    first_sent_at_ = std::max(first_sent_at_, sent_at);
    if (application_limited_until_ != 0 && delivered_bytes_ > application_limited_until_) application_limited_until_ = 0;
    RateSample sample;
    sample.prior_delivered_bytes = snapshot.delivered_bytes;
    sample.application_limited = snapshot.application_limited;
    const Duration interval = std::max(sent_at - snapshot.first_sent_at, now - snapshot.delivered_at);
    // Shorter than any round trip: acknowledgements came compressed, the rate would be fiction.
    if (interval <= Duration::zero() || interval < min_rtt) return sample;
    sample.is_valid = true;
    sample.bytes_per_second =
        static_cast<uint64_t>(static_cast<double>(delivered_bytes_ - snapshot.delivered_bytes) / ToSeconds(interval));
    return sample;
  }

  // The sender had room and nothing to send: samples until `in_flight` is acknowledged say nothing about the path.
  void OnApplicationLimited(uint64_t bytes_in_flight) {
    application_limited_until_ = std::max<uint64_t>(delivered_bytes_ + bytes_in_flight, 1);
  }

  uint64_t delivered_bytes() const { return delivered_bytes_; }

 private:
  uint64_t delivered_bytes_ = 0;
  TimePoint delivered_at_{};
  TimePoint first_sent_at_{};
  uint64_t application_limited_until_ = 0;
};

}  // namespace culvert::congestion
