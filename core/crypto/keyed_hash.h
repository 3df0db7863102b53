// KeyedHash: SipHash-2-4 under a key of its own, for hash tables whose keys a peer chooses. Without the key nobody can
// prepare values that fall into one bucket.
// Source: Aumasson, Bernstein, "SipHash: a fast short-input PRF".
// Thread: immutable; may be shared. Two instances hash differently.
#pragma once

#include <array>
#include <cstdint>

#include "core/base/bytes.h"
#include "core/base/random.h"

namespace culvert {

class KeyedHash {
 public:
  explicit KeyedHash(RandomSource& random);
  // With a given key, its two halves as SipHash reads them from memory (little-endian).
  explicit KeyedHash(std::array<uint64_t, 2> key) : key_(key) {}

  uint64_t operator()(ByteView bytes) const;

 private:
  std::array<uint64_t, 2> key_;
};

}  // namespace culvert
