// Changes of address: by a NAT, by the client itself, to another worker's socket, and by an attacker. See quic_pair.h.
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "tests/sim/quic_links.h"

namespace culvert::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

enum class Change { kPort, kAddress, kOwn };

void Apply(QuicPair& pair, Change change) {
  if (change == Change::kPort) pair.RebindPort();
  if (change == Change::kAddress) pair.RebindAddress();
  if (change == Change::kOwn) pair.MigrateClient();
}

// Twelve changes in a transfer: nothing is lost, and no pause is longer than half a second.
void ChangeTwelveTimes(Change change, bool is_upload, uint32_t workers) {
  QuicPairOptions options = PairOver(milliseconds(30), 20);
  options.workers = workers;
  QuicPair pair(options);
  const size_t session = pair.Dial();
  const uint64_t bytes = 40 << 20;
  const size_t stream = is_upload ? pair.Open(session, bytes, 1000) : pair.Open(session, 1000, bytes);
  pair.RunFor(seconds(2));
  for (int i = 0; i < 12; ++i) {
    Apply(pair, change);
    pair.RunFor(milliseconds(1000));
    ASSERT_EQ(pair.failure(), "") << "after change " << i;
    ASSERT_FALSE(pair.session(session).closed) << "after change " << i << " " << pair.Missing();
  }
  ASSERT_TRUE(pair.RunUntilDone(seconds(60))) << pair.Missing();
  const QuicSide& reader = is_upload ? *pair.stream(stream).server : pair.client(stream);
  EXPECT_LE(ToMilliseconds(reader.longest_stall), 500);
}

TEST(QuicMigration, RebindPortUpload) { ChangeTwelveTimes(Change::kPort, true, 1); }
TEST(QuicMigration, RebindPortDownload) { ChangeTwelveTimes(Change::kPort, false, 1); }
TEST(QuicMigration, RebindAddressUpload) { ChangeTwelveTimes(Change::kAddress, true, 1); }
TEST(QuicMigration, RebindAddressDownload) { ChangeTwelveTimes(Change::kAddress, false, 1); }
TEST(QuicMigration, OwnAddressUpload) { ChangeTwelveTimes(Change::kOwn, true, 1); }
TEST(QuicMigration, OwnAddressDownload) { ChangeTwelveTimes(Change::kOwn, false, 1); }
// Each change of port leads to a socket of another worker, which passes datagrams on.
TEST(QuicMigration, RebindToAnotherWorkerUpload) { ChangeTwelveTimes(Change::kPort, true, 3); }
TEST(QuicMigration, RebindToAnotherWorkerDownload) { ChangeTwelveTimes(Change::kPort, false, 3); }
TEST(QuicMigration, OwnAddressAtAnotherWorker) { ChangeTwelveTimes(Change::kOwn, true, 3); }

TEST(QuicMigration, WhatWasLostAsTheAddressChangedIsSentAgain) {
  QuicPair pair(PairOver(milliseconds(30), 20));
  const size_t session = pair.Dial();
  const size_t stream = pair.Open(session, 1000, 200'000);
  ASSERT_TRUE(pair.RunUntil([&] { return pair.client(stream).received > 100'000; }, seconds(5))) << pair.Missing();
  // The rest, with its end, goes to where the client was; nothing follows it.
  pair.down().black_hole = true;
  pair.RunFor(milliseconds(60));
  pair.RebindPort();
  const size_t other = pair.Open(session, 100, 0);
  ASSERT_TRUE(pair.RunUntil([&] { return pair.stream(other).server != nullptr; }, seconds(1))) << pair.Missing();
  pair.down().black_hole = false;
  const TimePoint from = pair.now();
  ASSERT_TRUE(pair.RunUntil([&] { return pair.client(stream).at_end; }, seconds(20))) << pair.Missing();
  EXPECT_LE(ToMilliseconds(pair.now() - from), 1000);
}

TEST(QuicMigration, AnEndThatIsLostWithTheAddressIsFoundSoon) {
  QuicPair pair(PairOver(milliseconds(30), 20));
  const size_t session = pair.Dial();
  QuicSide side;
  side.to_send = 200'000;
  const size_t stream = pair.Open(session, side, 200'000);
  ASSERT_TRUE(pair.RunUntil([&] { return pair.client(stream).received == 200'000 - 1 || pair.client(stream).received > 190'000; }, seconds(5)));
  // For a while nothing happens, and the client has nothing to say any more; then its address changes and the end is lost.
  pair.down().black_hole = true;
  pair.RunFor(milliseconds(300));
  pair.RebindPort();
  pair.down().black_hole = false;
  const TimePoint from = pair.now();
  ASSERT_TRUE(pair.RunUntil([&] { return pair.client(stream).at_end; }, seconds(20))) << pair.Missing();
  EXPECT_LE(ToMilliseconds(pair.now() - from), 600) << "as long as the silence had lasted, and a round trip or two";
}

TEST(QuicMigration, IsCounted) {
  QuicPair pair(PairOver(milliseconds(30), 20));
  const size_t session = pair.Dial();
  pair.Open(session, 20 << 20, 1000);
  pair.RunFor(seconds(1));
  pair.RebindPort();
  pair.RunFor(seconds(2));
  const auto stats = pair.ServerStats();
  ASSERT_TRUE(stats);
  EXPECT_GE(stats->path_migrations, 1u);
  EXPECT_EQ(stats->peer, pair.client_address());
}

TEST(QuicMigration, AnIdleClientIsFoundAgain) {
  QuicPair pair(PairOver(milliseconds(30), 20));
  const size_t session = pair.Dial();
  QuicSide side;
  side.to_send = 100;
  side.finishes = false;
  const size_t stream = pair.Open(session, side, 100);
  pair.RunFor(seconds(3));
  pair.RebindAddress();
  // Keep-alive tells the server within its interval.
  pair.RunFor(seconds(15));
  pair.client(stream).to_send += 1000;
  pair.stream(stream).server->expects += 1000;
  pair.client(stream).finishes = true;
  pair.PumpClient(stream);
  ASSERT_TRUE(pair.RunUntilDone(seconds(3))) << pair.Missing();
}

// T27: an attacker who can see datagrams sends them again, from a victim's address, so that they arrive first.
class QuicSpoof : public ::testing::Test {
 protected:
  QuicSpoof() : pair_(PairOver(milliseconds(30), 20)) {
    stream_ = pair_.Open(pair_.Dial(), 1000, 20 << 20);
    pair_.RunFor(seconds(2));
    pair_.on_datagram = [this](bool up, const SocketAddress&, ByteView bytes) {
      if (up) copy_.assign(bytes.begin(), bytes.end());
    };
  }
  void Spoof(int times, Duration pause) {
    for (int i = 0; i < times; ++i) {
      ASSERT_TRUE(pair_.RunUntil([&] { return !copy_.empty(); }, seconds(20)));
      (void)pair_.Inject(victim_, std::exchange(copy_, {}));
      pair_.RunFor(pause);
    }
  }
  void TearDown() override {
    const QuicPair::Traffic traffic = pair_.TrafficOf(victim_);
    EXPECT_GT(traffic.in, 0u);
    EXPECT_LE(traffic.out, 3 * traffic.in);
    EXPECT_TRUE(pair_.RunUntilDone(seconds(60))) << pair_.Missing();
  }

  QuicPair pair_;
  size_t stream_ = 0;
  const SocketAddress victim_ = *SocketAddress::Parse("192.0.2.7:53000");
  std::vector<uint8_t> copy_;
};

TEST_F(QuicSpoof, NowAndThenStopsNothing) {
  Spoof(10, milliseconds(500));
  EXPECT_LE(ToMilliseconds(pair_.client(stream_).longest_stall), 500);
}

// Who outruns every datagram of the client for a second can stop it for that long, as who drops them all can; not end it.
TEST_F(QuicSpoof, AllTheTimeEndsNothing) { Spoof(30, milliseconds(20)); }

}  // namespace
}  // namespace culvert::sim
