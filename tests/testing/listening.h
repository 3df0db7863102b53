// Waiting for a program that does not say when it is ready.
#pragma once

#include <cstdint>

#include "tests/testing/process.h"

namespace culvert::testing {

// Waits until somebody in the namespace of `process` listens on this TCP port (IPv4), without connecting, which relays would
// pass on. False after `limit`, or as soon as `process` has ended.
bool WaitForTcpListener(uint16_t port, Process& process, Duration limit);

}  // namespace culvert::testing
