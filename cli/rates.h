// What sessions do per second: differences of cumulative counters over differences of the daemon's monotonic time.
// Thread: confined to its owner.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "culvert/v1/observe.pb.h"

namespace culvert::cli {

struct SessionRate {
  v1::Session session;     // as in the latest frame
  bool has_rates = false;  // the session was in the frame before too
  double rx_bytes_per_second = 0;
  double tx_bytes_per_second = 0;
  std::optional<double> loss;        // data segments declared lost / sent, in the interval; nullopt: none were sent
  std::optional<double> retransmit;  // data segments sent again / sent
};

struct RateFrame {
  std::vector<SessionRate> sessions;  // in the daemon's order
  bool has_rates = false;             // there was a frame before
  double rx_bytes_per_second = 0;     // sums
  double tx_bytes_per_second = 0;
  int64_t seconds_since_first = 0;  // of the daemon's time
  uint64_t skipped_frames = 0;      // so far, because we were slow
};

class Rates {
 public:
  // Takes one message; the finished frame when it was the last of one. A frame may span messages.
  std::optional<RateFrame> Add(const v1::WatchStatsResponse& message);

 private:
  static constexpr size_t kMaxSessions = 1'000'000;  // a frame that never ends must not take all memory

  std::vector<v1::Session> pending_;
  std::map<std::string, v1::Counters> before_;
  double first_seconds_ = 0;
  double before_seconds_ = 0;
  bool has_before_ = false;
};

enum class SortKey { kTx, kRx, kRtt, kLoss, kName };
inline constexpr SortKey kSortKeys[] = {SortKey::kTx, SortKey::kRx, SortKey::kRtt, SortKey::kLoss, SortKey::kName};
std::string SortName(SortKey key);

// Largest first, names ascending; equal ones by name, so that rows do not jump.
void Sort(RateFrame& frame, SortKey key);

}  // namespace culvert::cli
