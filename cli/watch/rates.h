// What sessions, streams, UDP flows or forwards do per second: differences of cumulative counters over differences of the
// daemon's monotonic time.
// Thread: confined to its owner.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "culvert/v1/observe.pb.h"

namespace culvert::cli {

struct Rate {
  bool has_rates = false;  // the subject was in the frame before too
  double rx_bytes_per_second = 0;
  double tx_bytes_per_second = 0;
  std::optional<double> loss;        // data segments declared lost / sent, in the interval; nullopt: none were sent
  std::optional<double> retransmit;  // data segments sent again / sent
};

template <typename Subject>
struct Rated : Rate {
  Subject subject;  // as in the latest frame
};

struct RateFrame {
  // In the daemon's order. One of them has something in it: the one that was asked for.
  std::vector<Rated<v1::Session>> sessions;
  std::vector<Rated<v1::Stream>> streams;
  std::vector<Rated<v1::UdpFlow>> udp_flows;
  std::vector<Rated<v1::ForwardSample>> forwards;
  size_t size() const { return sessions.size() + streams.size() + udp_flows.size() + forwards.size(); }

  bool has_rates = false;          // there was a frame before
  double rx_bytes_per_second = 0;  // sums
  double tx_bytes_per_second = 0;
  int64_t seconds_since_first = 0;  // of the daemon's time
  int64_t wall_seconds = 0;         // the daemon's Unix time; 0: it did not tell
  uint64_t skipped_frames = 0;      // so far, because we were slow
};

class Rates {
 public:
  // Takes one message; the finished frame when it was the last of one. A frame may span messages.
  std::optional<RateFrame> Add(const v1::WatchStatsResponse& message);

 private:
  // Of messages; what comes beyond is left out. Ten thousand sessions are 5 MiB. A frame that never ends must not take all memory.
  static constexpr size_t kMaxFrameBytes = size_t{6} << 20;

  // Works out the rates of `subjects`, adds them to the sums of `frame` and notes their counters in `counters`.
  template <typename Subject>
  void Work(std::vector<Rated<Subject>>& subjects, double elapsed, RateFrame& frame,
            std::map<std::string, v1::Counters>& counters) const;

  RateFrame pending_;
  size_t pending_bytes_ = 0;
  std::map<std::string, v1::Counters> before_;
  double first_seconds_ = 0;
  double before_seconds_ = 0;
  bool has_before_ = false;
};

enum class SortKey { kTx, kRx, kRtt, kLoss, kName };
inline constexpr SortKey kSortKeys[] = {SortKey::kTx, SortKey::kRx, SortKey::kRtt, SortKey::kLoss, SortKey::kName};
std::string SortName(SortKey key);

// Largest first, names ascending; equal ones by name, so that rows do not jump. RTT and loss are known of sessions only.
void Sort(RateFrame& frame, SortKey key);

}  // namespace culvert::cli
