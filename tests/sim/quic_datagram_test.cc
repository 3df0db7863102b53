// QUIC datagrams (RFC 9221): each belongs to a stream, keeps its boundaries, and takes turns with everything else. See quic_pair.h.
#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "tests/sim/quic_links.h"

namespace culvert::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Bytes = std::vector<uint8_t>;

// What the server got, by stream.
class Collector {
 public:
  explicit Collector(QuicPair& pair) {
    pair.on_event = [this, &pair](bool is_client, size_t, const Event& event) {
      if (is_client || event.kind != Event::Kind::kDatagram) return;
      StreamHandle stream;
      ByteView bytes;
      while (pair.server_endpoint().TakeDatagram(event.session, stream, bytes)) {
        got[stream.packed()].emplace_back(bytes.begin(), bytes.end());
        ++total;
      }
    };
    pair.on_accept = [this](QuicSide& side) { accepted.push_back(side.stream.packed()); };
  }
  std::map<uint64_t, std::vector<Bytes>> got;
  std::vector<uint64_t> accepted;
  size_t total = 0;
};

// A stream that stays open, known to both ends.
StreamHandle OpenStream(QuicPair& pair, size_t session, Collector& collector) {
  const size_t before = collector.accepted.size();
  QuicSide side;
  side.finishes = false;
  const size_t number = pair.Open(session, side, 0);
  EXPECT_TRUE(pair.RunUntil([&] { return collector.accepted.size() > before; }, seconds(3)));
  return pair.client(number).stream;
}

TEST(QuicDatagrams, KeepTheirBoundariesAndTheirStream) {
  QuicPair pair(PairOver(milliseconds(40), 50));
  Collector collector(pair);
  const size_t session = pair.Dial();
  ASSERT_TRUE(pair.RunUntilOpen(session, seconds(2)));
  const StreamHandle first = OpenStream(pair, session, collector);
  const StreamHandle second = OpenStream(pair, session, collector);
  quic::Endpoint& client = pair.client_endpoint();
  const size_t most = client.MaxDatagramBytes(first);
  ASSERT_GE(most, 1000u);

  const Bytes head = {9, 8, 7};
  std::vector<Bytes> sent = {{}, {1}, Bytes(500, 5), Bytes(most - head.size(), 7)};
  std::vector<Bytes> expected;
  for (const Bytes& bytes : sent) {
    EXPECT_TRUE(client.SendDatagram(first, head, bytes)) << bytes.size();
    Bytes whole = head;
    whole.insert(whole.end(), bytes.begin(), bytes.end());
    expected.push_back(whole);
  }
  EXPECT_TRUE(client.SendDatagram(second, {}, Bytes(3, 3)));
  EXPECT_FALSE(client.SendDatagram(first, {}, Bytes(most + 1)));
  EXPECT_FALSE(client.SendDatagram(first, head, Bytes(most - head.size() + 1)));
  EXPECT_FALSE(client.SendDatagram(StreamHandle{77, 1}, {}, Bytes(1)));
  pair.SettleAll();
  ASSERT_TRUE(pair.RunUntil([&] { return collector.total == 5; }, seconds(2)));
  EXPECT_EQ(collector.got[collector.accepted[0]], expected);
  EXPECT_EQ(collector.got[collector.accepted[1]], std::vector<Bytes>{Bytes(3, 3)});
}

TEST(QuicDatagrams, SmallOnesShareAPacket) {
  QuicPair pair(PairOver(milliseconds(40), 50));
  Collector collector(pair);
  const size_t session = pair.Dial();
  ASSERT_TRUE(pair.RunUntilOpen(session, seconds(2)));
  const StreamHandle stream = OpenStream(pair, session, collector);
  const auto before = pair.ClientStats(session);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(pair.client_endpoint().SendDatagram(stream, {}, Bytes(50, static_cast<uint8_t>(i))));
  pair.SettleAll();
  ASSERT_TRUE(pair.RunUntil([&] { return collector.total == 100; }, seconds(2)));
  const auto after = pair.ClientStats(session);
  ASSERT_TRUE(before && after);
  EXPECT_LE(after->tx_datagrams - before->tx_datagrams, 8u);
  // In order, as nothing was lost.
  for (size_t i = 0; i < 100; ++i) EXPECT_EQ(collector.got[collector.accepted[0]][i], Bytes(50, static_cast<uint8_t>(i)));
}

// One flow sends far more than the link carries, another a little: the first loses its own, the second nothing.
TEST(QuicDatagrams, AFloodLosesItsOwn) {
  QuicPair pair(PairOver(milliseconds(20), 8));
  Collector collector(pair);
  const size_t session = pair.Dial();
  ASSERT_TRUE(pair.RunUntilOpen(session, seconds(2)));
  const StreamHandle flood = OpenStream(pair, session, collector);
  const StreamHandle thin = OpenStream(pair, session, collector);
  quic::Endpoint& client = pair.client_endpoint();
  client.SetDatagramQueue(flood, 64);
  size_t flood_sent = 0;
  size_t thin_sent = 0;
  for (int tick = 0; tick < 500; ++tick) {
    for (int i = 0; i < 20; ++i) flood_sent += client.SendDatagram(flood, {}, Bytes(1000, 1)) ? 1 : 0;
    if (tick % 2 == 0) thin_sent += client.SendDatagram(thin, {}, Bytes(100, 2)) ? 1 : 0;
    pair.SettleAll();
    pair.RunFor(milliseconds(10));
  }
  pair.RunFor(seconds(2));
  EXPECT_EQ(flood_sent, 10'000u);
  EXPECT_EQ(thin_sent, 250u);
  // 8 Mbit/s for 5 s are 5,000 of the large ones.
  const size_t flood_got = collector.got[collector.accepted[0]].size();
  EXPECT_LT(flood_got, 6'000u);
  EXPECT_GT(flood_got, 3'000u);
  // The queue of the link itself overflows for whoever is in it, at the start at least.
  EXPECT_GE(collector.got[collector.accepted[1]].size(), 240u);
  const auto stats = pair.ClientStats(session);
  ASSERT_TRUE(stats);
  EXPECT_GT(stats->dropped_datagrams, 3'000u);
  EXPECT_EQ(pair.failure(), "");
}

// Datagrams do not keep streams from moving, nor streams datagrams.
TEST(QuicDatagrams, ShareWithStreams) {
  QuicPair pair(PairOver(milliseconds(20), 20));
  Collector collector(pair);
  const size_t session = pair.Dial();
  ASSERT_TRUE(pair.RunUntilOpen(session, seconds(2)));
  const StreamHandle flow = OpenStream(pair, session, collector);
  const size_t bulk = pair.Open(session, 2 << 20, 0);
  const TimePoint began = pair.now();
  bool is_done = false;
  while (pair.now() - began < seconds(8)) {
    for (int i = 0; i < 40; ++i) static_cast<void>(pair.client_endpoint().SendDatagram(flow, {}, Bytes(1000, 1)));
    pair.SettleAll();
    pair.RunFor(milliseconds(10));
    if (pair.stream(bulk).server != nullptr && pair.stream(bulk).server->received == 2 << 20) {
      is_done = true;
      break;
    }
  }
  EXPECT_TRUE(is_done);
  // 2 MiB take 0.84 s of the link alone; with half of it about twice as long.
  EXPECT_LE(pair.now() - began, seconds(3));
  EXPECT_GE(collector.total, 1000u);
}

TEST(QuicDatagrams, ThatThePeerDoesNotTake) {
  QuicPairOptions options = PairOver(milliseconds(40), 50);
  options.server.datagrams = false;
  QuicPair pair(options);
  Collector collector(pair);
  const size_t session = pair.Dial();
  ASSERT_TRUE(pair.RunUntilOpen(session, seconds(2)));
  const StreamHandle stream = OpenStream(pair, session, collector);
  EXPECT_EQ(pair.client_endpoint().MaxDatagramBytes(stream), 0u);
  EXPECT_FALSE(pair.client_endpoint().SendDatagram(stream, {}, Bytes(10)));
}

// What waits when its stream goes is not sent, and nothing of it is left behind.
TEST(QuicDatagrams, GoWithTheirStream) {
  QuicPair pair(PairOver(milliseconds(20), 1));
  Collector collector(pair);
  const size_t session = pair.Dial();
  ASSERT_TRUE(pair.RunUntilOpen(session, seconds(3)));
  const StreamHandle stream = OpenStream(pair, session, collector);
  const StreamHandle other = OpenStream(pair, session, collector);
  for (int i = 0; i < 200; ++i) static_cast<void>(pair.client_endpoint().SendDatagram(stream, {}, Bytes(1000, 1)));
  static_cast<void>(pair.client_endpoint().SendDatagram(other, {}, Bytes(10, 2)));
  pair.client_endpoint().Abort(pair.now(), stream, CloseReason::kAborted);
  EXPECT_FALSE(pair.client_endpoint().SendDatagram(stream, {}, Bytes(1)));
  pair.SettleAll();
  pair.RunFor(seconds(3));
  EXPECT_TRUE(pair.client_endpoint().SendDatagram(other, {}, Bytes(10, 3)));
  pair.SettleAll();
  ASSERT_TRUE(pair.RunUntil([&] { return collector.got[collector.accepted[1]].size() == 2; }, seconds(3)));
  EXPECT_LT(collector.got[collector.accepted[0]].size(), 200u);
  EXPECT_EQ(pair.failure(), "");
}

}  // namespace
}  // namespace culvert::sim
