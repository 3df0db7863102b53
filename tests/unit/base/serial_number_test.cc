#include "core/base/serial_number.h"

#include <gtest/gtest.h>

namespace culvert {
namespace {

TEST(SerialNumber, OrderSurvivesTheWrap) {
  const SerialNumber last(UINT32_MAX);
  const SerialNumber first(0);
  EXPECT_TRUE(last.IsBefore(first));
  EXPECT_TRUE(first.IsAfter(last));
  EXPECT_FALSE(first.IsBefore(last));
  EXPECT_EQ(first.DistanceFrom(last), 1u);
  EXPECT_EQ(SerialNumber::Later(last, first), first);
  EXPECT_EQ(SerialNumber::Earlier(last, first), last);
}

TEST(SerialNumber, IsNeitherBeforeNorAfterItself) {
  const SerialNumber number(7);
  EXPECT_FALSE(number.IsBefore(number));
  EXPECT_FALSE(number.IsAfter(number));
  EXPECT_EQ(SerialNumber::Later(number, number), number);
}

TEST(SerialNumber, ComparesUpToHalfTheCircle) {
  for (uint32_t start : {0u, 1u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
    const SerialNumber number(start);
    for (uint32_t ahead : {1u, 2u, 1000u, 0x7fffffffu}) {
      EXPECT_TRUE(number.IsBefore(number.Plus(ahead))) << start << "+" << ahead;
      EXPECT_FALSE(number.IsAfter(number.Plus(ahead))) << start << "+" << ahead;
    }
  }
}

TEST(SerialNumber, CountsUpThroughTheWrap) {
  SerialNumber number(UINT32_MAX);
  EXPECT_EQ((++number).value(), 0u);
  EXPECT_EQ(SerialNumber(UINT32_MAX - 1).Plus(5).value(), 3u);
}

}  // namespace
}  // namespace culvert
