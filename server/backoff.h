// Backoff: how long to leave a target alone after it failed: doubled with every failure in a row, with jitter, so that those whom
// one event cut off do not all come back at one moment.
// Thread: confined to one worker.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/base/random.h"
#include "core/base/time.h"

namespace culvert::server {

class Backoff {
 public:
  // A failure. The pause is within a quarter of least * 2^(failures so far), and never outside of [least, most].
  void OnFailure(TimePoint now, Duration least, Duration most, RandomSource& random) {
    Duration pause = least;
    for (uint32_t i = 0; i < failures_ && pause < most; ++i) pause *= 2;
    ++failures_;
    pause = std::min(pause, most);
    uint32_t draw = 0;
    random.Fill(ByteSpan(reinterpret_cast<uint8_t*>(&draw), sizeof draw));
    const double factor = 0.75 + 0.5 * static_cast<double>(draw) / static_cast<double>(UINT32_MAX);
    until_ = now + std::clamp(FromSeconds(ToSeconds(pause) * factor), least, most);
  }
  void OnSuccess() {
    failures_ = 0;
    until_ = TimePoint{};
  }

  // Until when the target is to be left alone.
  [[nodiscard]] TimePoint until() const { return until_; }
  [[nodiscard]] uint32_t failures() const { return failures_; }

 private:
  uint32_t failures_ = 0;
  TimePoint until_{};
};

}  // namespace culvert::server
