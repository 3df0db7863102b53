// Many random scenarios. CULVERT_SIM_SEEDS=N runs N of them (200 without it), CULVERT_SIM_FIRST=K begins at K: a failure prints
// the seed, and `CULVERT_SIM_FIRST=SEED CULVERT_SIM_SEEDS=1` runs exactly that one again.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/sim/scenario.h"

namespace culvert::sim {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(KcpSeeds, EverythingHoldsForEverySeed) {
  const bool all = std::getenv("CULVERT_TEST_ALL") != nullptr;
  const uint64_t first = FromEnvironment("CULVERT_SIM_FIRST", 1);
  const uint64_t count = FromEnvironment("CULVERT_SIM_SEEDS", all ? 2000 : 200);
  for (uint64_t seed = first; seed < first + count; ++seed) {
    const Scenario scenario = MakeScenario(seed);
    uint64_t hash = 0;
    ASSERT_EQ(RunScenario(scenario, &hash), "");
    if (seed % 50 == 0) {
      // The same seed, the same run.
      uint64_t again = 0;
      ASSERT_EQ(RunScenario(scenario, &again), "");
      ASSERT_EQ(hash, again) << scenario.description;
    }
  }
}

}  // namespace
}  // namespace culvert::sim
