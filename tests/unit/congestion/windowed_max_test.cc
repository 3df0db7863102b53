#include "core/congestion/windowed_max.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "core/base/random.h"

namespace culvert::congestion {
namespace {

TEST(WindowedMax, ForgetsWhatIsOlderThanTheWindow) {
  WindowedMax max(10);
  max.Update(100, 0);
  for (uint64_t t = 1; t <= 10; ++t) max.Update(50, t);
  EXPECT_EQ(max.Best(), 100u);
  max.Update(50, 11);
  EXPECT_EQ(max.Best(), 50u);
}

TEST(WindowedMax, ALargerValueCountsAtOnce) {
  WindowedMax max(10);
  max.Update(5, 0);
  max.Update(7, 1);
  EXPECT_EQ(max.Best(), 7u);
}

// Constant space has a price: it may remember less than the true maximum, never more, and never less than the latest value.
TEST(WindowedMax, LiesBetweenTheLatestAndTheTrueMaximum) {
  SeededRandom random(7);
  WindowedMax max(10);
  std::deque<uint64_t> last;
  for (uint64_t t = 0; t < 10'000; ++t) {
    last.push_back(random.NextInRange(0, 1000));
    if (last.size() > 11) last.pop_front();
    max.Update(last.back(), t);
    EXPECT_GE(max.Best(), last.back());
    EXPECT_LE(max.Best(), *std::max_element(last.begin(), last.end()));
  }
}

}  // namespace
}  // namespace culvert::congestion
