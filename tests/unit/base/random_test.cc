#include "core/base/random.h"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <vector>

namespace culvert {
namespace {

TEST(SeededRandom, OneSeedGivesOneSequence) {
  SeededRandom a(7);
  SeededRandom b(7);
  SeededRandom c(8);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const uint64_t value = a.NextU64();
    EXPECT_EQ(value, b.NextU64());
    differs |= value != c.NextU64();
  }
  EXPECT_TRUE(differs);
}

TEST(SeededRandom, FillsEverySizeAndNothingMore) {
  for (size_t size = 0; size < 40; ++size) {
    std::vector<uint8_t> bytes(size + 1, 0xee);
    std::set<uint8_t> seen;
    SeededRandom random(size);
    for (int round = 0; round < 20; ++round) {
      random.Fill(ByteSpan(bytes).first(size));
      if (size > 0) seen.insert(bytes[size - 1]);
    }
    EXPECT_EQ(bytes[size], 0xee);
    if (size > 0) {
      EXPECT_GT(seen.size(), 5u) << "the last of " << size << " bytes does not vary";
    }
  }
}

TEST(RandomSource, RangesIncludeBothEnds) {
  SeededRandom random(3);
  std::set<uint32_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(random.NextInRange(10, 13));
  EXPECT_EQ(seen, (std::set<uint32_t>{10, 11, 12, 13}));
  EXPECT_EQ(random.NextInRange(5, 5), 5u);
  for (int i = 0; i < 100; ++i) random.NextInRange(0, UINT32_MAX);  // the full range must not overflow to an empty one
}

TEST(RandomSource, UnitIsBelowOneAndSpread) {
  SeededRandom random(4);
  double sum = 0;
  for (int i = 0; i < 10000; ++i) {
    const double value = random.NextUnit();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    sum += value;
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.02);
}

}  // namespace
}  // namespace culvert
