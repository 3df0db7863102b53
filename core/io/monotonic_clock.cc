#include "core/io/monotonic_clock.h"

#include <ctime>

namespace culvert::io {
namespace {

int64_t Read(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

TimePoint Now() { return TimePoint(Duration(Read(CLOCK_MONOTONIC))); }
Duration ThreadCpuTime() { return Duration(Read(CLOCK_THREAD_CPUTIME_ID)); }
int64_t UnixNanoseconds() { return Read(CLOCK_REALTIME); }

}  // namespace culvert::io
