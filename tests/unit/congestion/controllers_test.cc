#include <gtest/gtest.h>

#include <algorithm>

#include "core/congestion/bbr.h"
#include "core/congestion/cubic.h"
#include "core/congestion/fixed_rate.h"

namespace culvert::congestion {
namespace {

using std::chrono::milliseconds;
constexpr uint32_t kDatagram = 1200;

// A path that delivers `rate` with a fixed round trip: what a controller sees once per round trip.
struct Path {
  TimePoint now{std::chrono::seconds(1)};
  uint64_t delivered = 0;
  AckInfo Round(uint64_t bytes, uint64_t rate, Duration rtt, uint64_t in_flight) {
    now += rtt;
    AckInfo info;
    info.acked_bytes = bytes;
    info.bytes_in_flight = in_flight;
    info.prior_bytes_in_flight = in_flight + bytes;
    info.rate.is_valid = true;
    info.rate.bytes_per_second = rate;
    info.rate.prior_delivered_bytes = delivered;
    delivered += bytes;
    info.delivered_bytes = delivered;
    info.has_rtt_sample = true;
    info.rtt_sample = info.smoothed_rtt = rtt;
    return info;
  }
};

TEST(Bbr, LeavesStartupWhenTheRateNoLongerGrows) {
  Bbr bbr({.datagram_bytes = kDatagram}, 2);
  Path path;
  uint64_t rate = 100'000;
  for (int i = 0; i < 6; ++i, rate *= 2) bbr.OnAck(path.now, path.Round(rate / 10, rate, milliseconds(100), rate / 10));
  EXPECT_STREQ(bbr.phase(), "startup");
  rate /= 2;
  for (int i = 0; i < 4; ++i) bbr.OnAck(path.now, path.Round(rate / 10, rate, milliseconds(100), rate / 20));
  EXPECT_STREQ(bbr.phase(), "probe_bandwidth");
  EXPECT_EQ(bbr.bandwidth_bytes_per_second(), rate);
  // Twice the bandwidth-delay product, and what acknowledgements in lumps of a round trip call for.
  EXPECT_GE(bbr.window_bytes(), 2 * rate / 10);
  EXPECT_LE(bbr.window_bytes(), 3 * rate / 10 + 3 * 65536);
}

TEST(Bbr, RandomLossDoesNotLowerTheRate) {
  Bbr bbr({.datagram_bytes = kDatagram}, 2);
  Path path;
  const uint64_t rate = 5'000'000;
  for (int i = 0; i < 20; ++i) bbr.OnAck(path.now, path.Round(rate / 10, rate, milliseconds(100), rate / 20));
  for (int i = 0; i < 50; ++i) {
    AckInfo info = path.Round(rate / 10, rate, milliseconds(100), rate / 20);
    info.lost_bytes = rate / 100;
    bbr.OnAck(path.now, info);
  }
  EXPECT_GE(bbr.pacing_bytes_per_second(), rate * 7 / 10);
}

// Fills the pipe: rounds of 100 ms at `rate`, until the cycle is reached.
void FillPipe(Bbr& bbr, Path& path, uint64_t rate) {
  for (int i = 0; i < 20; ++i) bbr.OnAck(path.now, path.Round(rate / 10, rate, milliseconds(100), rate / 20));
  ASSERT_STREQ(bbr.phase(), "probe_bandwidth");
}

TEST(Bbr, SendsOnTopWhatThePathLosesByItself) {
  Bbr bbr({.datagram_bytes = kDatagram}, 2);
  Path path;
  const uint64_t rate = 5'000'000;  // arrives, while a tenth of what is sent does not
  FillPipe(bbr, path, rate);
  uint64_t most = 0;
  uint64_t least = UINT64_MAX;
  for (int i = 0; i < 64; ++i) {
    AckInfo info = path.Round(rate / 10, rate, milliseconds(100), rate / 20);
    info.lost_bytes = rate / 90;
    bbr.OnAck(path.now, info);
    if (i < 32) continue;
    most = std::max(most, bbr.pacing_bytes_per_second());
    least = std::min(least, bbr.pacing_bytes_per_second());
  }
  EXPECT_GE(most, rate * 11 / 10);       // a step up from rate / 0.9
  EXPECT_LE(most, rate * 13 / 10);
  EXPECT_GE(least, rate * 95 / 100);     // the step down
}

TEST(Bbr, LossThatComesWithAQueueIsNotThePathsOwn) {
  Bbr bbr({.datagram_bytes = kDatagram}, 2);
  Path path;
  const uint64_t rate = 5'000'000;
  FillPipe(bbr, path, rate);
  uint64_t cruising = 0;
  for (int i = 0; i < 64; ++i) {
    AckInfo info = path.Round(rate / 10, rate, milliseconds(110), rate / 20);
    info.lost_bytes = rate / 90;
    bbr.OnAck(path.now, info);
    cruising = i == 0 ? bbr.pacing_bytes_per_second() : std::min(cruising, bbr.pacing_bytes_per_second());
  }
  EXPECT_LE(cruising, rate * 96 / 100);
}

TEST(Bbr, LetsGoFurtherOfAQueueThatOutlastsACycle) {
  Bbr bbr({.datagram_bytes = kDatagram}, 2);
  Path path;
  const uint64_t rate = 5'000'000;
  FillPipe(bbr, path, rate);
  // The least pace of some round trips in a queue, in thousandths of the bandwidth.
  const auto least = [&](int rounds) {
    uint64_t pace = UINT64_MAX;
    for (int i = 0; i < rounds; ++i) {
      bbr.OnAck(path.now, path.Round(rate / 10, rate, milliseconds(110), rate / 20));
      if (i > 1) pace = std::min(pace, bbr.pacing_bytes_per_second() * 1000 / bbr.bandwidth_bytes_per_second());
    }
    return pace;
  };
  EXPECT_GE(least(5), 890u);   // patience, or the step down of a cycle
  EXPECT_LE(least(40), 800u);
}

TEST(Bbr, StepsGentlyWhereThereIsNoMoreAndBoldlyWhereThereIs) {
  Bbr bbr({.datagram_bytes = kDatagram}, 2);
  Path path;
  uint64_t rate = 5'000'000;
  FillPipe(bbr, path, rate);
  const auto most_of_a_cycle = [&](bool grows) {
    uint64_t most = 0;
    for (int i = 0; i < 24; ++i) {
      if (grows && i % 3 == 0) rate = rate * 11 / 10;
      bbr.OnAck(path.now, path.Round(rate / 10, rate, milliseconds(100), rate / 20));
      most = std::max(most, bbr.pacing_bytes_per_second() * 1000 / bbr.bandwidth_bytes_per_second());
    }
    return most;
  };
  (void)most_of_a_cycle(false);
  EXPECT_LE(most_of_a_cycle(false), 1110u);
  (void)most_of_a_cycle(true);
  EXPECT_GE(most_of_a_cycle(true), 1200u);
}

TEST(Bbr, AQueueThatGrowsEndsStartupWithinTheRoundTrip) {
  Bbr bbr({.datagram_bytes = kDatagram}, 2);
  Path path;
  for (uint64_t rate = 100'000; rate < 3'200'000; rate *= 2) {
    bbr.OnAck(path.now, path.Round(rate / 10, rate, milliseconds(100), rate / 10));
  }
  ASSERT_STREQ(bbr.phase(), "startup");
  // One round trip's worth of acks, a few at a time: the first half in time, the others later and later.
  for (int i = 0; i < 40; ++i) {
    path.now += milliseconds(2);
    AckInfo info;
    info.acked_bytes = 3 * kDatagram;
    info.bytes_in_flight = info.prior_bytes_in_flight = 300'000;
    info.delivered_bytes = path.delivered + 1;  // the same round trip
    info.has_rtt_sample = true;
    info.rtt_sample = milliseconds(i < 20 ? 100 : 100 + i);
    bbr.OnAck(path.now, info);
    if (i == 19) {
      ASSERT_STREQ(bbr.phase(), "startup");
    }
  }
  EXPECT_STREQ(bbr.phase(), "drain");
}

TEST(Bbr, TwoTimeoutsShrinkTheWindowAndTheFirstAckRestoresIt) {
  Bbr bbr({.datagram_bytes = kDatagram}, 2);
  Path path;
  for (int i = 0; i < 20; ++i) bbr.OnAck(path.now, path.Round(500'000, 5'000'000, milliseconds(100), 250'000));
  const uint64_t before = bbr.window_bytes();
  bbr.OnTimeout(path.now, 1);
  EXPECT_EQ(bbr.window_bytes(), before);
  bbr.OnTimeout(path.now, 2);
  EXPECT_EQ(bbr.window_bytes(), 4u * kDatagram);
  bbr.OnAck(path.now, path.Round(1200, 5'000'000, milliseconds(100), 0));
  EXPECT_GE(bbr.window_bytes(), before * 9 / 10);
}

// A round trip of 100 ms that loses as much as it delivers, within startup.
AckInfo HeavyLoss(Path& path) {
  AckInfo info = path.Round(100 * kDatagram, 1'200'000, milliseconds(100), 0);
  info.lost_bytes = 100 * kDatagram;
  return info;
}

TEST(Bbr, AnOverflowEndsStartup) {
  Bbr bbr({.datagram_bytes = kDatagram}, 2);
  Path path;
  bbr.OnAck(path.now, path.Round(50 * kDatagram, 600'000, milliseconds(100), 0));
  ASSERT_STREQ(bbr.phase(), "startup");
  bbr.OnAck(path.now, HeavyLoss(path));
  EXPECT_STRNE(bbr.phase(), "startup");
}

TEST(Bbr, WhatIsLostAroundATimeoutIsNoOverflow) {
  Bbr bbr({.datagram_bytes = kDatagram}, 2);
  Path path;
  bbr.OnAck(path.now, path.Round(50 * kDatagram, 600'000, milliseconds(100), 0));
  bbr.OnTimeout(path.now, 1);
  bbr.OnAck(path.now, HeavyLoss(path));
  EXPECT_STREQ(bbr.phase(), "startup");
  bbr.OnAck(path.now, HeavyLoss(path));
  EXPECT_STRNE(bbr.phase(), "startup") << "in a round trip without a timeout it is";
}

TEST(Bbr, AMarkEndsStartup) {
  Bbr bbr({.datagram_bytes = kDatagram}, 2);
  Path path;
  bbr.OnAck(path.now, path.Round(50 * kDatagram, 600'000, milliseconds(100), 0));
  ASSERT_STREQ(bbr.phase(), "startup");
  AckInfo info = path.Round(100 * kDatagram, 1'200'000, milliseconds(100), 0);
  info.is_marked = true;
  bbr.OnAck(path.now, info);
  EXPECT_STRNE(bbr.phase(), "startup");
}

TEST(Bbr, LetsGoWhileEveryRoundTripIsMarked) {
  const uint64_t rate = 5'000'000;
  // The least it sends at in 20 round trips, after it knows the path.
  const auto slowest = [&](bool is_marked) {
    Bbr bbr({.datagram_bytes = kDatagram}, 2);
    Path path;
    for (int i = 0; i < 20; ++i) bbr.OnAck(path.now, path.Round(rate / 10, rate, milliseconds(100), rate / 20));
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 20; ++i) {
      AckInfo info = path.Round(rate / 10, rate, milliseconds(100), rate / 20);
      info.is_marked = is_marked;
      bbr.OnAck(path.now, info);
      least = std::min(least, bbr.pacing_bytes_per_second());
    }
    return least;
  };
  EXPECT_LT(slowest(true), slowest(false) * 95 / 100);
}

TEST(Bbr, TheInitialWindowIsAnOptionAndTheLeastFollowsTheDatagramSize) {
  Bbr bbr({.datagram_bytes = kDatagram, .initial_window_datagrams = 17}, 2);
  EXPECT_EQ(bbr.window_bytes(), 17u * kDatagram);
  bbr.SetDatagramBytes(1400);
  bbr.OnTimeout(TimePoint(std::chrono::seconds(1)), 2);
  EXPECT_EQ(bbr.window_bytes(), 4u * 1400);
}

TEST(Bbr, TheCapHolds) {
  Bbr bbr({.datagram_bytes = kDatagram, .max_bytes_per_second = 1'000'000}, 2);
  Path path;
  for (int i = 0; i < 20; ++i) bbr.OnAck(path.now, path.Round(500'000, 5'000'000, milliseconds(100), 250'000));
  EXPECT_LE(bbr.pacing_bytes_per_second(), 1'000'000u);
}

TEST(Cubic, DoublesInSlowStartAndShrinksByThreeTenthsOnLoss) {
  Cubic cubic({.datagram_bytes = kDatagram});
  Path path;
  const uint64_t start = cubic.window_bytes();
  cubic.OnSent(path.now, start, 0, 32);
  cubic.OnAck(path.now, path.Round(start, 1'000'000, milliseconds(50), 0));
  EXPECT_EQ(cubic.window_bytes(), 2 * start);
  AckInfo info = path.Round(1200, 1'000'000, milliseconds(50), 2 * start);
  info.lost_bytes = 1200;
  info.largest_lost_order = 40;
  cubic.OnSent(path.now, 1200, 0, 100);
  cubic.OnAck(path.now, info);
  EXPECT_NEAR(static_cast<double>(cubic.window_bytes()), 0.7 * 2 * static_cast<double>(start), 2.0 * kDatagram);
  const uint64_t after = cubic.window_bytes();
  // Another loss of the same flight is the same congestion.
  info.largest_lost_order = 90;
  cubic.OnAck(path.now, info);
  EXPECT_GE(cubic.window_bytes(), after);
}

TEST(Cubic, AMarkWeighsAsMuchAsALossOnceInARoundTrip) {
  Cubic cubic({.datagram_bytes = kDatagram});
  Path path;
  const uint64_t start = cubic.window_bytes();
  AckInfo info = path.Round(1200, 1'000'000, milliseconds(50), 0);
  info.is_marked = true;
  cubic.OnAck(path.now, info);
  EXPECT_EQ(cubic.window_bytes(), start * 7 / 10);
  cubic.OnAck(path.now, info);
  EXPECT_EQ(cubic.window_bytes(), start * 7 / 10) << "sent before the first mark was known";
  info = path.Round(1200, 1'000'000, milliseconds(50), 0);
  info.is_marked = true;
  cubic.OnAck(path.now, info);
  EXPECT_LT(cubic.window_bytes(), start * 7 / 10);
}

TEST(FixedRate, IsWhatWasAskedFor) {
  FixedRate fixed({.datagram_bytes = kDatagram, .max_bytes_per_second = 777'000});
  EXPECT_EQ(fixed.pacing_bytes_per_second(), 777'000u);
}

}  // namespace
}  // namespace culvert::congestion
