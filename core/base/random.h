// RandomSource: where an engine gets unpredictable numbers from. Handed in at construction, so that a seed decides a
// whole simulation and the operating system decides a running daemon (core/crypto/system_random.h).
#pragma once

#include <cstdint>

#include "core/base/bytes.h"

namespace culvert {

class RandomSource {
 public:
  virtual ~RandomSource() = default;
  virtual void Fill(ByteSpan out) = 0;

  uint32_t NextU32() {
    uint8_t bytes[4];
    Fill(bytes);
    return LoadBigEndian32(bytes);
  }
  uint64_t NextU64() { return static_cast<uint64_t>(NextU32()) << 32 | NextU32(); }
  // Uniform in [low, high]. REQUIRES: low <= high.
  uint32_t NextInRange(uint32_t low, uint32_t high) {
    return low + static_cast<uint32_t>((static_cast<uint64_t>(NextU32()) * (static_cast<uint64_t>(high) - low + 1)) >> 32);
  }
  // Uniform in [0, 1).
  double NextUnit() { return static_cast<double>(NextU64() >> 11) * 0x1.0p-53; }
};

// A reproducible generator for tests and simulations (SplitMix64). Never for keys or nonces.
class SeededRandom final : public RandomSource {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  void Fill(ByteSpan out) override;

 private:
  uint64_t state_;
};

}  // namespace culvert
