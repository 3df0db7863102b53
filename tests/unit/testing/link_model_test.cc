#include "tests/testing/link_model.h"

#include <gtest/gtest.h>

#include <vector>

namespace culvert::testing {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using Fate = LinkVerdict::Fate;

TimePoint At(Duration since_start) { return TimePoint(since_start); }

TEST(LinkModel, WithoutOptionsIsAPerfectWire) {
  LinkModel link({});
  for (int i = 0; i < 1000; ++i) {
    const LinkVerdict verdict = link.OnPacket(At(milliseconds(i)), 1500);
    ASSERT_EQ(verdict.fate, Fate::kDeliver);
    ASSERT_EQ(verdict.deliver_at, At(milliseconds(i)));
    ASSERT_FALSE(verdict.duplicate_at || verdict.corrupt_bit);
  }
  EXPECT_EQ(link.counters().delivered, 1000u);
  EXPECT_EQ(link.counters().delivered_bytes, 1'500'000u);
}

TEST(LinkModel, RateAndDelayAddUp) {
  LinkModel link({.rate_bits_per_second = 12'000'000, .delay = milliseconds(50)});
  // 1500 bytes at 12 Mbit/s take one millisecond; a second packet waits for the first.
  EXPECT_EQ(link.OnPacket(At(milliseconds(0)), 1500).deliver_at, At(milliseconds(51)));
  EXPECT_EQ(link.OnPacket(At(milliseconds(0)), 1500).deliver_at, At(milliseconds(52)));
  EXPECT_EQ(link.OnPacket(At(milliseconds(10)), 1500).deliver_at, At(milliseconds(61)));
}

TEST(LinkModel, QueueDropsFromTheTail) {
  LinkModel link({.rate_bits_per_second = 12'000'000, .queue_bytes = 4500});
  std::vector<Fate> fates;
  for (int i = 0; i < 5; ++i) fates.push_back(link.OnPacket(At(milliseconds(0)), 1500).fate);
  EXPECT_EQ(fates, (std::vector{Fate::kDeliver, Fate::kDeliver, Fate::kDeliver, Fate::kQueueFull, Fate::kQueueFull}));
  EXPECT_EQ(link.BacklogBytes(At(milliseconds(0))), 4500u);
  // One packet has gone after a millisecond: room for one.
  EXPECT_EQ(link.OnPacket(At(milliseconds(1)), 1500).fate, Fate::kDeliver);
  EXPECT_EQ(link.OnPacket(At(milliseconds(1)), 1500).fate, Fate::kQueueFull);
  EXPECT_EQ(link.counters().queue_full, 3u);
  EXPECT_EQ(link.counters().max_backlog_bytes, 4500u);
}

TEST(LinkModel, AnEmptyQueueTakesAPacketLargerThanItself) {
  LinkModel link({.rate_bits_per_second = 12'000'000, .queue_bytes = 100});
  EXPECT_EQ(link.OnPacket(At(milliseconds(0)), 1500).fate, Fate::kDeliver);
  EXPECT_EQ(link.OnPacket(At(milliseconds(0)), 1500).fate, Fate::kQueueFull);
  EXPECT_EQ(link.OnPacket(At(milliseconds(1)), 1500).fate, Fate::kDeliver);
}

TEST(LinkModel, DefaultQueueIsOneRoundTripOfTheRate) {
  EXPECT_EQ(LinkModel({.rate_bits_per_second = 50'000'000, .delay = milliseconds(50)}).queue_limit_bytes(), 625'000u);
  EXPECT_EQ(LinkModel({.rate_bits_per_second = 1'000'000, .delay = milliseconds(1)}).queue_limit_bytes(), 65'536u);
  EXPECT_EQ(LinkModel({.rate_bits_per_second = 1'000'000, .queue_bytes = 7}).queue_limit_bytes(), 7u);
}

TEST(LinkModel, LossIsAsAskedAndUsesTheRate) {
  LinkModel link({.rate_bits_per_second = 12'000'000, .queue_bytes = 1 << 30, .loss = 0.02});
  for (int i = 0; i < 100'000; ++i) (void)link.OnPacket(At(milliseconds(i)), 1500);
  EXPECT_NEAR(static_cast<double>(link.counters().lost), 2000, 200);
  // A lost packet occupies the transmitter like any other.
  LinkModel lossy({.rate_bits_per_second = 12'000'000, .loss = 1});
  (void)lossy.OnPacket(At(milliseconds(0)), 1500);
  EXPECT_EQ(lossy.BacklogBytes(At(milliseconds(0))), 1500u);
}

TEST(LinkModel, BurstsComeInRuns) {
  LinkModel link({.burst_enter = 0.01, .burst_leave = 0.25});
  int runs = 0, lost = 0;
  bool before = false;
  for (int i = 0; i < 200'000; ++i) {
    const bool is_lost = link.OnPacket(At(milliseconds(i)), 100).fate == Fate::kLost;
    lost += is_lost;
    runs += is_lost && !before;
    before = is_lost;
  }
  // Share in the bad state: enter / (enter + leave); mean length of a run: 1 / leave.
  EXPECT_NEAR(lost / 200'000.0, 0.01 / 0.26, 0.004);
  EXPECT_NEAR(static_cast<double>(lost) / runs, 4, 0.3);
}

TEST(LinkModel, JitterKeepsTheOrderAndReorderBreaksIt) {
  LinkModel steady({.delay = milliseconds(10), .jitter = milliseconds(5)});
  TimePoint last{};
  for (int i = 0; i < 1000; ++i) {
    const TimePoint at = steady.OnPacket(At(microseconds(i * 100)), 100).deliver_at;
    ASSERT_GE(at, last);
    ASSERT_GE(at, At(microseconds(i * 100)) + milliseconds(10));
    last = at;
  }
  LinkModel mixed({.delay = milliseconds(10), .reorder = 0.1});
  int overtaken = 0;
  last = TimePoint{};
  for (int i = 0; i < 1000; ++i) {
    const TimePoint at = mixed.OnPacket(At(microseconds(i * 100)), 100).deliver_at;
    overtaken += at < last;
    last = std::max(last, at);
  }
  EXPECT_GT(overtaken, 100);
  EXPECT_NEAR(static_cast<double>(mixed.counters().reordered), 100, 40);
}

TEST(LinkModel, DuplicatesAndDamagesAsAsked) {
  LinkModel link({.duplicate = 0.1, .corrupt = 0.05});
  for (int i = 0; i < 10'000; ++i) {
    const LinkVerdict verdict = link.OnPacket(At(milliseconds(i)), 10);
    if (verdict.corrupt_bit) {
      ASSERT_LT(*verdict.corrupt_bit, 80u);
    }
  }
  EXPECT_NEAR(static_cast<double>(link.counters().duplicated), 1000, 150);
  EXPECT_NEAR(static_cast<double>(link.counters().corrupted), 500, 120);
}

TEST(LinkModel, TheSeedDecidesEverything) {
  const auto run = [](uint64_t seed) {
    LinkModel link({.seed = seed, .delay = milliseconds(5), .jitter = milliseconds(5), .loss = 0.1, .reorder = 0.1});
    std::vector<TimePoint> times;
    for (int i = 0; i < 200; ++i) times.push_back(link.OnPacket(At(milliseconds(i)), 100).deliver_at);
    return times;
  };
  EXPECT_EQ(run(3), run(3));
  EXPECT_NE(run(3), run(4));
}

}  // namespace
}  // namespace culvert::testing
