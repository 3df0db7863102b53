// What the fuzzers feed. Each takes any bytes and must neither crash nor break an invariant (checked with CULVERT_CHECK). The
// same functions run under libFuzzer (preset fuzz) and, with random mutations of real datagrams, in every test run.
#pragma once

#include "core/base/bytes.h"

namespace culvert::fuzz {

// Parses the bytes as the plaintext of a datagram; what parses is encoded again and must parse to the same.
void MkcpPacket(ByteView input);
// A script: datagrams (sealed correctly, so that they reach the engine), application calls and passing time, on one endpoint.
void MkcpSession(ByteView input);

}  // namespace culvert::fuzz
