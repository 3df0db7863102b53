// How QUIC sessions and streams begin, resume and end, and what they survive. See quic_pair.h.
#include <gtest/gtest.h>

#include "tests/sim/quic_links.h"

namespace culvert::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(QuicSession, RetryWhenManyHandshakesAreUnderWay) {
  QuicPairOptions options = PairOver(milliseconds(40), 50);
  options.retry_above_handshakes = 0;
  QuicPair pair(options);
  const size_t session = pair.Dial();
  pair.Open(session, 10'000, 10'000);
  ASSERT_TRUE(pair.RunUntilDone(seconds(5))) << pair.Missing();
  // One round trip more than without.
  const Duration took = pair.session(session).opened_at - pair.session(session).dialled_at;
  EXPECT_GE(took, milliseconds(80));
  EXPECT_LE(took, milliseconds(100));
  EXPECT_GE(pair.server_endpoint().counters().dropped[static_cast<size_t>(DropReason::kAskedToRetry)], 1u);
  // The second time a token of the first session spares the Retry.
  const size_t second = pair.Dial();
  ASSERT_TRUE(pair.RunUntilOpen(second, seconds(5))) << pair.Missing();
  EXPECT_LE(pair.session(second).opened_at - pair.session(second).dialled_at, milliseconds(60));
}

TEST(QuicSession, Resumption) {
  QuicPair pair(PairOver(milliseconds(40), 50));
  const size_t first = pair.Dial();
  pair.Open(first, 1000, 1000);
  ASSERT_TRUE(pair.RunUntilDone(seconds(5))) << pair.Missing();
  pair.RunFor(milliseconds(200));
  pair.client_endpoint().CloseSession(pair.now(), pair.session(first).handle);
  pair.RunFor(seconds(1));
  const size_t second = pair.Dial();
  pair.Open(second, 1000, 1000);
  ASSERT_TRUE(pair.RunUntilDone(seconds(5))) << pair.Missing();
  EXPECT_FALSE(pair.session(first).info.tls.resumed);
  EXPECT_TRUE(pair.session(second).info.tls.resumed);
  EXPECT_FALSE(pair.session(second).info.early_data_accepted) << "off by default";
}

QuicPairOptions WithEarlyData() {
  QuicPairOptions options = PairOver(milliseconds(100), 50);
  options.client.early_data = options.server.early_data = true;
  return options;
}

TEST(QuicSession, EarlyDataSavesARoundTrip) {
  QuicPair pair(WithEarlyData());
  const size_t first = pair.Dial();
  pair.Open(first, 1000, 1000);
  ASSERT_TRUE(pair.RunUntilDone(seconds(5))) << pair.Missing();
  pair.RunFor(milliseconds(500));
  pair.client_endpoint().CloseSession(pair.now(), pair.session(first).handle);
  pair.RunFor(seconds(2));
  const size_t second = pair.Dial();
  const TimePoint from = pair.now();
  const size_t stream = pair.Open(second, 1000, 1000);
  ASSERT_TRUE(pair.RunUntilDone(seconds(5))) << pair.Missing();
  EXPECT_TRUE(pair.session(second).info.early_data_accepted);
  EXPECT_LE(pair.client(stream).ended_at - from, milliseconds(115)) << "one round trip, not two";
}

// T28: an attacker who saw the first flight of a resumed session sends it again, from elsewhere and from everywhere.
TEST(QuicSession, RejectedEarlyDataIsSentAgainButNotWhatWasAborted) {
  QuicPair pair(WithEarlyData());
  const size_t first = pair.Dial();
  pair.Open(first, 1000, 1000);
  ASSERT_TRUE(pair.RunUntilDone(seconds(5))) << pair.Missing();
  pair.RunFor(milliseconds(500));
  pair.client_endpoint().CloseSession(pair.now(), pair.session(first).handle);
  pair.RunFor(seconds(2));
  // Under narrower limits than the client remembers none can be taken.
  quic::QuicOptions narrower = WithEarlyData().server;
  narrower.max_streams_per_session = 10;
  pair.ReplaceServers(narrower);
  const size_t second = pair.Dial();
  const size_t kept = pair.Open(second, 5000, 5000);
  const size_t aborted = pair.Open(second, 5000, 5000);
  pair.RunFor(milliseconds(1));
  pair.client_endpoint().Abort(pair.now(), pair.client(aborted).stream, CloseReason::kAborted);
  pair.SettleAll();
  ASSERT_TRUE(pair.RunUntil([&] { return pair.client(kept).at_end && pair.client(aborted).closed; }, seconds(5))) << pair.Missing();
  EXPECT_FALSE(pair.session(second).info.early_data_accepted);
  pair.RunFor(seconds(3));
  EXPECT_EQ(pair.client_endpoint().OpenStreams(pair.session(second).handle), 0u);
  EXPECT_EQ(pair.failure(), "");
}

TEST(QuicSession, ReplayedEarlyDataIsExecutedAtMostOnce) {
  QuicPairOptions options = WithEarlyData();
  options.max_unvalidated_per_prefix = 2000;
  options.retry_above_handshakes = 100'000;
  QuicPair pair(options);
  const size_t first = pair.Dial();
  pair.Open(first, 1000, 1000);
  ASSERT_TRUE(pair.RunUntilDone(seconds(5))) << pair.Missing();
  pair.RunFor(milliseconds(500));
  pair.client_endpoint().CloseSession(pair.now(), pair.session(first).handle);
  pair.RunFor(seconds(2));
  std::vector<std::vector<uint8_t>> flight;
  pair.on_datagram = [&](bool up, const SocketAddress&, ByteView bytes) {
    if (up && flight.size() < 3) flight.emplace_back(bytes.begin(), bytes.end());
  };
  const size_t second = pair.Dial();
  pair.Open(second, 1000, 1000);
  pair.on_datagram = nullptr;
  ASSERT_FALSE(flight.empty());
  ASSERT_TRUE(pair.RunUntilDone(seconds(5))) << pair.Missing();
  ASSERT_TRUE(pair.session(second).info.early_data_accepted);
  // While the connection lives, and a while after, its ids lead to it; later each copy is a new handshake to the listener.
  pair.client_endpoint().CloseSession(pair.now(), pair.session(second).handle);
  pair.RunFor(seconds(15));
  const uint64_t executed = pair.accepted_streams();
  const uint64_t opened = pair.server_endpoint().counters().opened;
  for (int i = 0; i < 1000; ++i) {
    const SocketAddress from{IpAddress::V4({172, 16, static_cast<uint8_t>(i / 250), static_cast<uint8_t>(i % 250)}), 4000};
    for (const auto& datagram : flight) (void)pair.Inject(from, datagram);
    if (i % 20 == 0) pair.RunFor(seconds(15));
  }
  pair.RunFor(seconds(12));
  EXPECT_EQ(pair.accepted_streams(), executed);
  EXPECT_GE(pair.server_endpoint().counters().opened, opened + 20) << "no copy got as far as a handshake";
  EXPECT_EQ(pair.failure(), "");
}

TEST(QuicSession, ServerSpeaksFirst) {
  QuicPairOptions options = PairOver(milliseconds(40), 50);
  options.server_first_bytes = 20'000;
  QuicPair pair(options);
  const size_t session = pair.Dial();
  ASSERT_TRUE(pair.RunUntilOpen(session, seconds(2)));
  // The client writes nothing at all.
  const auto handle = pair.client_endpoint().OpenStream(pair.now(), pair.session(session).handle);
  ASSERT_TRUE(handle);
  pair.SettleAll();
  EXPECT_TRUE(pair.RunUntil([&] { return pair.accepted_streams() == 1; }, milliseconds(40)));
  std::array<ByteView, 4> views;
  EXPECT_TRUE(pair.RunUntil([&] { return pair.client_endpoint().Peek(*handle, views) > 0; }, milliseconds(60)));
  EXPECT_EQ(pair.failure(), "");
}

TEST(QuicSession, EachHalfEndsForItself) {
  QuicPair pair(PairOver(milliseconds(40), 50));
  const size_t session = pair.Dial();
  QuicSide side;
  side.to_send = 100'000;
  side.finishes = false;
  const size_t stream = pair.Open(session, side, 100'000);
  // The server finishes first; the client reads the end and goes on writing.
  ASSERT_TRUE(pair.RunUntil([&] { return pair.client(stream).at_end; }, seconds(5))) << pair.Missing();
  pair.RunFor(seconds(5));
  EXPECT_FALSE(pair.client(stream).closed);
  pair.client(stream).to_send += 100'000;
  pair.stream(stream).server->expects += 100'000;
  pair.client(stream).finishes = true;
  pair.PumpClient(stream);
  ASSERT_TRUE(pair.RunUntilDone(seconds(5))) << pair.Missing();
  EXPECT_TRUE(pair.RunUntil([&] { return pair.client(stream).closed && pair.stream(stream).server->closed; }, seconds(5)))
      << pair.client(stream).closed << pair.stream(stream).server->closed;
  EXPECT_EQ(pair.client(stream).reason, CloseReason::kLocal);
}

TEST(QuicSession, AbortsReachTheOtherEnd) {
  for (const bool client_aborts : {true, false}) {
    SCOPED_TRACE(client_aborts);
    QuicPair pair(PairOver(milliseconds(40), 50));
    const size_t session = pair.Dial();
    const size_t stream = pair.Open(session, 50 << 20, 50 << 20);
    const size_t other = pair.Open(session, 2'000'000, 2'000'000);
    pair.RunFor(milliseconds(500));
    ASSERT_NE(pair.stream(stream).server, nullptr);
    QuicSide& here = client_aborts ? pair.client(stream) : *pair.stream(stream).server;
    QuicSide& there = client_aborts ? *pair.stream(stream).server : pair.client(stream);
    (client_aborts ? pair.client_endpoint() : pair.server_endpoint()).Abort(pair.now(), here.stream, CloseReason::kAborted);
    pair.SettleAll();
    EXPECT_TRUE(pair.RunUntil([&] { return there.closed; }, milliseconds(500))) << pair.Missing();
    EXPECT_FALSE(there.at_end) << "a cut stream never looks complete";
    EXPECT_NE(there.reason, CloseReason::kLocal);
    EXPECT_TRUE(pair.RunUntil([&] { return pair.client(other).at_end && pair.stream(other).server->at_end; }, seconds(10)))
        << pair.Missing();
    EXPECT_FALSE(pair.session(session).closed);
  }
}

TEST(QuicSession, BlackHoleOfTenSeconds) {
  QuicPair pair(PairOver(milliseconds(60), 20, 0, 2));
  const size_t session = pair.Dial();
  const size_t stream = pair.Open(session, 200 << 20, 0);
  pair.RunFor(seconds(4));
  pair.SetBlackHole(true);
  pair.RunFor(seconds(10));
  pair.SetBlackHole(false);
  ASSERT_NE(pair.stream(stream).server, nullptr);
  const uint64_t before = pair.stream(stream).server->received;
  EXPECT_TRUE(pair.RunUntil([&] { return pair.stream(stream).server->received > before; }, milliseconds(1500))) << pair.Missing();
  pair.RunFor(seconds(5));
  EXPECT_GE(static_cast<double>(pair.stream(stream).server->received - before) * 8, 0.5 * 20e6 * 5) << "back to speed";
  EXPECT_EQ(pair.failure(), "");
}

TEST(QuicSession, BlackHoleWhileOnlyTheServerHasSomethingToSend) {
  QuicPair pair(PairOver(milliseconds(60), 20, 0, 2));
  const size_t session = pair.Dial();
  const size_t stream = pair.Open(session, 0, 200 << 20);
  pair.RunFor(seconds(4));
  pair.SetBlackHole(true);
  pair.RunFor(seconds(10));
  pair.SetBlackHole(false);
  const uint64_t before = pair.client(stream).received;
  EXPECT_TRUE(pair.RunUntil([&] { return pair.client(stream).received > before; }, milliseconds(1500))) << pair.Missing();
}

TEST(QuicSession, BlackHoleOfAMinuteEndsStreamsWithAReason) {
  QuicPair pair(PairOver(milliseconds(60), 20));
  const size_t session = pair.Dial();
  const size_t stream = pair.Open(session, 200 << 20, 200 << 20);
  pair.RunFor(seconds(3));
  pair.SetBlackHole(true);
  ASSERT_NE(pair.stream(stream).server, nullptr);
  EXPECT_TRUE(pair.RunUntil([&] { return pair.client(stream).closed && pair.stream(stream).server->closed; }, seconds(35)))
      << pair.Missing();
  for (const QuicSide* side : {&pair.client(stream), pair.stream(stream).server.get()}) {
    EXPECT_TRUE(side->reason == CloseReason::kPathDown || side->reason == CloseReason::kIdleTimeout) << CloseReasonName(side->reason);
    EXPECT_FALSE(side->at_end);
  }
  EXPECT_TRUE(pair.session(session).closed);
  EXPECT_FALSE(pair.session(session).info.error_reason.empty());
}

TEST(QuicSession, NobodyAnswers) {
  QuicPair pair(PairOver(milliseconds(60), 20));
  pair.SetBlackHole(true);
  const size_t session = pair.Dial();
  EXPECT_FALSE(pair.RunUntilOpen(session, seconds(10)));
  EXPECT_TRUE(pair.session(session).closed);
  EXPECT_EQ(pair.session(session).reason, CloseReason::kHandshakeTimeout);
  EXPECT_EQ(pair.session(session).info.error_reason, "NO_ANSWER");
}

TEST(QuicSession, AServerThatIsNotTrustedIsRefused) {
  QuicPairOptions options = PairOver(milliseconds(60), 20);
  options.trusts = false;
  QuicPair pair(options);
  const size_t session = pair.Dial();
  EXPECT_FALSE(pair.RunUntilOpen(session, seconds(10)));
  EXPECT_EQ(pair.session(session).reason, CloseReason::kHandshakeFailed);
  EXPECT_EQ(pair.session(session).info.error_reason, "PEER_IDENTITY_REJECTED");
  EXPECT_TRUE(pair.RunUntil([&] { return pair.server_endpoint().session_count() == 0; }, seconds(10)));
}

TEST(QuicSession, IdleSessionsEnd) {
  QuicPair pair(PairOver(milliseconds(60), 20));
  const size_t session = pair.Dial();
  pair.Open(session, 100, 100);
  ASSERT_TRUE(pair.RunUntilDone(seconds(5)));
  EXPECT_TRUE(pair.RunUntil([&] { return pair.session(session).closed && pair.server_endpoint().session_count() == 0; }, seconds(40)));
  EXPECT_EQ(pair.session(session).reason, CloseReason::kIdleTimeout);
}

TEST(QuicSession, AnOpenStreamKeepsItsSessionAlive) {
  QuicPair pair(PairOver(milliseconds(60), 20));
  const size_t session = pair.Dial();
  QuicSide side;
  side.to_send = 100;
  side.finishes = false;
  const size_t stream = pair.Open(session, side, 100);
  pair.RunFor(std::chrono::minutes(10));
  EXPECT_FALSE(pair.session(session).closed);
  pair.client(stream).finishes = true;
  pair.PumpClient(stream);
  EXPECT_TRUE(pair.RunUntilDone(seconds(5))) << pair.Missing();
}

TEST(QuicSession, SilenceAfterATransferIsKeptAliveAndCostsLittle) {
  for (const Duration round_trip : {milliseconds(1), milliseconds(40), milliseconds(300)}) {
    SCOPED_TRACE(ToMilliseconds(round_trip));
    QuicPair pair(PairOver(round_trip, 50));
    const size_t session = pair.Dial();
    QuicSide side;
    side.to_send = 1000;
    side.finishes = false;
    const size_t stream = pair.Open(session, side, 300'000);
    ASSERT_TRUE(pair.RunUntil([&] { return pair.client(stream).at_end; }, seconds(10))) << pair.Missing();
    pair.RunFor(seconds(10));
    const uint64_t before = pair.ClientStats(session)->tx_datagrams + pair.ClientStats(session)->rx_datagrams;
    pair.RunFor(seconds(300));
    ASSERT_FALSE(pair.session(session).closed);
    // Every ten seconds either end may ask, and is answered; the path MTU is looked at now and then.
    EXPECT_LE(pair.ClientStats(session)->tx_datagrams + pair.ClientStats(session)->rx_datagrams - before, 300u);
    pair.client(stream).finishes = true;
    pair.PumpClient(stream);
    EXPECT_TRUE(pair.RunUntilDone(seconds(5))) << pair.Missing();
  }
}

TEST(QuicSession, ARestartedPeerResetsOldSessions) {
  QuicPair pair(PairOver(milliseconds(60), 20));
  const size_t session = pair.Dial();
  pair.Open(session, 200 << 20, 0);
  pair.RunFor(seconds(3));
  pair.ReplaceServers();
  EXPECT_TRUE(pair.RunUntil([&] { return pair.session(session).closed; }, seconds(2))) << pair.Missing();
  EXPECT_EQ(pair.session(session).info.error_reason, "STATELESS_RESET");
  const size_t second = pair.Dial();
  const size_t stream = pair.Open(second, 1000, 1000);
  EXPECT_TRUE(pair.RunUntil([&] { return pair.client(stream).at_end; }, milliseconds(500))) << pair.Missing();
}

TEST(QuicSession, StopAccepting) {
  QuicPair pair(PairOver(milliseconds(60), 20));
  const size_t session = pair.Dial();
  const size_t stream = pair.Open(session, 2 << 20, 2 << 20);
  pair.RunFor(milliseconds(500));
  pair.server_endpoint().StopAccepting();
  pair.SettleAll();
  const size_t refused = pair.Dial();
  EXPECT_FALSE(pair.RunUntilOpen(refused, seconds(10)));
  EXPECT_EQ(pair.session(refused).reason, CloseReason::kRefused) << CloseReasonName(pair.session(refused).reason);
  EXPECT_TRUE(pair.RunUntil([&] { return pair.client(stream).at_end && pair.stream(stream).server->at_end; }, seconds(10)))
      << pair.Missing();
}

// Fifty handshakes over a link that treats three datagrams in ten badly.
void ShakeHands(double loss, double corrupt) {
  int complete = 0;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    QuicPairOptions options = PairOver(milliseconds(40), 50, loss, seed);
    options.up.corrupt = options.down.corrupt = corrupt;
    QuicPair pair(options);
    const size_t session = pair.Dial();
    const size_t stream = pair.Open(session, 100, 100);
    if (pair.RunUntilOpen(session, seconds(8)) && pair.RunUntil([&] { return pair.client(stream).at_end; }, seconds(20))) {
      ++complete;
    } else {
      ADD_FAILURE() << "seed " << seed << " " << pair.Missing();
    }
  }
  EXPECT_EQ(complete, 50);
}

TEST(QuicSession, LossInTheHandshake) { ShakeHands(0.30, 0); }
TEST(QuicSession, CorruptionInTheHandshake) { ShakeHands(0, 0.30); }

TEST(QuicSession, CorruptionInTheTransfer) {
  QuicPairOptions options = PairOver(milliseconds(40), 50);
  options.up.corrupt = options.down.corrupt = 0.02;
  QuicPair pair(options);
  const size_t session = pair.Dial();
  pair.Open(session, 4 << 20, 4 << 20);
  ASSERT_TRUE(pair.RunUntilDone(seconds(20))) << pair.Missing();
  EXPECT_GT(pair.up().counters().corrupted, 20u);
}

TEST(QuicSession, ManySessionsOfOneDialer) {
  QuicPair pair(PairOver(milliseconds(40), 100));
  for (int i = 0; i < 20; ++i) {
    const size_t session = pair.Dial();
    pair.Open(session, 20'000, 20'000);
  }
  ASSERT_TRUE(pair.RunUntilDone(seconds(10))) << pair.Missing();
  EXPECT_EQ(pair.server_endpoint().session_count(), 20u);
}

}  // namespace
}  // namespace culvert::sim
