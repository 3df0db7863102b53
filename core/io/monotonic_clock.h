// The clocks of the machine. Engines are handed the time; their drivers read it here.
#pragma once

#include <cstdint>

#include "core/base/time.h"

namespace culvert::io {

// CLOCK_MONOTONIC: never goes back, stands still while the machine sleeps.
TimePoint Now();

// Processor time the calling thread has used.
Duration ThreadCpuTime();

// Nanoseconds since 1970 on the wall clock, for people to read; may jump.
int64_t UnixNanoseconds();

}  // namespace culvert::io
