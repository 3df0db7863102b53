// Time in limit where the limit is known: scenarios made so that one thing holds the sender back, over both transports. That the six
// always add up to the age is checked by the pairs after every step of every simulation.
#include <gtest/gtest.h>

#include "absl/strings/str_format.h"
#include "tests/sim/kcp_pair.h"
#include "tests/sim/quic_links.h"
#include "tests/sim/quic_pair.h"

namespace culvert::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint64_t kEndless = uint64_t{1} << 40;

std::string Text(const TimeInLimit& time) {
  std::string text;
  for (size_t i = 0; i < kSendLimitCount; ++i) {
    const double share = ToSeconds(time.spent[i]) / ToSeconds(time.Sum());
    if (share > 0) text += absl::StrFormat("%s %.1f %% ", SendLimitName(static_cast<SendLimit>(i)), 100 * share);
  }
  return text;
}

// What passed between two looks.
TimeInLimit Between(const TimeInLimit& before, const TimeInLimit& after) {
  TimeInLimit time;
  for (size_t i = 0; i < kSendLimitCount; ++i) time.spent[i] = after.spent[i] - before.spent[i];
  return time;
}

void ExpectMostly(SendLimit limit, double least_share, const TimeInLimit& time) {
  EXPECT_GE(ToSeconds(time[limit]), least_share * ToSeconds(time.Sum())) << SendLimitName(limit) << " expected; " << Text(time);
  ::testing::Test::RecordProperty("shares", Text(time));
}

PairOptions KcpOver(Duration round_trip, uint64_t mbit) {
  PairOptions options;
  options.client.seed = options.server.seed = "a seed for tests";
  options.up.rate_bits_per_second = options.down.rate_bits_per_second = mbit * 1'000'000;
  options.up.delay = options.down.delay = round_trip / 2;
  options.down.seed = 2;
  return options;
}

// What limited the client while `time` passed.
TimeInLimit Watch(KcpPair& pair, Duration time) {
  const TimeInLimit before = pair.ClientStats()->time_in_limit;
  pair.RunFor(time);
  EXPECT_EQ(pair.failure(), "");
  return Between(before, pair.ClientStats()->time_in_limit);
}

// The same over QUIC: of the session, and of its stream 0.
struct QuicTimes {
  TimeInLimit session;
  TimeInLimit stream;
};
QuicTimes Now(QuicPair& pair) {
  return {pair.ClientStats()->time_in_limit, *pair.client_endpoint().GetTimeInLimit(pair.now(), pair.client().stream)};
}
QuicTimes Watch(QuicPair& pair, Duration time) {
  const QuicTimes before = Now(pair);
  pair.RunFor(time);
  EXPECT_EQ(pair.failure(), "");
  const QuicTimes after = Now(pair);
  return {Between(before.session, after.session), Between(before.stream, after.stream)};
}

QuicSide Sends(uint64_t bytes) {
  QuicSide side;
  side.to_send = bytes;
  side.finishes = false;
  return side;
}

// ---- Nothing to send

TEST(KcpLimits, AnIdleSenderHasNothingToSend) {
  KcpPair pair(KcpOver(milliseconds(40), 20));
  pair.Open({.to_send = 1000, .close_at_end = false}, {.close_at_end = false});
  pair.RunFor(seconds(1));
  ExpectMostly(SendLimit::kApplication, 1.0, Watch(pair, seconds(60)));
}

TEST(QuicLimits, AnIdleSenderHasNothingToSend) {
  QuicPair pair(PairOver(milliseconds(40), 20));
  pair.Open(pair.Dial(), Sends(1000), 0);
  pair.RunFor(seconds(1));
  const QuicTimes times = Watch(pair, seconds(60));
  ExpectMostly(SendLimit::kApplication, 1.0, times.session);
  ExpectMostly(SendLimit::kApplication, 1.0, times.stream);
}

// Every 10 ms a tenth of what the link carries meanwhile.
constexpr uint64_t kTenthOfLink = 20'000'000 / 8 / 100 / 10;

TEST(KcpLimits, AnApplicationThatWritesLittleIsItsOwnLimit) {
  KcpPair pair(KcpOver(milliseconds(40), 20));
  pair.Open({.to_send = kTenthOfLink, .close_at_end = false}, {.close_at_end = false});
  pair.RunFor(seconds(2));
  const TimeInLimit before = pair.ClientStats()->time_in_limit;
  for (int i = 0; i < 2000; ++i) {
    pair.client().to_send += kTenthOfLink;
    pair.PumpClient();
    pair.RunFor(milliseconds(10));
  }
  ASSERT_EQ(pair.failure(), "");
  ExpectMostly(SendLimit::kApplication, 0.9, Between(before, pair.ClientStats()->time_in_limit));
}

TEST(QuicLimits, AnApplicationThatWritesLittleIsItsOwnLimit) {
  QuicPair pair(PairOver(milliseconds(40), 20));
  pair.Open(pair.Dial(), Sends(kTenthOfLink), 0);
  pair.RunFor(seconds(2));
  const QuicTimes before = Now(pair);
  for (int i = 0; i < 2000; ++i) {
    pair.client().to_send += kTenthOfLink;
    pair.PumpClient();
    pair.RunFor(milliseconds(10));
  }
  ASSERT_EQ(pair.failure(), "");
  const QuicTimes after = Now(pair);
  ExpectMostly(SendLimit::kApplication, 0.9, Between(before.session, after.session));
  ExpectMostly(SendLimit::kApplication, 0.9, Between(before.stream, after.stream));
}

// ---- The congestion window

TEST(KcpLimits, CubicOverAThinLinkFillsItsWindow) {
  PairOptions options = KcpOver(milliseconds(100), 2);
  options.client.congestion_control = kcp::CongestionControl::kCubic;
  KcpPair pair(options);
  pair.Open({.to_send = kEndless}, {});
  pair.RunFor(seconds(5));
  ExpectMostly(SendLimit::kCongestion, 0.8, Watch(pair, seconds(60)));
}

TEST(QuicLimits, CubicOverAThinLinkFillsItsWindow) {
  QuicPairOptions options = PairOver(milliseconds(100), 2);
  options.client.congestion_control = quic::CongestionControl::kCubic;
  QuicPair pair(options);
  pair.Open(pair.Dial(), Sends(kEndless), 0);
  pair.RunFor(seconds(5));
  const QuicTimes times = Watch(pair, seconds(60));
  ExpectMostly(SendLimit::kCongestion, 0.8, times.session);
  ExpectMostly(SendLimit::kCongestion, 0.8, times.stream);
}

// ---- The pacer

TEST(KcpLimits, AFixedRateFarBelowTheLinkIsThePacers) {
  PairOptions options = KcpOver(milliseconds(40), 100);
  options.client.congestion_control = kcp::CongestionControl::kFixedRate;
  options.client.uplink_bytes_per_second = 1'000'000;
  KcpPair pair(options);
  pair.Open({.to_send = kEndless}, {});
  pair.RunFor(seconds(2));
  ExpectMostly(SendLimit::kPacing, 0.95, Watch(pair, seconds(30)));
}

TEST(KcpLimits, BbrUnderACapIsThePacers) {
  PairOptions options = KcpOver(milliseconds(40), 100);
  options.client.uplink_bytes_per_second = 1'000'000;
  KcpPair pair(options);
  pair.Open({.to_send = kEndless}, {});
  pair.RunFor(seconds(2));
  ExpectMostly(SendLimit::kPacing, 0.8, Watch(pair, seconds(30)));
}

// QUIC has no fixed rate and no cap: there it is BBR, which paces at the rate that it found the link to have.
TEST(QuicLimits, BbrOnItsLinkIsThePacers) {
  QuicPair pair(PairOver(milliseconds(40), 20));
  pair.Open(pair.Dial(), Sends(kEndless), 0);
  pair.RunFor(seconds(3));
  const QuicTimes times = Watch(pair, seconds(30));
  ExpectMostly(SendLimit::kPacing, 0.8, times.session);
  ExpectMostly(SendLimit::kPacing, 0.8, times.stream);
}

// ---- The peer

TEST(KcpLimits, AReaderThatStopsHoldsTheSenderAtItsWindow) {
  KcpPair pair(KcpOver(milliseconds(40), 100));
  pair.Open({.to_send = kEndless}, {.read_limit = 100'000});
  pair.RunFor(seconds(10));
  ExpectMostly(SendLimit::kPeerWindow, 0.95, Watch(pair, seconds(30)));
}

TEST(KcpLimits, ASlowReaderDoes) {
  KcpPair pair(KcpOver(milliseconds(40), 100));
  pair.Open({.to_send = kEndless}, {.read_limit = 0});
  pair.RunFor(seconds(5));
  const TimeInLimit before = pair.ClientStats()->time_in_limit;
  for (int i = 0; i < 3000; ++i) {  // 1 MB/s
    pair.server().read_limit += 10'000;
    pair.PumpServer();
    pair.RunFor(milliseconds(10));
  }
  ASSERT_EQ(pair.failure(), "");
  ExpectMostly(SendLimit::kPeerWindow, 0.8, Between(before, pair.ClientStats()->time_in_limit));
}

TEST(QuicLimits, AReaderThatStopsHoldsTheSenderAtItsWindow) {
  QuicPair pair(PairOver(milliseconds(40), 100));
  pair.on_accept = [](QuicSide& side) { side.read_limit = 100'000; };
  pair.Open(pair.Dial(), Sends(kEndless), 0);
  pair.RunFor(seconds(5));
  const QuicTimes times = Watch(pair, seconds(30));
  ExpectMostly(SendLimit::kPeerWindow, 1.0, times.session);
  ExpectMostly(SendLimit::kPeerWindow, 1.0, times.stream);
}

// One reader that stops is no limit of the session's while another stream has something to send, nor of an idle stream.
TEST(QuicLimits, StreamsOfASessionHaveLimitsOfTheirOwn) {
  QuicPairOptions options = PairOver(milliseconds(40), 20);
  QuicPair pair(options);
  pair.on_accept = [&](QuicSide& side) {
    if (pair.accepted_streams() == 1) side.read_limit = 100'000;
  };
  const size_t session = pair.Dial();
  const size_t held = pair.Open(session, Sends(kEndless), 0);
  pair.RunFor(seconds(2));
  const size_t bulk = pair.Open(session, Sends(kEndless), 0);
  const size_t idle = pair.Open(session, Sends(1000), 0);
  pair.RunFor(seconds(3));
  const auto of = [&](size_t i) { return *pair.client_endpoint().GetTimeInLimit(pair.now(), pair.client(i).stream); };
  const QuicTimes before = Now(pair);
  const TimeInLimit held_before = of(held), bulk_before = of(bulk), idle_before = of(idle);
  pair.RunFor(seconds(20));
  ASSERT_EQ(pair.failure(), "");
  ExpectMostly(SendLimit::kPeerWindow, 1.0, Between(held_before, of(held)));
  ExpectMostly(SendLimit::kApplication, 1.0, Between(idle_before, of(idle)));
  ExpectMostly(SendLimit::kPacing, 0.8, Between(bulk_before, of(bulk)));
  ExpectMostly(SendLimit::kPacing, 0.8, Between(before.session, Now(pair).session));
  EXPECT_EQ(pair.client_endpoint().GetStats(pair.now(), pair.client(held).stream)->limited_by, SendLimit::kPeerWindow);
  EXPECT_EQ(pair.client_endpoint().GetStats(pair.now(), pair.client(idle).stream)->limited_by, SendLimit::kApplication);
}

// ---- Our own buffer

// More is on its way than we keep unacknowledged (16 MiB): 1 Gbit/s over 400 ms are 50 MB.
TEST(KcpLimits, APathLongerThanTheBufferIsTheBuffers) {
  PairOptions options = KcpOver(milliseconds(400), 1000);
  options.up.queue_bytes = 64 << 20;
  options.client.congestion_control = kcp::CongestionControl::kFixedRate;
  options.client.uplink_bytes_per_second = 120'000'000;
  KcpPair pair(options);
  pair.Open({.to_send = kEndless}, {});
  pair.RunFor(seconds(6));
  ExpectMostly(SendLimit::kBuffer, 0.6, Watch(pair, seconds(4)));
}

// ---- The path

TEST(KcpLimits, ABlackHoleIsAPathThatIsDown) {
  KcpPair pair(KcpOver(milliseconds(60), 20));
  pair.Open({.to_send = kEndless}, {});
  pair.RunFor(seconds(3));
  pair.black_hole = true;
  ExpectMostly(SendLimit::kPathDown, 0.9, Watch(pair, seconds(10)));
  pair.black_hole = false;
  pair.RunFor(seconds(1));
  EXPECT_EQ(Watch(pair, seconds(5))[SendLimit::kPathDown], Duration::zero());
}

TEST(QuicLimits, ABlackHoleIsAPathThatIsDown) {
  QuicPair pair(PairOver(milliseconds(60), 20));
  pair.Open(pair.Dial(), Sends(kEndless), 0);
  pair.RunFor(seconds(3));
  pair.SetBlackHole(true);
  const QuicTimes times = Watch(pair, seconds(10));
  ExpectMostly(SendLimit::kPathDown, 0.8, times.session);
  ExpectMostly(SendLimit::kPathDown, 0.8, times.stream);
  pair.SetBlackHole(false);
  pair.RunFor(seconds(2));
  EXPECT_EQ(Watch(pair, seconds(5)).session[SendLimit::kPathDown], Duration::zero());
}

// A stream that waits for nothing does not suffer from an outage; one with a byte unacknowledged does, though it has no more to send.
TEST(QuicLimits, AnOutageIsOnlyOfStreamsWithDataInFlight) {
  QuicPair pair(PairOver(milliseconds(60), 20));
  const size_t session = pair.Dial();
  pair.Open(session, Sends(1000), 0);
  const size_t idle = pair.Open(session, Sends(1000), 0);
  pair.RunFor(seconds(3));
  pair.SetBlackHole(true);
  pair.client().to_send += 1000;
  pair.PumpClient();
  const TimeInLimit idle_before = *pair.client_endpoint().GetTimeInLimit(pair.now(), pair.client(idle).stream);
  const QuicTimes times = Watch(pair, seconds(10));
  const TimeInLimit idle_time = Between(idle_before, *pair.client_endpoint().GetTimeInLimit(pair.now(), pair.client(idle).stream));
  ExpectMostly(SendLimit::kPathDown, 0.8, times.session);
  ExpectMostly(SendLimit::kPathDown, 0.8, times.stream);
  ExpectMostly(SendLimit::kApplication, 1.0, idle_time);
}

}  // namespace
}  // namespace culvert::sim
