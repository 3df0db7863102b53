// Eight-byte integers on the wire of the test programs, big endian.
#pragma once

#include <cstdint>

#include "core/base/bytes.h"

namespace culvert::testing {

inline void StoreU64(uint8_t* to, uint64_t value) {
  StoreBigEndian32(to, static_cast<uint32_t>(value >> 32));
  StoreBigEndian32(to + 4, static_cast<uint32_t>(value));
}
inline uint64_t LoadU64(const uint8_t* from) {
  return static_cast<uint64_t>(LoadBigEndian32(from)) << 32 | LoadBigEndian32(from + 4);
}

}  // namespace culvert::testing
