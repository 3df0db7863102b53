#include "core/kcp/path_memory.h"

#include <gtest/gtest.h>

namespace culvert::kcp {
namespace {

using std::chrono::milliseconds;

struct PathMemoryTest : ::testing::Test {
  KeyedHash hash{{3, 4}};
  PathMemory paths{hash};
  TimePoint now{std::chrono::hours(1)};
  IpAddress host = IpAddress::V4({10, 0, 0, 1});
};

TEST_F(PathMemoryTest, KnowsNothingOfAStranger) {
  EXPECT_EQ(paths.Find(now, host).smoothed_rtt, Duration::zero());
  paths.Note(now, host, milliseconds(80), milliseconds(5), 100, 0);
  EXPECT_EQ(paths.Find(now, IpAddress::V4({10, 0, 0, 2})).smoothed_rtt, Duration::zero());
}

TEST_F(PathMemoryTest, RemembersTheLastRoundTripForAWhile) {
  paths.Note(now, host, milliseconds(80), milliseconds(5), 1, 0);
  paths.Note(now, host, milliseconds(90), milliseconds(6), 1, 0);
  EXPECT_EQ(paths.Find(now, host).smoothed_rtt, milliseconds(90));
  EXPECT_EQ(paths.Find(now, host).rttvar, milliseconds(6));
  EXPECT_EQ(paths.Find(now + PathMemory::kLifetime + milliseconds(1), host).smoothed_rtt, Duration::zero());
}

TEST_F(PathMemoryTest, KnowsTheShareThatWasLost) {
  paths.Note(now, host, milliseconds(80), milliseconds(5), 2, 3);  // retransmissions get lost as well
  EXPECT_EQ(paths.Find(now, host).loss_rate, 1);
  paths.Note(now, host, milliseconds(80), milliseconds(5), 98, 7);
  EXPECT_DOUBLE_EQ(paths.Find(now, host).loss_rate, 0.1);
}

TEST_F(PathMemoryTest, ForgetsTheLossOfLongAgo) {
  paths.Note(now, host, milliseconds(80), milliseconds(5), 4000, 400);
  for (int i = 0; i < 40; ++i) paths.Note(now, host, milliseconds(80), milliseconds(5), 1000, 0);
  EXPECT_LT(paths.Find(now, host).loss_rate, 0.001);
}

TEST_F(PathMemoryTest, AnotherHostTakesAPlaceOverWithoutInheritingAnything) {
  paths.Note(now, host, milliseconds(80), milliseconds(5), 4000, 400);
  uint32_t others = 0;
  for (uint8_t a = 0; a < 16; ++a) {
    for (uint8_t b = 0; b < 255; ++b) paths.Note(now, IpAddress::V4({11, 0, a, b}), milliseconds(20), milliseconds(1), 100, 0);
  }
  for (uint8_t a = 0; a < 16; ++a) {
    for (uint8_t b = 0; b < 255; ++b) {
      const PathMemory::Path path = paths.Find(now, IpAddress::V4({11, 0, a, b}));
      EXPECT_EQ(path.loss_rate, 0);
      if (path.smoothed_rtt != Duration::zero()) ++others;
    }
  }
  EXPECT_GT(others, PathMemory::kPlaces / 2);
  EXPECT_LE(others, PathMemory::kPlaces);
  EXPECT_EQ(paths.Find(now, host).smoothed_rtt, Duration::zero());
}

}  // namespace
}  // namespace culvert::kcp
