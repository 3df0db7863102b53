#include "tests/bench/compare/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

namespace culvert::bench {
namespace {

std::vector<double> OneTo(int count) {
  std::vector<double> values(static_cast<size_t>(count));
  std::iota(values.rbegin(), values.rend(), 1);  // not in order, as samples are not
  return values;
}

TEST(Percentile, IsTheNearestRank) {
  EXPECT_EQ(Percentile(OneTo(100), 50), 50);
  EXPECT_EQ(Percentile(OneTo(100), 99), 99);
  EXPECT_EQ(Percentile(OneTo(100), 100), 100);
  EXPECT_EQ(Percentile(OneTo(200), 99), 198);
  EXPECT_EQ(Percentile(OneTo(5), 50), 3);
  EXPECT_EQ(Percentile(OneTo(4), 50), 2);
}

TEST(Percentile, OfFewSamplesIsTheLastOrTheFirst) {
  EXPECT_EQ(Percentile({7}, 1), 7);
  EXPECT_EQ(Percentile({7}, 99), 7);
  EXPECT_EQ(Percentile(OneTo(10), 99), 10);
  EXPECT_EQ(Percentile(OneTo(10), 1), 1);
}

TEST(Percentile, OfNothingIsNoNumber) { EXPECT_TRUE(std::isnan(Percentile({}, 50))); }

TEST(SpreadOf, TakesTheMiddleAndTheEnds) {
  const Spread odd = SpreadOf({9, 1, 4});
  EXPECT_EQ(odd.median, 4);
  EXPECT_EQ(odd.least, 1);
  EXPECT_EQ(odd.most, 9);
  const Spread even = SpreadOf({10, 1, 4, 8});
  EXPECT_EQ(even.median, 6);
  EXPECT_EQ(even.least, 1);
  EXPECT_EQ(even.most, 10);
  EXPECT_TRUE(std::isnan(SpreadOf({}).median));
}

TEST(CarriedMbit, IsRateTimesWhatIsNotLostTimesPayload) {
  EXPECT_DOUBLE_EQ(CarriedMbit(50e6, 0, 1), 50);
  EXPECT_DOUBLE_EQ(CarriedMbit(50e6, 0.02, 0.94), 50 * 0.98 * 0.94);
  EXPECT_DOUBLE_EQ(CarriedMbit(20e6, 0.10, 0.5), 9);
}

TEST(Bursts, EnterAndMeanLossAreEachOthersInverse) {
  for (const double loss : {0.001, 0.03, 0.2}) {
    for (const double burst : {1.5, 3.0, 10.0}) {
      EXPECT_NEAR(BurstMeanLoss(BurstEnterFor(loss, burst), 1 / burst), loss, 1e-12) << loss << " " << burst;
    }
  }
  EXPECT_EQ(BurstMeanLoss(0, 0), 0);
}

TEST(SecondsLeft, ScalesThePlanByWhatTheFirstPartTook) {
  EXPECT_EQ(SecondsLeft(100, 0, 5), 100);
  EXPECT_EQ(SecondsLeft(100, 50, 50), 50);
  EXPECT_EQ(SecondsLeft(100, 25, 50), 150);
  EXPECT_EQ(SecondsLeft(100, 101, 90), 0);
}

}  // namespace
}  // namespace culvert::bench
