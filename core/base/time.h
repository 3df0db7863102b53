// Time as a value. The engines are handed `now`; nothing below core/io can ask for it.
// Units: nanoseconds, signed 64 bit. The epoch is whatever the driver chose (a monotonic clock, or zero in a simulation).
#pragma once

#include <chrono>
#include <cstdint>

namespace culvert {

using Duration = std::chrono::nanoseconds;

// The clock of a TimePoint: on purpose it has no now().
struct DriverClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<DriverClock, duration>;
  static constexpr bool is_steady = true;
};
using TimePoint = DriverClock::time_point;

inline constexpr Duration kInfiniteDuration = Duration::max();
inline constexpr TimePoint kInfiniteFuture = TimePoint::max();

// Whole milliseconds, rounded down.
constexpr int64_t ToMilliseconds(Duration d) { return std::chrono::duration_cast<std::chrono::milliseconds>(d).count(); }
constexpr double ToSeconds(Duration d) { return std::chrono::duration<double>(d).count(); }
constexpr Duration FromSeconds(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

}  // namespace culvert
