// Peers that break the rules, after a handshake like anybody's: floods, lies, hoarding. Others notice nothing. See quic_evil.h.
#include <gtest/gtest.h>
#include <malloc.h>
#include <ngtcp2/ngtcp2.h>

#include <functional>

#include "tests/sim/quic_evil.h"
#include "tests/sim/quic_links.h"

namespace culvert::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// RFC 9000 section 20.1.
constexpr uint64_t kFlowControlError = 0x03;
constexpr uint64_t kStreamLimitError = 0x04;
constexpr uint64_t kStreamStateError = 0x05;
constexpr uint64_t kFinalSizeError = 0x06;
constexpr uint64_t kFrameEncodingError = 0x07;
constexpr uint64_t kProtocolViolation = 0x0a;

// Bytes in use; 0 where a sanitizer has the heap.
size_t HeapBytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

// A listener with an honest transfer under way, and somebody else.
class QuicHostile : public ::testing::Test {
 protected:
  QuicHostile() : pair_(PairOver(milliseconds(40), 20)), evil_(pair_, *SocketAddress::Parse("198.51.100.9:7000")) {
    pair_.on_datagram = [this](bool up, const SocketAddress& to, ByteView bytes) {
      if (!up && to == evil_.address()) evil_.OnDatagram(bytes);
    };
    session_ = pair_.Dial();
    pair_.Open(session_, 4 << 20, 4 << 20);
  }
  // Whatever happened, the honest one is served.
  void TearDown() override {
    EXPECT_TRUE(pair_.RunUntilDone(seconds(20))) << pair_.Missing();
    EXPECT_FALSE(pair_.session(session_).closed);
  }
  // Sends until the server closes; at most so often, a hundred packets in 10 ms. Acknowledges nothing.
  void Flood(int most, const std::function<Frames(uint64_t)>& make) {
    ASSERT_TRUE(evil_.Connect());
    const size_t before = HeapBytes();
    size_t highest = before;
    int sent = 0;
    for (; sent < most && !evil_.close_error(); ++sent) {
      evil_.Send(make(static_cast<uint64_t>(sent)));
      if (sent % 100 != 99) continue;
      pair_.RunFor(milliseconds(10));
      evil_.Work(false);
      highest = std::max(highest, HeapBytes());
    }
    pair_.RunFor(seconds(2));
    evil_.Work(false);
    ASSERT_TRUE(evil_.close_error()) << "not closed after " << sent << " packets";
    EXPECT_EQ(*evil_.close_error(), kProtocolViolation) << "after " << sent << " packets";
    EXPECT_LE(highest - std::min(highest, before), 8u << 20);
  }
  // One packet, and the error that must come of it within a round trip.
  void Expect(const Frames& frames, uint64_t error) {
    ASSERT_TRUE(evil_.Connect());
    evil_.Send(frames);
    pair_.RunFor(milliseconds(50));
    evil_.Work(false);
    ASSERT_TRUE(evil_.close_error()) << "not closed";
    EXPECT_EQ(*evil_.close_error(), error);
  }

  QuicPair pair_;
  EvilPeer evil_;
  size_t session_ = 0;
};

TEST_F(QuicHostile, PingFlood) {
  Flood(20'000, [](uint64_t) { return Frames().Byte(0x01); });
}
TEST_F(QuicHostile, ManyPingsInOnePacket) {
  Flood(100, [](uint64_t) { return Frames().Fill(1000, 0x01); });
}
TEST_F(QuicHostile, PathChallengeFlood) {
  Flood(20'000, [](uint64_t i) { return Frames().Byte(0x1a).Number(i); });
}
TEST_F(QuicHostile, EmptyStreamFrameFlood) {
  Flood(20'000, [](uint64_t i) { return i == 0 ? Frames::Stream(0, 0, 10) : Frames::Stream(0, 10, 0); });
}
TEST_F(QuicHostile, ResetFlood) {
  Flood(20'000, [](uint64_t i) { return Frames().Byte(0x04).Number(4 * (i % 200)).Number(0).Number(0); });
}
TEST_F(QuicHostile, StopSendingFlood) {
  Flood(20'000, [](uint64_t i) { return Frames().Byte(0x05).Number(4 * (i % 200)).Number(0); });
}
// Credit for us costs nothing and comes as often as our own data asks for, so it is not counted; but it must not grow either.
TEST_F(QuicHostile, CreditCostsNothing) {
  ASSERT_TRUE(evil_.Connect());
  const size_t before = HeapBytes();
  for (uint64_t i = 0; i < 20'000; ++i) {
    evil_.Send(Frames().Byte(0x10).Number(i).Byte(0x12).Number(i % 100).Byte(0x13).Number(i));
    if (i % 100 == 99) pair_.RunFor(milliseconds(10));
  }
  evil_.Work(true);
  EXPECT_FALSE(evil_.close_error());
  EXPECT_LE(HeapBytes() - std::min(HeapBytes(), before), 8u << 20);
}
TEST_F(QuicHostile, DataBlockedFlood) {
  Flood(20'000, [](uint64_t i) { return Frames().Byte(0x14).Number(i); });
}
TEST_F(QuicHostile, StreamsBlockedFlood) {
  Flood(20'000, [](uint64_t) { return Frames().Byte(0x16).Number(100); });
}
TEST_F(QuicHostile, RepeatedNewConnectionIdFlood) {
  Flood(20'000, [](uint64_t i) {
    // Each retires the ones before, and asks for a RETIRE_CONNECTION_ID each time.
    return Frames().Byte(0x18).Number(i + 1).Number(i + 1).Byte(8).Number(i + 1).Fill(16, static_cast<uint8_t>(i));
  });
}
TEST_F(QuicHostile, CryptoHoles) {
  ASSERT_TRUE(evil_.Connect());
  const size_t before = HeapBytes();
  for (uint64_t i = 0; i < 20'000 && !evil_.close_error(); ++i) {
    evil_.Send(Frames().Byte(0x06).Number(1'000 + 2 * i).Number(1).Byte('x'));
    if (i % 100 != 99) continue;
    pair_.RunFor(milliseconds(10));
    evil_.Work(false);
  }
  pair_.RunFor(seconds(2));
  evil_.Work(false);
  EXPECT_TRUE(evil_.close_error());
  EXPECT_LE(HeapBytes() - std::min(HeapBytes(), before), 8u << 20);
}

TEST_F(QuicHostile, AckOfWhatWasNotSent) {
  ASSERT_TRUE(evil_.Connect());
  evil_.Send(Frames().Byte(0x02).Number(static_cast<uint64_t>(evil_.highest_received()) + 1000).Number(0).Number(0).Number(0));
  pair_.RunFor(milliseconds(50));
  evil_.Work(false);
  ASSERT_TRUE(evil_.close_error());
  EXPECT_EQ(*evil_.close_error(), kProtocolViolation);
}
TEST_F(QuicHostile, UnknownFrame) { Expect(Frames().Byte(0x21).Fill(20, 1), kFrameEncodingError); }
TEST_F(QuicHostile, CutFrame) { Expect(Frames().Fill(3, 0).Byte(0x18), kFrameEncodingError); }
TEST_F(QuicHostile, NewTokenFromAClient) { Expect(Frames().Byte(0x07).Number(4).Fill(4, 1), kProtocolViolation); }
TEST_F(QuicHostile, HandshakeDoneFromAClient) { Expect(Frames().Byte(0x1e), kProtocolViolation); }
TEST_F(QuicHostile, MoreStreamsThanAllowed) { Expect(Frames::Stream(4 * 5000, 0, 10), kStreamLimitError); }
TEST_F(QuicHostile, ServersStreamOpenedByAClient) { Expect(Frames::Stream(1, 0, 10), kStreamStateError); }
TEST_F(QuicHostile, UnidirectionalStream) { Expect(Frames::Stream(2, 0, 10), kStreamLimitError); }
TEST_F(QuicHostile, BeyondFlowControl) { Expect(Frames::Stream(0, 1u << 30, 10), kFlowControlError); }
TEST_F(QuicHostile, EndMoves) { Expect(Frames::Stream(0, 0, 10, true).Append(Frames::Stream(0, 0, 20)), kFinalSizeError); }

// T25, smaller: each connection fills its streams but for their first byte.
TEST_F(QuicHostile, StreamsWithoutTheirFirstByte) {
  constexpr int kPeers = 20;
  std::vector<std::unique_ptr<EvilPeer>> peers;
  pair_.on_datagram = [&](bool up, const SocketAddress& to, ByteView bytes) {
    for (const auto& peer : peers) {
      if (!up && to == peer->address()) peer->OnDatagram(bytes);
    }
  };
  const size_t before = HeapBytes();
  for (int i = 0; i < kPeers; ++i) {
    peers.push_back(std::make_unique<EvilPeer>(pair_, SocketAddress{IpAddress::V4({198, 51, 100, static_cast<uint8_t>(i + 10)}), 7000}));
    ASSERT_TRUE(peers.back()->Connect());
    for (uint64_t k = 0; k < 256 * 2; ++k) peers.back()->Send(Frames::Stream(4 * (k % 256), 1 + k / 256 * 1000, 1000));
    peers.back()->Work(true);
  }
  // Half a MiB of each is held; ngtcp2 keeps 8 KiB for each stream that has a gap, and its own matters.
  EXPECT_LE(HeapBytes() - std::min(HeapBytes(), before), kPeers * (size_t{13} << 18));
  int alive = 0;
  for (const auto& peer : peers) {
    peer->Work(true);
    EXPECT_FALSE(peer->close_error()) << *peer->close_error();
    if (!peer->close_error()) ++alive;
  }
  EXPECT_EQ(alive, kPeers) << "it is within what they may send";
  pair_.on_datagram = nullptr;  // the peers go before the pair
}

// The evil one behaves here: it is a stack of its own in a version that our clients do not begin with.
TEST(QuicVersions, VersionTwoIsSpoken) {
  QuicPair pair(PairOver(milliseconds(40), 20));
  EvilPeer peer(pair, *SocketAddress::Parse("198.51.100.9:7000"), NGTCP2_PROTO_VER_V2);
  pair.on_datagram = [&](bool up, const SocketAddress& to, ByteView bytes) {
    if (!up && to == peer.address()) peer.OnDatagram(bytes);
  };
  ASSERT_TRUE(peer.Connect());
  const auto info = pair.server_endpoint().GetSessionInfo(pair.ServerSession());
  ASSERT_TRUE(info);
  EXPECT_TRUE(info->established);
  EXPECT_EQ(info->version, NGTCP2_PROTO_VER_V2);
  // Stream 0: number 0 does not exist in this pair, so only the opening is looked at.
  peer.Send(Frames::Stream(0, 0, 4));
  EXPECT_EQ(pair.accepted_streams(), 1u);
}

}  // namespace
}  // namespace culvert::sim
