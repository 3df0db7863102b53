// Many random scenarios of QUIC endpoints and the link between them. See seeds.h for the options.
#include <gtest/gtest.h>

#include "tests/sim/quic_scenario.h"
#include "tests/sim/seeds.h"

namespace culvert::sim {
namespace {

class QuicSeeds : public ::testing::TestWithParam<int> {};

TEST_P(QuicSeeds, EverythingHoldsForEverySeed) {
  RunSeeds(GetParam(), [](uint64_t seed, uint64_t* hash) { return RunQuicScenario(MakeQuicScenario(seed), hash); });
}

INSTANTIATE_TEST_SUITE_P(Shares, QuicSeeds, ::testing::Range(0, kShares));

}  // namespace
}  // namespace culvert::sim
