#include "core/frontdoor/socks5_udp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace culvert::frontdoor {
namespace {

using namespace std::string_literals;

const std::string kToV4 = "\0\0\0\x01\x01\x02\x03\x04\x00\x35"s;

Socks5DatagramKind KindOf(std::string_view bytes) {
  Socks5Datagram datagram{.destination = {.host = "untouched"}};
  const Socks5DatagramKind kind = ParseSocks5Datagram(AsBytes(bytes), datagram);
  EXPECT_EQ(datagram.destination.host == "untouched", kind != Socks5DatagramKind::kWhole);
  return kind;
}

TEST(Socks5Udp, ParsesTheHeader) {
  Socks5Datagram datagram;
  const std::string bytes = kToV4 + "query";
  ASSERT_EQ(ParseSocks5Datagram(AsBytes(bytes), datagram), Socks5DatagramKind::kWhole);
  EXPECT_EQ(datagram.destination.address.ToString(), "1.2.3.4:53");
  EXPECT_EQ(AsText(datagram.payload), "query");
  ASSERT_EQ(ParseSocks5Datagram(AsBytes(kToV4), datagram), Socks5DatagramKind::kWhole);
  EXPECT_TRUE(datagram.payload.empty());
  const std::string named = "\0\0\0\x03\x03"s + "dns\x00\x35q"s;
  ASSERT_EQ(ParseSocks5Datagram(AsBytes(named), datagram), Socks5DatagramKind::kWhole);
  EXPECT_EQ(datagram.destination.host, "dns");
  EXPECT_EQ(datagram.destination.port, 53);
  EXPECT_EQ(AsText(datagram.payload), "q");
}

TEST(Socks5Udp, TellsFragmentsFromWhatIsMalformed) {
  std::string fragment = kToV4;
  for (const char number : {'\x01', '\x7f', '\x80', '\xff'}) {
    fragment[2] = number;
    EXPECT_EQ(KindOf(fragment), Socks5DatagramKind::kFragment);
  }
  EXPECT_EQ(KindOf(kToV4), Socks5DatagramKind::kWhole);
  EXPECT_EQ(KindOf("\x01\0\0\x01\x01\x02\x03\x04\x00\x35"s), Socks5DatagramKind::kMalformed);
  EXPECT_EQ(KindOf("\0\x01\0\x01\x01\x02\x03\x04\x00\x35"s), Socks5DatagramKind::kMalformed);
  EXPECT_EQ(KindOf("\0\0\0\x02\x01\x02\x03\x04\x00\x35"s), Socks5DatagramKind::kMalformed);
  EXPECT_EQ(KindOf("\0\0\x01\x02\x01\x02\x03\x04\x00\x35"s), Socks5DatagramKind::kMalformed) << "a fragment of nothing";
  EXPECT_EQ(KindOf("\0\0\0\x01\x01\x02\x03\x04\x00\x00"s), Socks5DatagramKind::kMalformed) << "port 0";
  EXPECT_EQ(KindOf("\0\0\0\x03\x01x\x00\x00"s), Socks5DatagramKind::kMalformed) << "port 0";
  for (size_t size = 0; size < kToV4.size(); ++size) EXPECT_EQ(KindOf(kToV4.substr(0, size)), Socks5DatagramKind::kMalformed);
}

TEST(Socks5Udp, WritesTheHeaderOfReplies) {
  std::vector<uint8_t> out(kMaxSocks5DatagramHeaderBytes, 0xee);
  const DatagramAddress source{.address = *SocketAddress::Parse("1.2.3.4:53")};
  EXPECT_EQ(WriteSocks5DatagramHeader(source, out), kToV4.size());
  EXPECT_EQ(AsText(ByteView(out).first(kToV4.size())), kToV4);
  for (size_t size = 0; size < kToV4.size(); ++size) {
    std::vector<uint8_t> small(size, 0xee);
    EXPECT_EQ(WriteSocks5DatagramHeader(source, small), 0u);
    EXPECT_THAT(small, testing::Each(0xee));
  }
  const std::string longest(255, 'x');
  EXPECT_EQ(WriteSocks5DatagramHeader({.host = longest, .port = 1}, out), kMaxSocks5DatagramHeaderBytes);
}

}  // namespace
}  // namespace culvert::frontdoor
