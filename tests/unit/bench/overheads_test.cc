#include "tests/bench/compare/subjects/overheads.h"

#include <gtest/gtest.h>

namespace culvert::bench {
namespace {

TEST(Overheads, OfCulvertAreThoseOfItsDatagrams) {
  // 1232 bytes of UDP payload: nonce 12, tag 16, head 18; without a seed 6 bytes of check.
  EXPECT_EQ(CulvertPacket(true).payload_bytes, 1186);
  EXPECT_EQ(CulvertPacket(true).ip_bytes, 1260);
  EXPECT_EQ(CulvertPacket(false).payload_bytes, 1208);
  EXPECT_EQ(CulvertPacket(false).ip_bytes, 1260);
}

TEST(Overheads, OfV2rayGoBeyondItsMtuByTheNonce) {
  EXPECT_EQ(V2rayPacket(true).payload_bytes, 1316);
  EXPECT_EQ(V2rayPacket(true).ip_bytes, 1390);
  EXPECT_EQ(V2rayPacket(false).payload_bytes, 1326);
  EXPECT_EQ(V2rayPacket(false).ip_bytes, 1378);
}

TEST(Overheads, OfTcpAndKcptun) {
  EXPECT_NEAR(TcpPacket().share(), 1448.0 / 1500, 1e-12);
  EXPECT_NEAR(KcptunPacket(0, 0).share(), 1306.0 / 1378, 0.001);
  EXPECT_NEAR(KcptunPacket(10, 3).share(), 1298.0 / 1378 * 10 / 13, 0.001);
}

TEST(Overheads, OfQuicAreThoseOfAShortHeaderAndAStreamFrame) {
  EXPECT_EQ(QuicPacket(kCulvertQuicDatagram).payload_bytes, 1413);
  EXPECT_EQ(QuicPacket(kCulvertQuicDatagram).ip_bytes, 1480);
  // Inside the wrapper (12 + 16) as much as a path of 1500 bytes takes.
  EXPECT_EQ(QuicPacket(kWrappedQuicDatagram, kQuicWrapper).payload_bytes, 1405);
  EXPECT_EQ(QuicPacket(kWrappedQuicDatagram, kQuicWrapper).ip_bytes, 1500);
  EXPECT_EQ(QuicPacket(kV2rayQuicDatagram).ip_bytes, 1308);
}

TEST(Overheads, OfTlsAre22BytesARecord) {
  EXPECT_NEAR(InTlsRecords(TcpPacket()).share() / TcpPacket().share(), 16384.0 / 16406, 1e-12);
}

}  // namespace
}  // namespace culvert::bench
