#include "core/base/address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace culvert {
namespace {

using ::testing::HasSubstr;

IpAddress Ip(std::string_view text) {
  auto ip = IpAddress::Parse(text);
  EXPECT_TRUE(ip.ok()) << text;
  return ip.ok() ? *ip : IpAddress();
}

TEST(IpAddress, ParsesAndPrintsBothFamilies) {
  EXPECT_TRUE(Ip("192.0.2.7").is_v4());
  EXPECT_EQ(Ip("192.0.2.7").ToString(), "192.0.2.7");
  EXPECT_TRUE(Ip("2001:db8::1").is_v6());
  EXPECT_EQ(Ip("2001:0DB8:0:0:0:0:0:1").ToString(), "2001:db8::1");  // RFC 5952
  EXPECT_EQ(Ip("::").ToString(), "::");
}

TEST(IpAddress, TurnsMappedIntoV4) {
  EXPECT_EQ(Ip("::ffff:192.0.2.7"), Ip("192.0.2.7"));
  EXPECT_EQ(Ip("::ffff:c000:207").ToString(), "192.0.2.7");
  std::array<uint8_t, 16> bytes{};
  bytes[10] = bytes[11] = 0xff;
  bytes[12] = 127;
  bytes[15] = 1;
  EXPECT_EQ(IpAddress::V6(bytes), IpAddress::LoopbackV4());
}

TEST(IpAddress, RefusesWhatIsNoAddress) {
  for (std::string_view text :
       {"", "1.2.3", "1.2.3.4.5", "256.0.0.1", "localhost", "[::1]", ":::", "1::2::3", "1.2.3.4 "}) {
    EXPECT_EQ(IpAddress::Parse(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(IpAddress, AnEmbeddedZeroByteDoesNotCutTheText) {
  EXPECT_FALSE(IpAddress::Parse(std::string_view("1.2.3.4\0x", 9)).ok());
}

TEST(IpAddress, KnowsItsClasses) {
  EXPECT_EQ(IpAddress().family(), IpAddress::Family::kNone);
  EXPECT_EQ(IpAddress().ToString(), "<none>");
  EXPECT_TRUE(IpAddress::AnyV4().is_unspecified());
  EXPECT_TRUE(IpAddress::AnyV6().is_unspecified());
  EXPECT_FALSE(Ip("0.0.0.1").is_unspecified());
  EXPECT_TRUE(Ip("127.9.9.9").is_loopback());
  EXPECT_TRUE(Ip("::1").is_loopback());
  EXPECT_FALSE(Ip("::2").is_loopback());
  EXPECT_FALSE(Ip("128.0.0.1").is_loopback());
  EXPECT_TRUE(Ip("224.0.0.1").is_multicast());
  EXPECT_TRUE(Ip("239.255.255.255").is_multicast());
  EXPECT_FALSE(Ip("240.0.0.1").is_multicast());
  EXPECT_TRUE(Ip("ff02::1").is_multicast());
  EXPECT_FALSE(Ip("fe80::1").is_multicast());
}

TEST(IpAddress, AnyOfTheTwoFamiliesDiffer) { EXPECT_NE(IpAddress::AnyV4(), IpAddress::AnyV6()); }

TEST(IpAddress, AccountingPrefixIsSlash24AndSlash56) {
  EXPECT_EQ(Ip("192.0.2.7").AccountingPrefix(), Ip("192.0.2.0"));
  EXPECT_NE(Ip("192.0.2.7").AccountingPrefix(), Ip("192.0.3.7").AccountingPrefix());
  EXPECT_EQ(Ip("2001:db8:1:2ff:3::4").AccountingPrefix(), Ip("2001:db8:1:200::"));
  EXPECT_EQ(Ip("2001:db8:1:200::").AccountingPrefix(), Ip("2001:db8:1:2ff::").AccountingPrefix());
  EXPECT_NE(Ip("2001:db8:1:200::").AccountingPrefix(), Ip("2001:db8:1:300::").AccountingPrefix());
}

TEST(SocketAddress, ParsesAndPrints) {
  for (std::string_view text : {"1.2.3.4:80", "[::1]:65535", "0.0.0.0:0"}) {
    auto address = SocketAddress::Parse(text);
    ASSERT_TRUE(address.ok()) << text;
    EXPECT_EQ(address->ToString(), text);
  }
  EXPECT_EQ(SocketAddress::Parse("[::ffff:1.2.3.4]:80")->ToString(), "1.2.3.4:80");
}

TEST(SocketAddress, TakesAddressesOnly) { EXPECT_FALSE(SocketAddress::Parse("localhost:80").ok()); }

TEST(HostPort, ParsesNamesAndBrackets) {
  auto name = HostPort::Parse("db.example:5432");
  ASSERT_TRUE(name.ok());
  EXPECT_EQ(name->host, "db.example");
  EXPECT_EQ(name->port, 5432);
  EXPECT_EQ(name->ToString(), "db.example:5432");
  auto six = HostPort::Parse("[2001:db8::1]:80");
  ASSERT_TRUE(six.ok());
  EXPECT_EQ(six->host, "2001:db8::1");
  EXPECT_EQ(six->ToString(), "[2001:db8::1]:80");
}

TEST(HostPort, SaysWhatIsWrong) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"", "no port"},
      {"host", "no port"},
      {":80", "no host"},
      {"[]:80", "no host"},
      {"host:", "the port"},
      {"host:65536", "the port"},
      {"host:-1", "the port"},
      {"host:+1", "the port"},
      {"host:8 0", "the port"},
      {"host:0x50", "the port"},
      {"::1:80", "in brackets"},
      {"[::1]80", "[ADDRESS]:PORT"},
      {"[::1", "[ADDRESS]:PORT"},
      {"host:99999999999999999999", "the port"},
  };
  for (const auto& [text, complaint] : cases) {
    const auto parsed = HostPort::Parse(text);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(std::string(complaint))) << text;
  }
}

}  // namespace
}  // namespace culvert
