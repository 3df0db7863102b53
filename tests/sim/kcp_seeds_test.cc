// Many random scenarios of two endpoints and the link between them. See seeds.h for the options.
#include <gtest/gtest.h>

#include "tests/sim/scenario.h"
#include "tests/sim/seeds.h"

namespace culvert::sim {
namespace {

class KcpSeeds : public ::testing::TestWithParam<int> {};

TEST_P(KcpSeeds, EverythingHoldsForEverySeed) {
  RunSeeds(GetParam(), [](uint64_t seed, uint64_t* hash) { return RunScenario(MakeScenario(seed), hash); });
}

INSTANTIATE_TEST_SUITE_P(Shares, KcpSeeds, ::testing::Range(0, kShares));

}  // namespace
}  // namespace culvert::sim
