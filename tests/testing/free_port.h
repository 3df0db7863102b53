// Ports nobody uses. They are found by binding and letting go, so another program could take one in between: prefer port 0
// where the program under test can report what it got.
#pragma once

#include <cstdint>

namespace culvert::testing {

// A loopback port free for TCP and UDP, IPv4 and IPv6, above 10000 and outside the range the system hands out by itself.
// Never the same twice in a process.
uint16_t FreePort();

}  // namespace culvert::testing
