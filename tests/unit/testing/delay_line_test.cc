#include "tests/testing/delay_line.h"

#include <gtest/gtest.h>

namespace culvert::testing {
namespace {

using std::chrono::milliseconds;

TimePoint At(int64_t ms) { return TimePoint(milliseconds(ms)); }

TEST(DelayLine, GivesPacketsBackInOrderWhenTheyAreDue) {
  DelayLine line({.delay = milliseconds(10)});
  line.Push(At(0), AsBytes("first"), 0, 1);
  line.Push(At(0), AsBytes("second"), 0, 2);
  EXPECT_EQ(line.NextDelivery(), At(10));
  EXPECT_FALSE(line.Pop(At(9)));
  const auto first = line.Pop(At(10));
  ASSERT_TRUE(first);
  EXPECT_EQ(AsText(first->packet), "first");
  EXPECT_EQ(first->tag, 1u);
  const auto second = line.Pop(At(10));
  ASSERT_TRUE(second);
  EXPECT_EQ(AsText(second->packet), "second");
  EXPECT_FALSE(line.Pop(At(1000)));
  EXPECT_EQ(line.NextDelivery(), std::nullopt);
}

TEST(DelayLine, CountsTheOverheadOfTheWire) {
  DelayLine line({.rate_bits_per_second = 8000});  // a byte a millisecond
  line.Push(At(0), AsBytes("12345678"), 28);
  EXPECT_EQ(line.NextDelivery(), At(36));
}

TEST(DelayLine, DamagesOneBit) {
  DelayLine line({.corrupt = 1});
  line.Push(At(0), AsBytes("aaaa"), 28);
  const auto arrived = line.Pop(At(0));
  ASSERT_TRUE(arrived);
  int flipped = 0;
  for (const uint8_t byte : arrived->packet) flipped += __builtin_popcount(byte ^ 'a');
  EXPECT_EQ(flipped, 1);
}

TEST(DelayLine, DuplicatesArriveTwice) {
  DelayLine line({.duplicate = 1});
  line.Push(At(0), AsBytes("x"), 0);
  EXPECT_TRUE(line.Pop(At(0)));
  EXPECT_TRUE(line.Pop(At(0)));
  EXPECT_FALSE(line.Pop(At(0)));
}

}  // namespace
}  // namespace culvert::testing
