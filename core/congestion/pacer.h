// Pacer: spreads what a window allows over time, in steps a driver can send as one train.
// Units: bytes are datagram bytes. Thread: owned by one worker.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/base/time.h"

namespace culvert::congestion {

class Pacer {
 public:
  // A step is about a millisecond's worth, at least two datagrams, at most one GSO train.
  static constexpr Duration kStep = std::chrono::milliseconds(1);
  static constexpr uint64_t kMaxStepBytes = 64 * 1024;

  // 0: no pacing.
  void SetRate(uint64_t bytes_per_second, uint32_t datagram_bytes) {
    rate_ = bytes_per_second;
    step_bytes_ = std::clamp<uint64_t>(rate_ / 1000, 2 * uint64_t{datagram_bytes}, kMaxStepBytes);
  }

  bool MaySend(TimePoint now) const { return rate_ == 0 || now >= next_at_; }
  // When a whole step may be sent: worth waking up for.
  TimePoint NextStepAt() const { return next_at_ + ToDuration(step_bytes_) / 2; }

  void OnSent(TimePoint now, uint64_t bytes) {
    if (rate_ == 0) return;
    // Time that passed unused is worth one step, or a millisecond where steps are shorter than a busy driver's turns; never a burst.
    const Duration most = std::max(ToDuration(step_bytes_), Duration(kStep));
    next_at_ = std::max(next_at_, now - most) + ToDuration(bytes);
  }

 private:
  Duration ToDuration(uint64_t bytes) const {
    return Duration(static_cast<int64_t>(static_cast<double>(bytes) * 1e9 / static_cast<double>(rate_)));
  }

  uint64_t rate_ = 0;
  uint64_t step_bytes_ = kMaxStepBytes;
  TimePoint next_at_{};
};

}  // namespace culvert::congestion
