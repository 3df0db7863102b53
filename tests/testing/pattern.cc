#include "tests/testing/pattern.h"

#include <array>

namespace culvert::testing {
namespace {

// SplitMix64's output function: eight bytes of the stream by their number.
uint64_t Word(uint64_t seed, uint64_t number) {
  uint64_t z = seed * 0x9e3779b97f4a7c15 + (number + 1) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

}  // namespace

void FillPattern(uint64_t seed, uint64_t offset, ByteSpan out) {
  size_t at = 0;
  while (at < out.size()) {
    const uint64_t word = Word(seed, (offset + at) / 8);
    const size_t skip = (offset + at) % 8;
    const size_t size = std::min<size_t>(8 - skip, out.size() - at);
    std::memcpy(&out[at], reinterpret_cast<const uint8_t*>(&word) + skip, size);
    at += size;
  }
}

std::optional<uint64_t> FindMismatch(uint64_t seed, uint64_t offset, ByteView bytes) {
  std::array<uint8_t, 4096> expected;
  for (size_t at = 0; at < bytes.size();) {
    const size_t size = std::min(expected.size(), bytes.size() - at);
    FillPattern(seed, offset + at, ByteSpan(expected).first(size));
    if (std::memcmp(expected.data(), &bytes[at], size) != 0) {
      for (size_t i = 0; i < size; ++i) {
        if (expected[i] != bytes[at + i]) return offset + at + i;
      }
    }
    at += size;
  }
  return std::nullopt;
}

}  // namespace culvert::testing
