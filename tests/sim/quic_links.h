// Links that the tests of QUIC use again and again.
#pragma once

#include "tests/sim/quic_pair.h"

namespace culvert::sim {

// Both ways alike; the queue holds one bandwidth-delay product, at least 64 KiB. 0 Mbit/s: no limit.
inline QuicPairOptions PairOver(Duration round_trip, uint64_t mbit, double loss = 0, uint64_t seed = 1) {
  QuicPairOptions options;
  options.seed = seed;
  options.up = {.seed = seed * 7 + 1, .rate_bits_per_second = mbit * 1'000'000, .delay = round_trip / 2, .loss = loss};
  options.down = options.up;
  options.down.seed = seed * 7 + 2;
  return options;
}

}  // namespace culvert::sim
