// CongestionController: how much may be in flight, and how fast it may leave. One instance per connection and path, whatever the
// transport.
// Units: bytes are datagram bytes (UDP payload). Thread: owned by one worker.
#pragma once

#include <cstdint>
#include <memory>

#include "core/base/random.h"
#include "core/base/time.h"
#include "core/congestion/delivery_rate.h"

namespace culvert::congestion {

enum class CongestionControl : uint8_t { kBbr, kCubic, kFixedRate };

// What one acknowledgement, and the losses it revealed, mean to a controller.
struct AckInfo {
  uint64_t acked_bytes = 0;            // newly acknowledged
  uint64_t lost_bytes = 0;             // newly declared lost
  uint64_t bytes_in_flight = 0;        // after both
  uint64_t prior_bytes_in_flight = 0;  // before both
  uint64_t delivered_bytes = 0;        // in total
  RateSample rate;
  bool has_rtt_sample = false;
  Duration rtt_sample{};
  Duration smoothed_rtt{};
  uint64_t largest_lost_order = 0;     // transmission order of the latest unit (segment, packet) declared lost (0: none)
  bool is_marked = false;              // routers marked datagrams instead of dropping them (ECN), since the last time
};

class CongestionController {
 public:
  virtual ~CongestionController() = default;
  virtual void OnAck(TimePoint now, const AckInfo& info) = 0;
  // `order`: transmission order, rising by one for each unit sent that is acknowledged.
  virtual void OnSent(TimePoint now, uint64_t bytes, uint64_t bytes_in_flight, uint64_t order) = 0;
  // Nothing was acknowledged for so long that the timer fired `count` times in a row (from 1).
  virtual void OnTimeout(TimePoint now, uint32_t count) = 0;

  // The path takes larger or only smaller datagrams from now on.
  virtual void SetDatagramBytes(uint32_t datagram_bytes) = 0;

  virtual uint64_t window_bytes() const = 0;
  // 0: do not pace.
  virtual uint64_t pacing_bytes_per_second() const = 0;
  virtual uint64_t slow_start_threshold_bytes() const { return 0; }  // 0: none
  virtual const char* phase() const = 0;                             // for observation
};

struct ControllerOptions {
  uint32_t datagram_bytes = 1232;          // a full data datagram
  uint32_t initial_window_datagrams = 10;  // RFC 6928, RFC 9002 section 7.2
  uint64_t max_bytes_per_second = 0;       // 0: no cap
};

inline constexpr uint32_t kMinWindowDatagrams = 4;

// What a controller may have in flight before the path is known.
inline uint64_t InitialWindowBytes(const ControllerOptions& options) {
  return uint64_t{options.initial_window_datagrams} * options.datagram_bytes;
}

// `random` is drawn from during the call only.
std::unique_ptr<CongestionController> CreateController(CongestionControl kind, const ControllerOptions& options,
                                                       RandomSource& random);

}  // namespace culvert::congestion
