// Test data that can be made and checked at any offset: bytes decided by a seed, never repeating within a stream.
#pragma once

#include <cstdint>
#include <optional>

#include "core/base/bytes.h"

namespace culvert::testing {

// Fills `out` with the bytes that stand at `offset` in the stream called `seed`.
void FillPattern(uint64_t seed, uint64_t offset, ByteSpan out);
// The stream offset of the first byte that is not as it should be; nullopt: all are.
std::optional<uint64_t> FindMismatch(uint64_t seed, uint64_t offset, ByteView bytes);

}  // namespace culvert::testing
