// QUIC on links with a name: handshake, transfer, streams side by side, key update, path MTU. See quic_pair.h.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/sim/quic_links.h"

namespace culvert::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(QuicSim, Handshake) {
  QuicPair pair(PairOver(milliseconds(100), 50));
  const size_t session = pair.Dial();
  ASSERT_TRUE(pair.RunUntilOpen(session, seconds(5))) << pair.Missing();
  const auto& info = pair.session(session).info;
  EXPECT_TRUE(info.established);
  EXPECT_TRUE(info.outgoing);
  EXPECT_EQ(info.tls.version, "TLSv1.3");
  EXPECT_EQ(info.tls.alpn, "h2");
  EXPECT_EQ(info.version, 1u);
  EXPECT_FALSE(info.tls.resumed);
  // One round trip, and what the transmission takes.
  EXPECT_LE(pair.session(session).opened_at - pair.session(session).dialled_at, milliseconds(110));
  // In order, and then nobody remembers.
  pair.client_endpoint().CloseSession(pair.now(), pair.session(session).handle);
  EXPECT_TRUE(pair.RunUntil([&] { return pair.session(session).closed && pair.server_endpoint().session_count() == 0; }, seconds(5)));
  EXPECT_EQ(pair.session(session).reason, CloseReason::kLocal);
  EXPECT_EQ(pair.failure(), "");
}

TEST(QuicSim, TransferBothWays) {
  QuicPair pair(PairOver(milliseconds(40), 100));
  const size_t session = pair.Dial();
  pair.Open(session, 4 << 20, 4 << 20);
  ASSERT_TRUE(pair.RunUntilDone(seconds(10))) << pair.Missing();
  // A clean link with a deep enough queue loses nothing, so nothing is sent twice but what overflowed the queue at the start.
  const auto stats = pair.ClientStats(session);
  ASSERT_TRUE(stats);
  EXPECT_LE(stats->waste_ratio, 1.1);
  EXPECT_EQ(pair.failure(), "");
}

TEST(QuicSim, CleanNetworkRepeatsNothing) {
  QuicPairOptions options = PairOver(milliseconds(40), 100);
  options.up.queue_bytes = options.down.queue_bytes = 64 << 20;
  QuicPair pair(options);
  const size_t session = pair.Dial();
  pair.Open(session, 2 << 20, 100'000);
  ASSERT_TRUE(pair.RunUntilDone(seconds(10))) << pair.Missing();
  const auto stats = pair.ClientStats(session);
  ASSERT_TRUE(stats);
  EXPECT_EQ(stats->lost_segments, 0u);
  EXPECT_EQ(stats->spurious_retransmits, 0u);
  EXPECT_LE(stats->waste_ratio, 1.001);
}

TEST(QuicSim, LongRoundTrip) {
  QuicPair pair(PairOver(milliseconds(1500), 10));
  const size_t session = pair.Dial();
  ASSERT_TRUE(pair.RunUntilOpen(session, seconds(6))) << pair.Missing();
  pair.Open(session, 1 << 20, 1 << 20);
  ASSERT_TRUE(pair.RunUntilDone(seconds(40))) << pair.Missing();
}

TEST(QuicSim, ThousandSmallStreams) {
  QuicPair pair(PairOver(milliseconds(50), 50));
  const size_t session = pair.Dial();
  for (int i = 0; i < 1000; ++i) pair.Open(session, 300, 700);
  // 256 at a time at first: four rounds and some.
  ASSERT_TRUE(pair.RunUntilDone(seconds(15))) << pair.Missing();
  EXPECT_EQ(pair.accepted_streams(), 1000u);
}

TEST(QuicSim, HundredStreamsAreServedFairly) {
  QuicPair pair(PairOver(milliseconds(40), 50));
  const size_t session = pair.Dial();
  for (int i = 0; i < 100; ++i) pair.Open(session, 50 << 20, 0);
  ASSERT_TRUE(pair.RunUntilOpen(session, seconds(2)));
  pair.RunFor(seconds(10));
  ASSERT_EQ(pair.failure(), "");
  double sum = 0;
  double squares = 0;
  for (size_t i = 0; i < 100; ++i) {
    ASSERT_NE(pair.stream(i).server, nullptr) << i;
    const double got = static_cast<double>(pair.stream(i).server->received);
    sum += got;
    squares += got * got;
  }
  EXPECT_GE(sum * 8 / 10, 0.75 * 50e6) << "the link is to be used";
  EXPECT_GE(sum * sum / (100 * squares), 0.9) << "Jain's index";
}

TEST(QuicSim, ThinStreamsAreServedBesideFullOnes) {
  QuicPair pair(PairOver(milliseconds(40), 50));
  const size_t session = pair.Dial();
  for (int i = 0; i < 10; ++i) pair.Open(session, 100 << 20, 0);
  pair.RunFor(seconds(3));
  std::vector<Duration> times;
  for (int i = 0; i < 100; ++i) {
    const TimePoint from = pair.now();
    const size_t thin = pair.Open(session, 100, 100);
    ASSERT_TRUE(pair.RunUntil([&] { return pair.client(thin).at_end; }, seconds(5))) << pair.Missing();
    times.push_back(pair.now() - from);
    pair.RunFor(milliseconds(30));
  }
  std::sort(times.begin(), times.end());
  EXPECT_LE(ToMilliseconds(times[98]), 2 * 40 + 50) << "p99; median " << ToMilliseconds(times[50]) << " ms";
}

TEST(QuicSim, KeyUpdates) {
  QuicPair pair(PairOver(milliseconds(40), 50, 0.01));
  const size_t session = pair.Dial();
  pair.Open(session, 12 << 20, 12 << 20);
  for (int i = 0; i < 5; ++i) {
    pair.RunFor(milliseconds(400));
    pair.client_endpoint().UpdateKeys(pair.now(), pair.session(session).handle);
    pair.SettleAll();
  }
  const auto stats = pair.ClientStats(session);
  ASSERT_TRUE(stats);
  EXPECT_GE(stats->key_updates, 4u);
  ASSERT_TRUE(pair.RunUntilDone(seconds(20))) << pair.Missing();
}

TEST(QuicSim, Ipv6) {
  QuicPairOptions options = PairOver(milliseconds(40), 50, 0.01);
  options.ipv6 = true;
  QuicPair pair(options);
  const size_t session = pair.Dial();
  pair.Open(session, 1 << 20, 1 << 20);
  ASSERT_TRUE(pair.RunUntilDone(seconds(10))) << pair.Missing();
}

TEST(QuicSim, PathMtuFalls) {
  for (const size_t mtu : {1280, 1000}) {
    SCOPED_TRACE(mtu);
    QuicPair pair(PairOver(milliseconds(40), 20));
    const size_t session = pair.Dial();
    pair.Open(session, 6 << 20, 6 << 20);
    pair.RunFor(seconds(2));
    const auto before = pair.ClientStats(session);
    ASSERT_TRUE(before);
    EXPECT_GT(before->path_mtu_bytes, 1252u) << "the search for a larger one found none";
    pair.SetMtu(mtu);
    if (mtu < 1228) {
      // RFC 9000 section 14 asks for 1,200 bytes of payload: this path cannot carry QUIC, and that must be said.
      EXPECT_TRUE(pair.RunUntil([&] { return pair.session(session).closed; }, seconds(40))) << pair.Missing();
      EXPECT_TRUE(pair.session(session).reason == CloseReason::kPathDown || pair.session(session).reason == CloseReason::kIdleTimeout)
          << CloseReasonName(pair.session(session).reason);
      continue;
    }
    EXPECT_TRUE(pair.RunUntilDone(seconds(20))) << pair.Missing();
    const auto after = pair.ClientStats(session);
    if (after) {
      EXPECT_LE(after->path_mtu_bytes, 1252u);
    }
  }
}

TEST(QuicSim, SmallPathFromTheStart) {
  QuicPair pair(PairOver(milliseconds(40), 20));
  pair.SetMtu(1280);
  const size_t session = pair.Dial();
  pair.Open(session, 1 << 20, 1 << 20);
  ASSERT_TRUE(pair.RunUntilDone(seconds(10))) << pair.Missing();
}

TEST(QuicSim, MarkedDatagramsSlowTheSenderBeforeTheQueueOverflows) {
  QuicPairOptions options = PairOver(milliseconds(40), 20);
  options.up.queue_bytes = 400'000;
  options.client.congestion_control = quic::CongestionControl::kCubic;
  QuicPair pair(options);
  pair.up().marks_from_bytes = 30'000;
  const size_t session = pair.Dial();
  pair.Open(session, 10 << 20, 0);
  ASSERT_TRUE(pair.RunUntilDone(seconds(20))) << pair.Missing();
  const auto stats = pair.ClientStats(session);
  ASSERT_TRUE(stats);
  EXPECT_GT(stats->ecn_marks, 0u);
  EXPECT_EQ(pair.up().counters().queue_full, 0u);
}

TEST(QuicSim, EveryWrapper) {
  for (const auto security : {quic::OuterSecurity::kNone, quic::OuterSecurity::kAes128Gcm, quic::OuterSecurity::kChacha20Poly1305}) {
    for (int header = 0; header <= 5; ++header) {
      SCOPED_TRACE(header);
      QuicPairOptions options = PairOver(milliseconds(30), 50, 0.01, 3);
      options.client.outer_security = security;
      if (security != quic::OuterSecurity::kNone) options.client.outer_key = "a key";
      options.client.outer_header = static_cast<HeaderType>(header);
      options.server = options.client;
      QuicPair pair(options);
      const size_t session = pair.Dial();
      pair.Open(session, 200'000, 200'000);
      ASSERT_TRUE(pair.RunUntilDone(seconds(10))) << pair.Missing();
    }
  }
}

// One seed decides everything, TLS included: the same datagrams at the same times.
TEST(QuicSim, OneSeedTwiceIsTheSameRun) {
  const auto run = [](uint64_t seed) {
    QuicPair pair(PairOver(milliseconds(40), 20, 0.05, seed));
    const size_t session = pair.Dial();
    for (int i = 0; i < 5; ++i) pair.Open(session, 50'000, 50'000);
    EXPECT_TRUE(pair.RunUntilDone(seconds(30))) << pair.Missing();
    return pair.trace_hash();
  };
  const uint64_t first = run(5);
  EXPECT_EQ(run(5), first);
  EXPECT_NE(run(6), first);
}

}  // namespace
}  // namespace culvert::sim
