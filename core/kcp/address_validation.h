// AddressValidation: how much may be sent to a peer that has not proved that it receives at its address.
// Until then: at most 3 times the bytes and 3 times the datagrams that came from it. The proof is an acknowledgement that echoes
// our clock, whose random start (timestamp epoch) only somebody who received our data can know.
// Thread: owned by one worker. Source: RFC 9000 section 8.1; reliability.md section 0 point 2 and T02.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/time.h"

namespace culvert::kcp {

class AddressValidation {
 public:
  static constexpr uint64_t kFactor = 3;
  static constexpr uint64_t kSpareBytes = 100;  // room for an ack of a few numbers
  // Nothing is sent to a peer that has been silent for this long.
  static constexpr Duration kPatience = std::chrono::seconds(5);
  static constexpr uint32_t kMinEpoch = 1u << 28;
  // Below 2^31 for 12 days: at and above it a v2ray peer echoes 0.
  static constexpr uint32_t kMaxEpoch = 1u << 30;

  explicit AddressValidation(bool validated) : validated_(validated) {}

  bool validated() const { return validated_; }
  void SetValidated() { validated_ = true; }
  void OnReceived(TimePoint now, size_t bytes) {
    received_at_ = now;
    received_bytes_ += bytes;
    ++received_datagrams_;
  }
  // `spare`: this datagram is not the last that must fit; an ack has to as well.
  bool MaySend(TimePoint now, size_t bytes, bool spare) const {
    return validated_ || (now - received_at_ < kPatience && sent_bytes_ + bytes + (spare ? kSpareBytes : 0) <= kFactor * received_bytes_ &&
                          sent_datagrams_ + (spare ? 1 : 0) < kFactor * received_datagrams_);
  }
  void OnSent(size_t bytes) {
    sent_bytes_ += bytes;
    ++sent_datagrams_;
  }
  // Bytes that may still be sent. REQUIRES: !validated().
  uint64_t budget_bytes() const { return kFactor * received_bytes_ - sent_bytes_; }

 private:
  bool validated_;
  TimePoint received_at_{};
  uint64_t received_bytes_ = 0;
  uint64_t received_datagrams_ = 0;
  uint64_t sent_bytes_ = 0;
  uint64_t sent_datagrams_ = 0;
};

}  // namespace culvert::kcp
