// RateLimit: so many a second, a second's worth at once.
// Thread: confined to its owner.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/base/time.h"

namespace culvert::quic {

class RateLimit {
 public:
  explicit RateLimit(uint32_t per_second) : per_second_(per_second), left_(per_second) {}

  [[nodiscard]] bool Take(TimePoint now) {
    left_ = std::min(per_second_, left_ + ToSeconds(now - filled_at_) * per_second_);
    filled_at_ = now;
    if (left_ < 1) return false;
    left_ -= 1;
    return true;
  }

 private:
  double per_second_;
  double left_;
  TimePoint filled_at_{};
};

}  // namespace culvert::quic
