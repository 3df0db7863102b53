// How streams end when the two sides do not agree: what is under way still arrives, what nobody wants is given up, and no stream
// takes anything from the others. See quic_pair.h.
#include <gtest/gtest.h>

#include <array>

#include "tests/sim/quic_links.h"

namespace culvert::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(QuicStreams, AnOrderlyEndArrivesHoweverLongItTakes) {
  QuicPair pair(PairOver(milliseconds(100), 1));
  // The server neither answers nor finishes, so that the closing side asks it to stop after a while.
  pair.on_accept = [](QuicSide& side) { side.answers = false; };
  const size_t session = pair.Dial();
  const size_t stream = pair.Open(session, 480'000, 0);
  QuicSide& client = pair.client(stream);
  ASSERT_TRUE(pair.RunUntil([&] { return client.finish_called; }, seconds(5))) << pair.Missing();
  client.close_called = true;
  pair.client_endpoint().Close(pair.now(), client.stream);
  pair.SettleAll();
  ASSERT_TRUE(pair.RunUntil([&] { return pair.stream(stream).server != nullptr && pair.stream(stream).server->at_end; }, seconds(10)))
      << pair.Missing();
  EXPECT_EQ(pair.stream(stream).server->received, 480'000u);
  EXPECT_EQ(pair.failure(), "");
}

TEST(QuicStreams, ResetStreamsGiveTheirWindowBack) {
  QuicPair pair(PairOver(milliseconds(20), 100));
  bool reads = false;
  pair.on_accept = [&](QuicSide& side) { side.read_limit = reads ? UINT64_MAX : 0; };
  const size_t session = pair.Dial();
  // Together three times what a connection may have unread at first.
  for (int i = 0; i < 12; ++i) {
    QuicSide side;
    side.to_send = 200'000;
    side.finishes = false;  // what came whole stays to be read
    const size_t stream = pair.Open(session, side, 0);
    pair.RunFor(milliseconds(200));
    pair.client_endpoint().Abort(pair.now(), pair.client(stream).stream, CloseReason::kAborted);
    pair.SettleAll();
  }
  pair.RunFor(seconds(1));
  reads = true;
  const size_t last = pair.Open(session, 2'000'000, 2'000'000);
  EXPECT_TRUE(pair.RunUntil([&] { return pair.client(last).at_end && pair.stream(last).server->at_end; }, seconds(10))) << pair.Missing();
  EXPECT_FALSE(pair.session(session).closed);
}

TEST(QuicStreams, WhoWritesToAPeerThatLeftIsTold) {
  QuicPair pair(PairOver(milliseconds(40), 20));
  std::vector<Event> closed;
  pair.on_event = [&](bool is_client, size_t, const Event& event) {
    if (!is_client && event.kind == Event::Kind::kClosed) closed.push_back(event);
  };
  const size_t session = pair.Dial();
  const size_t stream = pair.Open(session, 1000, uint64_t{1} << 40);
  ASSERT_TRUE(pair.RunUntil([&] { return pair.client(stream).received > 1'000'000; }, seconds(5))) << pair.Missing();
  pair.client(stream).close_called = true;
  pair.client_endpoint().Close(pair.now(), pair.client(stream).stream);
  pair.SettleAll();
  ASSERT_TRUE(pair.RunUntil([&] { return pair.stream(stream).server->closed; }, seconds(5))) << pair.Missing();
  EXPECT_TRUE(pair.stream(stream).server->at_end) << "what the client had sent ended in order";
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_TRUE(closed[0].is_complete);
  // Both ends have forgotten it, and the session serves others.
  pair.RunFor(seconds(1));
  EXPECT_EQ(pair.client_endpoint().OpenStreams(pair.session(session).handle), 0u);
  EXPECT_EQ(pair.server_endpoint().OpenStreams(pair.ServerSession()), 0u);
  const size_t next = pair.Open(session, 100'000, 100'000);
  EXPECT_TRUE(pair.RunUntil([&] { return pair.client(next).at_end; }, seconds(5))) << pair.Missing();
}

TEST(QuicStreams, WhatAStoppedPeerStillSendsArrives) {
  QuicPair pair(PairOver(milliseconds(40), 20));
  const size_t session = pair.Dial();
  const size_t stream = pair.Open(session, 8 << 20, uint64_t{1} << 40);
  ASSERT_TRUE(pair.RunUntil([&] { return pair.client(stream).received > 100'000; }, seconds(5))) << pair.Missing();
  // It lets go of the stream as soon as everything is written: the server is told to stop while the last of it is on its way.
  ASSERT_TRUE(pair.RunUntil([&] { return pair.client(stream).finish_called; }, seconds(20))) << pair.Missing();
  pair.client(stream).close_called = true;
  pair.client_endpoint().Close(pair.now(), pair.client(stream).stream);
  pair.SettleAll();
  ASSERT_TRUE(pair.RunUntil([&] { return pair.stream(stream).server->closed; }, seconds(10))) << pair.Missing();
  EXPECT_TRUE(pair.stream(stream).server->at_end);
  EXPECT_EQ(pair.stream(stream).server->received, uint64_t{8} << 20);
}

TEST(QuicStreams, WhatCameWholeOutlivesItsSession) {
  for (const bool is_aborted : {true, false}) {
    SCOPED_TRACE(is_aborted);
    QuicPair pair(PairOver(milliseconds(40), 50));
    std::vector<Event> closed;
    pair.on_event = [&](bool is_client, size_t, const Event& event) {
      if (is_client && event.kind == Event::Kind::kClosed) closed.push_back(event);
    };
    const size_t session = pair.Dial();
    QuicSide side;
    side.to_send = 10;
    side.read_limit = 100'000;
    const size_t stream = pair.Open(session, side, 300'000);
    pair.RunFor(seconds(1));
    ASSERT_EQ(pair.client(stream).received, 100'000u);
    if (is_aborted) {
      pair.server_endpoint().AbortSession(pair.now(), pair.ServerSession(), CloseReason::kAdmin);
    } else {
      pair.server_endpoint().CloseSession(pair.now(), pair.ServerSession());
    }
    pair.SettleAll();
    ASSERT_TRUE(pair.RunUntil([&] { return pair.session(session).closed; }, seconds(5))) << pair.Missing();
    pair.RunFor(seconds(3));  // until the engine has buried the session
    EXPECT_TRUE(closed.empty());
    pair.client(stream).read_limit = UINT64_MAX;
    pair.PumpClient(stream);
    pair.RunFor(milliseconds(10));
    EXPECT_TRUE(pair.client(stream).at_end);
    EXPECT_EQ(pair.client(stream).received, 300'000u);
    EXPECT_EQ(pair.failure(), "");
  }
}

TEST(QuicStreams, NewStreamsAreAnnouncedWhileTheWindowIsFull) {
  QuicPair pair(PairOver(milliseconds(40), 50));
  pair.on_accept = [](QuicSide& side) { side.read_limit = 0; };
  const size_t session = pair.Dial();
  for (int i = 0; i < 3; ++i) pair.Open(session, 20 << 20, 0);
  pair.RunFor(seconds(2));
  ASSERT_EQ(pair.ClientStats(session)->limited_by, SendLimit::kPeerWindow);
  ASSERT_EQ(pair.accepted_streams(), 3u);
  ASSERT_TRUE(pair.client_endpoint().OpenStream(pair.now(), pair.session(session).handle));
  pair.SettleAll();
  EXPECT_TRUE(pair.RunUntil([&] { return pair.accepted_streams() == 4; }, milliseconds(100)));
  EXPECT_GE(pair.ClientStats(session)->flow_blocked_time, seconds(1));
}

TEST(QuicStreams, WhoRecordsAPacketCannotSpendItsSendersCredit) {
  QuicPairOptions options = PairOver(milliseconds(40), 50);
  options.client.keepalive_interval = seconds(1);
  QuicPair pair(options);
  std::vector<uint8_t> last;
  pair.on_datagram = [&](bool up, const SocketAddress&, ByteView bytes) {
    if (up) last.assign(bytes.begin(), bytes.end());
  };
  const size_t session = pair.Dial();
  QuicSide side;
  side.to_send = 1000;
  side.finishes = false;
  const size_t stream = pair.Open(session, side, 1000);
  pair.RunFor(seconds(5));
  // Keep-alives: PING frames, each of which counts.
  ASSERT_FALSE(last.empty());
  const std::vector<uint8_t> recorded = last;
  for (int i = 0; i < 5000; ++i) static_cast<void>(pair.Inject(pair.client_address(), recorded));
  pair.RunFor(seconds(1));
  EXPECT_FALSE(pair.session(session).closed);
  pair.client(stream).finishes = true;
  pair.PumpClient(stream);
  EXPECT_TRUE(pair.RunUntilDone(seconds(5))) << pair.Missing();
}

}  // namespace
}  // namespace culvert::sim
