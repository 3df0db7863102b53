#include "core/quic/congestion.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/quic/conn_pair.h"

namespace culvert::quic {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint64_t kUnlimited = uint64_t{1} << 40;
constexpr uint64_t kRate = 20'000'000;  // bits per second

// 60 ms round trip, 20 Mbit/s, one bandwidth-delay product of queue.
ConnPairOptions Link(CongestionControl control = CongestionControl::kBbr) {
  ConnPairOptions options;
  options.control = control;
  options.up = {.seed = 3, .rate_bits_per_second = kRate, .queue_bytes = 150'000, .delay = milliseconds(30)};
  options.down = options.up;
  options.down.seed = 4;
  return options;
}

// What arrives in `time`, in bits per second of payload.
double Goodput(ConnPair& pair, Duration time) {
  const uint64_t before = pair.received();
  pair.RunFor(time);
  return static_cast<double>(pair.received() - before) * 8 / ToSeconds(time);
}

bool SendAll(ConnPair& pair, uint64_t bytes, Duration limit) {
  pair.to_send += bytes;
  return pair.RunUntil([&] { return pair.received() == pair.to_send; }, limit);
}

TEST(QuicCongestion, BeginsWithOurWindow) {
  ConnPair pair(Link());
  EXPECT_EQ(pair.ClientInfo().cwnd, 32u * 1200);
  EXPECT_STREQ(pair.congestion().phase(), "startup");
  EXPECT_GT(pair.congestion().pacing_bytes_per_second(), 1'000'000u);
  EXPECT_EQ(pair.congestion().slow_start_threshold_bytes(), 0u);
}

TEST(QuicCongestion, TheModelFindsTheRateAndTheWindowFollows) {
  ConnPair pair(Link());
  pair.to_send = kUnlimited;
  pair.RunFor(seconds(3));
  EXPECT_STREQ(pair.congestion().phase(), "probe_bandwidth");
  EXPECT_GT(Goodput(pair, seconds(5)), 0.9 * kRate);
  const double bytes_per_second = kRate / 8.0;
  EXPECT_NEAR(static_cast<double>(pair.congestion().pacing_bytes_per_second()), bytes_per_second, 0.3 * bytes_per_second);
  // Twice what 60 ms hold, and some for lumps.
  EXPECT_GT(pair.ClientInfo().cwnd, 1.5 * 0.06 * bytes_per_second);
  EXPECT_LT(pair.ClientInfo().cwnd, 4 * 0.06 * bytes_per_second);
  EXPECT_EQ(pair.congestion().window_bytes(), pair.ClientInfo().cwnd);
  EXPECT_EQ(pair.congestion().counters().spurious_packets, 0u);
  EXPECT_GE(pair.congestion().counters().acked_bytes, pair.received());
  EXPECT_FALSE(pair.has_failed());
}

TEST(QuicCongestion, LossDoesNotSlowTheModelDown) {
  ConnPairOptions options = Link();
  options.up.loss = 0.05;
  ConnPair pair(options);
  pair.to_send = kUnlimited;
  pair.RunFor(seconds(5));
  EXPECT_GT(Goodput(pair, seconds(10)), 0.85 * 0.95 * kRate);
  const CongestionCounters& counters = pair.congestion().counters();
  EXPECT_NEAR(static_cast<double>(counters.lost_packets) / static_cast<double>(counters.sent_packets), 0.05, 0.015);
  EXPECT_GT(counters.lost_bytes, counters.lost_packets * 1000);
}

TEST(QuicCongestion, ALossFoundByTheTimerIsCounted) {
  ConnPair pair(Link());
  ASSERT_TRUE(SendAll(pair, 1000, seconds(2)));
  pair.RunFor(seconds(5));  // the path MTU is found
  const uint64_t lost_before = pair.congestion().counters().lost_packets;
  // One vanishes; a single later one is too few to show it by their number.
  pair.black_hole = true;
  pair.to_send += 500;
  ASSERT_TRUE(pair.RunUntil([&] { return pair.sent() == pair.to_send; }, seconds(1)));
  pair.black_hole = false;
  pair.RunFor(milliseconds(1));
  pair.to_send += 500;
  ASSERT_TRUE(pair.RunUntil([&] { return pair.ClientInfo().bytes_in_flight < 700; }, seconds(1))) << "the later one is acknowledged";
  EXPECT_EQ(pair.congestion().counters().lost_packets, lost_before);
  ASSERT_TRUE(pair.RunUntil([&] { return pair.received() == pair.to_send; }, seconds(2)));
  EXPECT_EQ(pair.congestion().counters().lost_packets, lost_before + 1);
  EXPECT_EQ(pair.congestion().counters().timeouts, 0u);
}

TEST(QuicCongestion, TimeoutsReachTheModelAndItRecoversAtOnce) {
  ConnPair pair(Link());
  pair.to_send = kUnlimited;
  pair.RunFor(seconds(4));
  const uint64_t window = pair.congestion().window_bytes();
  pair.black_hole = true;
  pair.RunFor(seconds(3));
  EXPECT_GE(pair.congestion().pto_count(), 2u);
  EXPECT_GE(pair.congestion().counters().timeouts, 2u);
  EXPECT_EQ(pair.congestion().window_bytes(), 4 * ngtcp2_conn_get_path_max_tx_udp_payload_size(pair.client())) << "of " << window;
  pair.black_hole = false;
  ASSERT_TRUE(pair.RunUntil([&] { return pair.congestion().pto_count() == 0; }, seconds(10)));
  pair.RunFor(seconds(1));
  EXPECT_GT(pair.congestion().window_bytes(), window / 2);
  // What the black hole swallowed is repeated first, so that a while counts.
  EXPECT_GT(Goodput(pair, seconds(3)), 0.85 * kRate);
  EXPECT_FALSE(pair.has_failed());
}

TEST(QuicCongestion, LateDatagramsAreCountedAsSpuriousLosses) {
  ConnPairOptions options = Link();
  options.up.reorder = 0.01;
  options.up.reorder_delay = milliseconds(40);
  ConnPair pair(options);
  pair.to_send = kUnlimited;
  pair.RunFor(seconds(5));
  const CongestionCounters& counters = pair.congestion().counters();
  EXPECT_GT(counters.spurious_packets, 10u);
  EXPECT_LE(counters.spurious_packets, counters.lost_packets);
}

TEST(QuicCongestion, ANewPathBeginsWithANewModel) {
  ConnPair pair(Link());
  pair.to_send = kUnlimited;
  pair.RunFor(seconds(4));
  EXPECT_STREQ(pair.congestion().phase(), "probe_bandwidth");
  ASSERT_TRUE(pair.Migrate());
  EXPECT_STREQ(pair.congestion().phase(), "startup");
  EXPECT_EQ(pair.ClientInfo().cwnd, 32u * 1200);
  pair.RunFor(seconds(2));
  EXPECT_GT(Goodput(pair, seconds(5)), 0.85 * kRate);
  EXPECT_FALSE(pair.has_failed());
}

TEST(QuicCongestion, MarksArriveAndEndStartup) {
  ConnPairOptions options = Link();
  options.up.rate_bits_per_second = 0;  // nothing but the marks speaks against going on
  ConnPair pair(options);
  pair.mark_every = 5;
  pair.to_send = 1'000'000;
  ASSERT_TRUE(pair.RunUntil([&] { return pair.received() == pair.to_send; }, seconds(20)));
  EXPECT_GT(pair.congestion().ecn_marks(), 10u);
  EXPECT_STRNE(pair.congestion().phase(), "startup");
}

TEST(QuicCongestion, CubicOfTheLibraryIsCountedAndPaced) {
  ConnPair pair(Link(CongestionControl::kCubic));
  EXPECT_EQ(pair.congestion().pacing_bytes_per_second(), 0u) << "no round trip is known";
  pair.to_send = kUnlimited;
  pair.RunFor(seconds(5));
  EXPECT_GT(Goodput(pair, seconds(5)), 0.85 * kRate);
  EXPECT_GT(pair.congestion().counters().lost_packets, 0u) << "it fills the queue";
  EXPECT_GT(pair.congestion().slow_start_threshold_bytes(), 0u);
  EXPECT_STREQ(pair.congestion().phase(), "congestion_avoidance");
  EXPECT_GE(pair.congestion().counters().acked_bytes, pair.received());
  const double rate = 1.25 * static_cast<double>(pair.ClientInfo().cwnd) / (static_cast<double>(pair.ClientInfo().smoothed_rtt) / 1e9);
  EXPECT_NEAR(static_cast<double>(pair.congestion().pacing_bytes_per_second()), rate, 0.01 * rate);
}

TEST(QuicCongestion, TheLibrarysBbrStaysAsItIs) {
  ConnPair pair(Link(CongestionControl::kNgtcp2Bbr));
  pair.to_send = kUnlimited;
  pair.RunFor(seconds(5));
  EXPECT_GT(pair.congestion().pacing_bytes_per_second(), kRate / 8 / 2);
  EXPECT_GT(Goodput(pair, seconds(3)), 0.5 * kRate);
  EXPECT_EQ(pair.congestion().counters().sent_packets, 0u);
}

TEST(QuicCongestion, LargeDatagramsThatVanishAreCutToTheMinimum) {
  ConnPair pair(Link());
  EXPECT_FALSE(pair.congestion().ReduceToMinimumMtu()) << "no handshake yet";
  EXPECT_FALSE(pair.congestion().RestartMtuSearch(1452));
  pair.to_send = kUnlimited;
  pair.RunFor(seconds(3));
  EXPECT_GT(pair.TakeLargestDatagram(), 1400u);

  pair.path_mtu_bytes = 1300;
  pair.RunFor(milliseconds(500));
  const uint64_t stuck_at = pair.received();
  pair.RunFor(seconds(1));
  EXPECT_EQ(pair.received(), stuck_at);
  ASSERT_TRUE(pair.congestion().ReduceToMinimumMtu());
  EXPECT_FALSE(pair.congestion().ReduceToMinimumMtu()) << "nothing is left to reduce";
  static_cast<void>(pair.TakeLargestDatagram());
  ASSERT_TRUE(pair.RunUntil([&] { return pair.received() > stuck_at + 2'000'000; }, seconds(8)));
  EXPECT_EQ(pair.TakeLargestDatagram(), 1200u);

  // The path is as it was: a new search finds what it carries.
  pair.path_mtu_bytes = 65535;
  ASSERT_TRUE(pair.congestion().RestartMtuSearch(1400));
  EXPECT_FALSE(pair.congestion().RestartMtuSearch(1400)) << "one is under way";
  pair.RunFor(seconds(4));
  const size_t largest = pair.TakeLargestDatagram();
  EXPECT_GT(largest, 1300u);
  EXPECT_LE(largest, 1400u);
  EXPECT_FALSE(pair.has_failed());
}

TEST(QuicCongestion, NothingButAcknowledgementsLeavesWhileThePacerHoldsBack) {
  ConnPair pair(Link());
  ASSERT_TRUE(SendAll(pair, 10'000, seconds(2)));
  pair.congestion().HoldUntil(pair.now() + seconds(1));
  pair.to_send += 10'000;
  const uint64_t sent = pair.congestion().counters().sent_packets;
  pair.RunFor(milliseconds(900));
  EXPECT_EQ(pair.congestion().counters().sent_packets, sent);
  EXPECT_TRUE(pair.RunUntil([&] { return pair.received() == pair.to_send; }, seconds(1)));
}

}  // namespace
}  // namespace culvert::quic
