#include <gtest/gtest.h>

#include "tests/sim/kcp_pair.h"

namespace culvert::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

PairOptions Link(uint64_t mbit, Duration rtt, double loss) {
  PairOptions options;
  options.client.seed = options.server.seed = "a seed for tests";
  options.up.rate_bits_per_second = options.down.rate_bits_per_second = mbit * 1'000'000;
  options.up.delay = options.down.delay = rtt / 2;
  options.up.loss = options.down.loss = loss;
  options.down.seed = 2;
  return options;
}

// Goodput of an upload of `bytes` in Mbit/s.
double Upload(const PairOptions& options, uint64_t bytes, SessionStats* stats = nullptr) {
  KcpPair pair(options);
  pair.Open({.to_send = bytes}, {});
  const TimePoint start = pair.now();
  EXPECT_TRUE(pair.RunUntil([&] { return pair.server().received == bytes; }, seconds(300))) << pair.failure();
  if (stats) *stats = *pair.ClientStats();
  return static_cast<double>(bytes) * 8 / 1e6 / ToSeconds(pair.now() - start);
}

TEST(KcpSim, CleanLinkIsFilledWithoutRetransmission) {
  PairOptions options = Link(50, milliseconds(100), 0);
  options.up.queue_bytes = 16 << 20;
  SessionStats stats;
  const double goodput = Upload(options, 32 << 20, &stats);
  EXPECT_EQ(stats.retransmitted_segments, 0u);
  EXPECT_EQ(stats.lost_segments, 0u);
  // 50 Mbit/s x payload share 1186/1260.
  EXPECT_GT(goodput, 0.85 * 50 * 1186 / 1260) << goodput;
  RecordProperty("goodput_mbit", std::to_string(goodput));
}

// Share of what the link carries beside its losses, the start included, and waste below 1 + 1.5 x loss.
TEST(KcpSim, LossCostsLittleMoreThanWhatIsLost) {
  struct Case {
    uint64_t mbit;
    Duration rtt;
    double loss;
    uint64_t bytes;
    double least_share;
  };
  for (const Case& link : {Case{50, milliseconds(100), 0.02, 96 << 20, 0.94}, Case{20, milliseconds(200), 0.1, 48 << 20, 0.89}}) {
    SessionStats stats;
    const double goodput = Upload(Link(link.mbit, link.rtt, link.loss), link.bytes, &stats);
    const double carried = static_cast<double>(link.mbit) * (1 - link.loss) * 1186 / 1260;
    EXPECT_GT(goodput / carried, link.least_share) << link.loss;
    EXPECT_LT(stats.waste_ratio, 1 + 1.5 * link.loss) << link.loss;
  }
}

// Most losses are found by the timer, between two acks. A controller that did not hear of those would go on as if nothing were lost.
TEST(KcpSim, CubicHearsOfEveryLoss) {
  PairOptions options = Link(50, milliseconds(100), 0.02);
  options.client.congestion_control = kcp::CongestionControl::kCubic;
  EXPECT_LT(Upload(options, 4 << 20), 0.2 * 50);
}

TEST(KcpSim, ThirtyPercentLossStillDelivers) {
  const double goodput = Upload(Link(10, milliseconds(60), 0.3), 2 << 20);
  EXPECT_GT(goodput, 1.0) << goodput;
}

TEST(KcpSim, CubicFillsACleanLink) {
  PairOptions options = Link(20, milliseconds(40), 0);
  options.client.congestion_control = kcp::CongestionControl::kCubic;
  EXPECT_GT(Upload(options, 16 << 20), 0.8 * 20 * 1186 / 1260);
}

TEST(KcpSim, FixedRateKeepsItsRate) {
  PairOptions options = Link(100, milliseconds(40), 0.01);
  options.client.congestion_control = kcp::CongestionControl::kFixedRate;
  options.client.uplink_bytes_per_second = 1'250'000;
  const double goodput = Upload(options, 8 << 20);
  EXPECT_GT(goodput, 8.0);
  EXPECT_LT(goodput, 10.0);
}

TEST(KcpSim, UplinkCapBoundsTheRate) {
  PairOptions options = Link(100, milliseconds(20), 0);
  options.client.uplink_bytes_per_second = 500'000;
  EXPECT_LT(Upload(options, 2 << 20), 4.05);
}

TEST(KcpSim, BothDirectionsAtOnce) {
  KcpPair pair(Link(50, milliseconds(50), 0.01));
  pair.Open({.to_send = 8 << 20}, {.to_send = 8 << 20});
  EXPECT_TRUE(pair.RunUntil([&] { return pair.server().received == 8 << 20 && pair.client().received == 8 << 20; }, seconds(60)))
      << pair.failure();
}

TEST(KcpSim, ServerSpeaksFirst) {
  KcpPair pair(Link(10, milliseconds(40), 0));
  pair.Open({}, {.to_send = 5000});
  const TimePoint start = pair.now();
  EXPECT_TRUE(pair.RunUntil([&] { return pair.client().received == 5000; }, seconds(5))) << pair.failure();
  EXPECT_LT(pair.now() - start, milliseconds(200));  // K21: not after the 5 s of the first keep-alive
}

TEST(KcpSim, ServerSpeaksFirstThoughTheOpeningPingIsLost) {
  KcpPair pair(Link(10, milliseconds(40), 0));
  pair.black_hole = true;
  pair.Open({}, {.to_send = 5000});
  pair.RunFor(milliseconds(100));
  pair.black_hole = false;
  EXPECT_TRUE(pair.RunUntil([&] { return pair.client().received == 5000; }, seconds(2))) << pair.failure();
}

TEST(KcpSim, SlowReaderHoldsTheSenderAtItsWindow) {
  PairOptions options = Link(100, milliseconds(10), 0);
  options.server.downlink_bytes_per_second = 2'000'000;
  KcpPair pair(options);
  pair.Open({.to_send = 20 << 20}, {.read_limit = 1000});
  pair.RunFor(seconds(20));
  ASSERT_EQ(pair.failure(), "");
  const SessionStats server = *pair.ServerStats();
  EXPECT_LE(server.receive_buffered_bytes, uint64_t{server.receive_window_segments} * 1300);
  EXPECT_LT(pair.up().bytes, 1'000'000u);
  EXPECT_LT(server.out_of_window_segments, 200u);  // probes of the closed window, at growing gaps
  // Reading again gets everything through: the closed window is probed, and opens.
  pair.server().read_limit = UINT64_MAX;
  pair.PumpServer();
  EXPECT_TRUE(pair.RunUntil([&] { return pair.server().received == 20 << 20; }, seconds(40))) << pair.failure();
}

TEST(KcpSim, TenSecondBlackHoleIsSurvivedAndLeftQuickly) {
  KcpPair pair(Link(20, milliseconds(60), 0));
  pair.Open({.to_send = 40 << 20}, {});
  pair.RunFor(seconds(3));
  const uint64_t before = pair.server().received;
  pair.black_hole = true;
  pair.RunFor(seconds(10));
  EXPECT_EQ(pair.ClientStats()->limited_by, SendLimit::kPathDown);
  pair.black_hole = false;
  const uint64_t at_healing = pair.server().received;
  EXPECT_TRUE(pair.RunUntil([&] { return pair.server().received > at_healing; }, milliseconds(700))) << pair.failure();
  EXPECT_GT(before, 0u);
  EXPECT_TRUE(pair.RunUntil([&] { return pair.server().received == 40 << 20; }, seconds(60))) << pair.failure();
}

TEST(KcpSim, ManyStreamsShareOneEndpoint) {
  PairOptions options = Link(100, milliseconds(30), 0.01);
  KcpPair pair(options);
  for (int i = 0; i < 100; ++i) pair.Open({.to_send = 50'000}, {.to_send = 20'000});
  EXPECT_TRUE(pair.RunUntil(
      [&] {
        for (int i = 0; i < 100; ++i) {
          if (pair.server(i).received < 50'000 || pair.client(i).received < 20'000) return false;
        }
        return true;
      },
      seconds(60)))
      << pair.failure();
}

TEST(KcpSim, IdleSessionLivesAndCostsAPingEveryFiveSeconds) {
  KcpPair pair(Link(10, milliseconds(20), 0));
  pair.Open({.to_send = 10}, {.to_send = 10});
  ASSERT_TRUE(pair.RunUntil([&] { return pair.server().received == 10 && pair.client().received == 10; }, seconds(5)));
  pair.RunFor(seconds(5));
  const uint64_t before = pair.client_endpoint().counters().tx_datagrams;
  pair.RunFor(seconds(120));
  EXPECT_FALSE(pair.client().closed);
  EXPECT_FALSE(pair.server().closed);
  EXPECT_LE(pair.client_endpoint().counters().tx_datagrams - before, 26u);
  EXPECT_GE(pair.client_endpoint().counters().tx_datagrams - before, 22u);
}

}  // namespace
}  // namespace culvert::sim
