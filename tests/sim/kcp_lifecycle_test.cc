#include <gtest/gtest.h>

#include "tests/sim/kcp_pair.h"

namespace culvert::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

PairOptions Quick() {
  PairOptions options;
  options.client.seed = options.server.seed = "a seed for tests";
  options.up.rate_bits_per_second = options.down.rate_bits_per_second = 50'000'000;
  options.up.delay = options.down.delay = milliseconds(20);
  return options;
}

bool BothGone(KcpPair& pair) {
  return pair.client_endpoint().session_count() == 0 && pair.server_endpoint().session_count() == 0;
}

TEST(KcpLifecycle, CloseDeliversWhatWasWrittenAndIsSeenWithinARoundTrip) {
  KcpPair pair(Quick());
  pair.Open({.to_send = 100'000, .close_when_sent = true}, {});
  const TimePoint start = pair.now();
  ASSERT_TRUE(pair.RunUntil([&] { return pair.server().at_end; }, seconds(5))) << pair.failure();
  EXPECT_EQ(pair.server().received, 100'000u);
  EXPECT_LT(pair.now() - start, milliseconds(600));
  ASSERT_TRUE(pair.RunUntil([&] { return BothGone(pair); }, seconds(2))) << pair.failure();
  EXPECT_EQ(pair.client().reason, CloseReason::kLocal);
  EXPECT_TRUE(pair.server().closed);
}

TEST(KcpLifecycle, ServerClosesFirst) {
  KcpPair pair(Quick());
  pair.Open({.to_send = 10}, {.to_send = 70'000, .close_when_sent = true});
  ASSERT_TRUE(pair.RunUntil([&] { return pair.client().at_end; }, seconds(5))) << pair.failure();
  EXPECT_EQ(pair.client().received, 70'000u);
  ASSERT_TRUE(pair.RunUntil([&] { return BothGone(pair); }, seconds(2)));
}

TEST(KcpLifecycle, CloseUnderLossStillDeliversEverything) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    PairOptions options = Quick();
    options.seed = seed;
    options.up.loss = options.down.loss = 0.2;
    options.up.seed = seed;
    options.down.seed = seed + 100;
    KcpPair pair(options);
    pair.Open({.to_send = 50'000, .close_when_sent = true}, {});
    ASSERT_TRUE(pair.RunUntil([&] { return pair.server().closed || pair.server().at_end; }, seconds(30))) << seed;
    EXPECT_EQ(pair.server().received, 50'000u) << seed;
    ASSERT_TRUE(pair.RunUntil([&] { return BothGone(pair); }, seconds(15))) << seed;
  }
}

TEST(KcpLifecycle, AbortIsAnErrorAtTheOtherEnd) {
  KcpPair pair(Quick());
  pair.Open({.to_send = 10 << 20}, {});
  pair.RunFor(milliseconds(500));
  pair.client_endpoint().Abort(pair.now(), pair.client().stream, CloseReason::kAborted);
  pair.client().to_send = pair.client().written;
  ASSERT_TRUE(pair.RunUntil([&] { return pair.server().closed; }, seconds(5))) << pair.failure();
  EXPECT_FALSE(pair.server().at_end);
  EXPECT_NE(pair.server().reason, CloseReason::kPeer);
  ASSERT_TRUE(pair.RunUntil([&] { return BothGone(pair); }, seconds(10)));
}

TEST(KcpLifecycle, AbortIsAnErrorEvenWhenEverythingHadArrived) {
  KcpPair pair(Quick());
  pair.Open({.to_send = 1000}, {.to_send = 1000});
  ASSERT_TRUE(pair.RunUntil([&] { return pair.server().received == 1000 && pair.client().received == 1000; }, seconds(5)));
  pair.RunFor(seconds(1));
  pair.server_endpoint().Abort(pair.now(), pair.server().stream, CloseReason::kAborted);
  ASSERT_TRUE(pair.RunUntil([&] { return pair.client().closed; }, seconds(5))) << pair.failure();
  EXPECT_FALSE(pair.client().at_end);
  EXPECT_EQ(pair.client().reason, CloseReason::kUnacknowledged);
  ASSERT_TRUE(pair.RunUntil([&] { return BothGone(pair); }, seconds(10)));
}

TEST(KcpLifecycle, SilentPeerEndsTheSessionAfterThirtySeconds) {
  KcpPair pair(Quick());
  pair.Open({.to_send = 1000}, {.to_send = 1000});
  ASSERT_TRUE(pair.RunUntil([&] { return pair.client().received == 1000; }, seconds(5)));
  pair.black_hole = true;
  const TimePoint start = pair.now();
  ASSERT_TRUE(pair.RunUntil([&] { return pair.client().closed && pair.server().closed; }, seconds(40)));
  EXPECT_GE(pair.now() - start, seconds(25));
  EXPECT_LE(pair.now() - start, seconds(32));
  EXPECT_EQ(pair.client().reason, CloseReason::kIdleTimeout);
  ASSERT_TRUE(pair.RunUntil([&] { return BothGone(pair); }, seconds(10)));
}

TEST(KcpLifecycle, UnacknowledgedDataGivesUpAfterFifteenSeconds) {
  KcpPair pair(Quick());
  pair.Open({.to_send = 1000}, {.to_send = 1000});
  ASSERT_TRUE(pair.RunUntil([&] { return pair.client().received == 1000; }, seconds(5)));
  pair.black_hole = true;
  const std::vector<uint8_t> bytes(5000, 7);
  ASSERT_EQ(pair.client_endpoint().Write(pair.client().stream, bytes), bytes.size());
  pair.client_endpoint().Close(pair.now(), pair.client().stream);
  const TimePoint start = pair.now();
  ASSERT_TRUE(pair.RunUntil([&] { return pair.client().closed; }, seconds(20)));
  EXPECT_EQ(pair.client().reason, CloseReason::kUnacknowledged);
  EXPECT_GE(pair.now() - start, seconds(14));
  EXPECT_LE(pair.now() - start, seconds(16));
}

TEST(KcpLifecycle, LateDatagramOpensNoGhost) {
  KcpPair pair(Quick());
  std::vector<std::vector<uint8_t>> recorded;
  pair.on_datagram = [&](bool from_client, ByteView bytes) {
    if (from_client && recorded.size() < 5) recorded.emplace_back(bytes.begin(), bytes.end());
  };
  pair.Open({.to_send = 20'000, .close_when_sent = true}, {});
  ASSERT_TRUE(pair.RunUntil([&] { return pair.server().at_end && BothGone(pair); }, seconds(10))) << pair.failure();
  for (std::vector<uint8_t>& bytes : recorded) {
    Datagram datagram{*SocketAddress::Parse("10.0.0.1:40000"), bytes};
    EXPECT_EQ(pair.server_endpoint().OnDatagram(pair.now(), datagram), DropReason::kRecentlyEnded);
  }
  EXPECT_EQ(pair.server_endpoint().session_count(), 0u);
}

TEST(KcpLifecycle, RestartedServerTellsTheClient) {
  PairOptions options = Quick();
  KcpPair first(options);
  std::vector<uint8_t> late;
  first.on_datagram = [&](bool from_client, ByteView bytes) {
    if (from_client) late.assign(bytes.begin(), bytes.end());
  };
  first.Open({.to_send = 3'000'000}, {});
  first.RunFor(seconds(2));
  // The last data segment of an established conversation meets a server that knows nothing of it.
  options.seed = 99;
  KcpPair second(options);
  Datagram datagram{*SocketAddress::Parse("10.0.0.1:40000"), late};
  EXPECT_EQ(second.server_endpoint().OnDatagram(second.now(), datagram), DropReason::kUnknownConversation);
  size_t answers = 0;
  second.on_datagram = [&](bool from_client, ByteView bytes) {
    if (!from_client) {
      ++answers;
      EXPECT_LE(bytes.size(), late.size());
    }
  };
  second.RunFor(milliseconds(10));
  EXPECT_EQ(answers, 1u);
}

TEST(KcpLifecycle, ARestartedServerIsAnErrorInADownloadAndInAnUpload) {
  for (const bool download : {true, false}) {
    PairOptions options = Quick();
    KcpPair pair(options);
    pair.Open({.to_send = download ? 100u : 20'000'000u}, {.to_send = download ? 20'000'000u : 0u});
    pair.RunFor(seconds(2));
    ASSERT_FALSE(pair.client().closed);
    pair.ReplaceServer();
    ASSERT_TRUE(pair.RunUntil([&] { return pair.client().closed; }, seconds(3))) << download;
    EXPECT_FALSE(pair.client().at_end) << download;
    EXPECT_EQ(pair.client().reason, CloseReason::kUnacknowledged) << download;
  }
}

TEST(KcpLifecycle, ClosingWhatNeverGotAnAnswerIsNoBusyLoop) {
  KcpPair pair(Quick());
  pair.black_hole = true;
  pair.Open({}, {});
  pair.client_endpoint().Close(pair.now(), pair.client().stream);
  pair.RunFor(seconds(20));
  EXPECT_EQ(pair.failure(), "");
  EXPECT_EQ(pair.client_endpoint().session_count(), 0u);
}

TEST(KcpLifecycle, ALateReaderAfterTheEndSendsNoAcks) {
  KcpPair pair(Quick());
  pair.Open({.to_send = 500'000, .close_when_sent = true}, {.read_limit = 1000});
  ASSERT_TRUE(pair.RunUntil([&] { return pair.client().closed; }, seconds(20))) << pair.failure();
  pair.RunFor(seconds(3));
  const uint64_t sent = pair.server_endpoint().counters().tx_datagrams;
  pair.server().read_limit = UINT64_MAX;
  pair.PumpServer();
  pair.RunFor(milliseconds(100));
  EXPECT_EQ(pair.server().received, 500'000u);
  EXPECT_TRUE(pair.server().at_end);
  EXPECT_EQ(pair.server_endpoint().counters().tx_datagrams, sent);
}

TEST(KcpLifecycle, SixtyVirtualDays) {
  // The millisecond clock wraps after 49.7 days.
  KcpPair pair(Quick());
  pair.Open({.to_send = 1000}, {.to_send = 1000});
  ASSERT_TRUE(pair.RunUntil([&] { return pair.client().received == 1000; }, seconds(5)));
  for (int day = 0; day < 60; ++day) {
    pair.RunFor(std::chrono::hours(24));
    ASSERT_FALSE(pair.client().closed) << "day " << day;
    pair.client().to_send += 1000;
    pair.server().to_send += 1000;
    pair.PumpClient();
    pair.PumpServer();
    const uint64_t expected = pair.client().to_send;
    ASSERT_TRUE(pair.RunUntil([&] { return pair.client().received == expected && pair.server().received == expected; }, seconds(5)))
        << "day " << day;
  }
  EXPECT_FALSE(pair.server().closed);
}

}  // namespace
}  // namespace culvert::sim
