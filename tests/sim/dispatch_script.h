// A script of any bytes on a UdpDispatcher, and beside it the plainest model of what it should do: a list of associations and a list of
// flows, looked through from the beginning each time. After each step both must agree in every flow, counter and event.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/bytes.h"

namespace culvert::sim {

// What did not hold, and at which step; empty: all did. `hash`, if not null: over everything that happened.
std::string RunDispatchScript(ByteView script, uint64_t* hash = nullptr);

// How many bytes a step takes.
inline constexpr size_t kDispatchStepBytes = 4;

}  // namespace culvert::sim
