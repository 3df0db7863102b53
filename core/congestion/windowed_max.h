// WindowedMax: the largest value seen within the last `window` units of time, in constant space: the best three candidates, each
// later than the one before it.
// Units: those of the caller; time never decreases. Thread: owned by one worker.
#pragma once

#include <array>
#include <cstdint>

namespace culvert::congestion {

class WindowedMax {
 public:
  explicit WindowedMax(uint64_t window) : window_(window) {}

  void Update(uint64_t value, uint64_t time) {
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
      // The candidates are to be spread over the window, or there is none left when the best expires.
      samples_[1] = samples_[2] = now;
    } else if (samples_[2].time == samples_[1].time && time - samples_[2].time > window_ / 2) {
      samples_[2] = now;
    }
  }
  uint64_t Best() const { return samples_[0].value; }

 private:
  struct Sample {
    uint64_t value = 0;
    uint64_t time = 0;
  };
  uint64_t window_;
  std::array<Sample, 3> samples_{};
};

}  // namespace culvert::congestion
