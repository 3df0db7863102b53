#include "tests/testing/link_flags.h"

#include <gtest/gtest.h>

namespace culvert::testing {
namespace {

using std::chrono::milliseconds;

TEST(LinkFlags, ReadsTheUsualForms) {
  EXPECT_EQ(*ParseRate("50mbit"), 50'000'000u);
  EXPECT_EQ(*ParseRate("1.5kbit"), 1500u);
  EXPECT_EQ(*ParseRate("0"), 0u);
  EXPECT_EQ(*ParseTime("50ms"), milliseconds(50));
  EXPECT_EQ(*ParseTime("0.2s"), milliseconds(200));
  EXPECT_DOUBLE_EQ(*ParseProbability("2%"), 0.02);
  EXPECT_DOUBLE_EQ(*ParseProbability("0.02"), 0.02);
  EXPECT_EQ(*ParseSize("64k"), 65'536u);
  EXPECT_EQ(*ParseSize("625000"), 625'000u);
}

TEST(LinkFlags, RefusesTheRest) {
  for (const char* text : {"", "mbit", "50", "50 mbit", "-1mbit", "infmbit", "50Mbit/s"})
    EXPECT_FALSE(ParseRate(text).ok()) << text;
  for (const char* text : {"", "50", "-5ms", "2h", "nan"}) EXPECT_FALSE(ParseTime(text).ok()) << text;
  for (const char* text : {"", "101%", "1.1", "-1%"}) EXPECT_FALSE(ParseProbability(text).ok()) << text;
}

TEST(LinkFlags, SetsBothDirectionsOrOne) {
  LinkPair links;
  ASSERT_TRUE(SetLinkFlag("delay", "50ms", links).ok());
  ASSERT_TRUE(SetLinkFlag("up-loss", "2%", links).ok());
  ASSERT_TRUE(SetLinkFlag("down-rate", "1mbit", links).ok());
  EXPECT_EQ(links.up.delay, milliseconds(50));
  EXPECT_EQ(links.down.delay, milliseconds(50));
  EXPECT_DOUBLE_EQ(links.up.loss, 0.02);
  EXPECT_DOUBLE_EQ(links.down.loss, 0);
  EXPECT_EQ(links.up.rate_bits_per_second, 0u);
  EXPECT_EQ(links.down.rate_bits_per_second, 1'000'000u);
  EXPECT_TRUE(absl::IsNotFound(SetLinkFlag("lose", "2%", links)));
  EXPECT_TRUE(absl::IsInvalidArgument(SetLinkFlag("loss", "often", links)));
}

TEST(LinkFlags, OneSeedGivesTheDirectionsDifferentLuck) {
  LinkPair links;
  ASSERT_TRUE(SetLinkFlag("seed", "7", links).ok());
  EXPECT_EQ(links.up.seed, 7u);
  EXPECT_NE(links.down.seed, links.up.seed);
}

}  // namespace
}  // namespace culvert::testing
