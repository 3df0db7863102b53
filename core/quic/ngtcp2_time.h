// Time as ngtcp2 counts it: nanoseconds, unsigned. For .cc files of this folder.
#pragma once

#include <ngtcp2/ngtcp2.h>

#include "core/base/time.h"

namespace culvert::quic {

// ngtcp2 now and then looks back from a moment by some seconds; a simulation begins at zero.
inline constexpr Duration kTimestampBase = std::chrono::hours(1);

inline ngtcp2_tstamp ToTimestamp(TimePoint when) {
  return static_cast<ngtcp2_tstamp>((when.time_since_epoch() + kTimestampBase).count());
}
inline TimePoint FromTimestamp(ngtcp2_tstamp when) {
  if (when >= static_cast<ngtcp2_tstamp>(INT64_MAX)) return kInfiniteFuture;
  return TimePoint(Duration(static_cast<int64_t>(when)) - kTimestampBase);
}

}  // namespace culvert::quic
