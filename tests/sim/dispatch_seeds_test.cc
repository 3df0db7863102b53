// Two million random steps on the UDP dispatcher: opening, datagrams both ways, closing and passing time in any order, with the model of
// dispatch_script.h beside it. See seeds.h for the options.
#include <gtest/gtest.h>

#include <vector>

#include "core/base/random.h"
#include "tests/sim/dispatch_script.h"
#include "tests/sim/seeds.h"

namespace culvert::sim {
namespace {

constexpr size_t kSteps = 2000;

class DispatchSeeds : public ::testing::TestWithParam<int> {};

TEST_P(DispatchSeeds, EverythingHoldsForEverySeed) {
  RunSeeds(GetParam(), [](uint64_t seed, uint64_t* hash) {
    SeededRandom random(seed);
    std::vector<uint8_t> script(4 + kSteps * kDispatchStepBytes);
    random.Fill(script);
    return RunDispatchScript(script, hash);
  });
}

INSTANTIATE_TEST_SUITE_P(Shares, DispatchSeeds, ::testing::Range(0, kShares));

}  // namespace
}  // namespace culvert::sim
