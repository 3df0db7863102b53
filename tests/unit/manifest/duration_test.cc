#include <string>

#include "gtest/gtest.h"
#include "proto/manifest/manifest.h"

namespace culvert::manifest {
namespace {

int64_t Nanoseconds(const std::string& text) {
  const auto duration = ParseDuration(text);
  EXPECT_TRUE(duration.ok()) << duration.status();
  return duration.ok() ? duration->seconds() * 1'000'000'000 + duration->nanos() : -1;
}

TEST(ParseDuration, TakesUnitsAndSums) {
  EXPECT_EQ(Nanoseconds("50ms"), 50'000'000);
  EXPECT_EQ(Nanoseconds("10s"), 10'000'000'000);
  EXPECT_EQ(Nanoseconds("1m30s"), 90'000'000'000);
  EXPECT_EQ(Nanoseconds("2h"), 7'200'000'000'000);
  EXPECT_EQ(Nanoseconds("1d"), 86'400'000'000'000);
  EXPECT_EQ(Nanoseconds("0"), 0);
  EXPECT_EQ(Nanoseconds("0s"), 0);
  EXPECT_EQ(Nanoseconds("1.5s"), 1'500'000'000);
  EXPECT_EQ(Nanoseconds("0.050s"), 50'000'000);  // protobuf JSON
  EXPECT_EQ(Nanoseconds("1.0000000019s"), 1'000'000'001);
  EXPECT_EQ(Nanoseconds("7us"), 7'000);
  EXPECT_EQ(Nanoseconds("7ns"), 7);
}

TEST(ParseDuration, RefusesTheRest) {
  for (const char* text : {"", " ", "10", "s", "-1s", "+1s", "1 s", "1s ", "1.s", ".5s", "1..5s", "1x", "1S", "1sm",
                           "0x1s", "inf", "1e3s", "999999999999999999999999999999999999999999s", "999999999999h"}) {
    EXPECT_FALSE(ParseDuration(text).ok()) << text;
  }
  EXPECT_FALSE(ParseDuration(std::string(100'000, '9')).ok());
}

TEST(FormatDuration, ReadsBackExactly) {
  for (const char* text : {"0s", "50ms", "10s", "1m30s", "2h", "1h1s", "1s500ms", "7us", "7ns", "1h1m1s1ms", "24h"}) {
    const auto duration = ParseDuration(text);
    ASSERT_TRUE(duration.ok()) << text;
    EXPECT_EQ(FormatDuration(*duration), text);
  }
}

TEST(FormatDuration, PrintsNegativeOnes) {
  google::protobuf::Duration duration;
  duration.set_seconds(-1);
  duration.set_nanos(-500'000'000);
  EXPECT_EQ(FormatDuration(duration), "-1s500ms");
}

// A request may hold any numbers; what is wrong with them is said with them.
TEST(FormatDuration, PrintsNumbersWithoutAnOpposite) {
  google::protobuf::Duration duration;
  duration.set_seconds(INT64_MIN);
  EXPECT_EQ(FormatDuration(duration), "-2562047788015215h30m8s");
  duration.set_seconds(1);
  duration.set_nanos(INT32_MIN);
  EXPECT_EQ(FormatDuration(duration), "-2147483648ns");
  duration.set_seconds(INT64_MAX);
  duration.set_nanos(INT32_MAX);
  EXPECT_EQ(FormatDuration(duration), "2562047788015215h30m7s2147483647ns");
}

}  // namespace
}  // namespace culvert::manifest
