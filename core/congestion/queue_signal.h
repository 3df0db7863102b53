// QueueSignal: tells from round-trip times whether our datagrams wait in a queue of the path. Single round trips say little, as
// jitter and peers that answer on a tick lengthen some of them; the least of several tells.
// Thread: owned by one worker. Source: RFC 9406 section 4.2 for the idea and the bounds of the first of the two signals.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/base/time.h"

namespace culvert::congestion {

class QueueSignal {
 public:
  void OnRtt(TimePoint now, Duration rtt, Duration min_rtt) {
    round_least_ = std::min(round_least_, rtt);
    if (few_ == 0) {
      few_began_at_ = now;
      few_least_ = kInfiniteDuration;
    }
    few_least_ = std::min(few_least_, rtt);
    if (++few_ < kFew || now - few_began_at_ < min_rtt / 8) return;
    is_building_ = few_least_ - min_rtt > std::clamp(min_rtt / 8, kBuildingMin, kBuildingMax);
    few_ = 0;
  }

  void OnRoundEnd(Duration min_rtt) {
    const bool has_waited =
        round_least_ != kInfiniteDuration && round_least_ - min_rtt > std::clamp(min_rtt / 32, kStandsMin, kStandsMax);
    rounds_standing_ = has_waited ? rounds_standing_ + 1 : 0;
    round_least_ = kInfiniteDuration;
  }

  // The last few answers have all waited: seen while the queue grows, within a part of a round trip.
  bool is_building() const { return is_building_; }
  // Every answer of the last round trip has waited.
  bool stands() const { return rounds_standing_ > 0; }
  // How many round trips on end.
  uint32_t rounds_standing() const { return rounds_standing_; }

 private:
  static constexpr uint32_t kFew = 8;
  static constexpr Duration kBuildingMin = std::chrono::milliseconds(4);
  static constexpr Duration kBuildingMax = std::chrono::milliseconds(8);
  static constexpr Duration kStandsMin = std::chrono::milliseconds(2);
  static constexpr Duration kStandsMax = std::chrono::milliseconds(5);

  Duration round_least_ = kInfiniteDuration;
  Duration few_least_ = kInfiniteDuration;
  TimePoint few_began_at_{};
  uint32_t few_ = 0;
  bool is_building_ = false;
  uint32_t rounds_standing_ = 0;
};

}  // namespace culvert::congestion
