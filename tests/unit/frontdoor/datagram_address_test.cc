#include "core/frontdoor/datagram_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace culvert::frontdoor {
namespace {

using namespace std::string_literals;

SocketAddress Address(std::string_view text) { return *SocketAddress::Parse(text); }

std::string Written(const DatagramAddress& address) {
  std::vector<uint8_t> out(kMaxDatagramAddressBytes);
  const size_t size = WriteDatagramAddress(address, out);
  EXPECT_EQ(size, EncodedSize(address));
  return std::string(AsText(ByteView(out).first(size)));
}

struct Example {
  DatagramAddress address;
  std::string bytes;
};

std::vector<Example> Examples() {
  static const std::string longest(255, 'x');
  return {{{.address = Address("1.2.3.4:80")}, "\x01\x01\x02\x03\x04\x00\x50"s},
          {{.address = Address("0.0.0.0:0")}, "\x01\x00\x00\x00\x00\x00\x00"s},
          {{.address = Address("[2001:db8::1]:65535")},
           "\x04\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\xff\xff"s},
          {{.host = "db", .port = 5432}, "\x03\x02"s + "db" + "\x15\x38"},
          {{.host = longest, .port = 1}, "\x03\xff" + longest + "\x00\x01"s}};
}

TEST(DatagramAddress, IsWrittenAndParsed) {
  for (const Example& example : Examples()) {
    EXPECT_EQ(Written(example.address), example.bytes);
    const std::string bytes = example.bytes + "payload";
    DatagramAddress parsed;
    EXPECT_EQ(ParseDatagramAddress(AsBytes(bytes), parsed), example.bytes.size());
    EXPECT_EQ(parsed, example.address);
  }
}

TEST(DatagramAddress, EveryTruncationIsMalformedAndFindsNoRoom) {
  for (const Example& example : Examples()) {
    for (size_t size = 0; size < example.bytes.size(); ++size) {
      DatagramAddress parsed{.host = "untouched"};
      EXPECT_EQ(ParseDatagramAddress(AsBytes(example.bytes).first(size), parsed), 0u);
      EXPECT_EQ(parsed.host, "untouched");
      std::vector<uint8_t> out(size, 0xee);
      EXPECT_EQ(WriteDatagramAddress(example.address, out), 0u);
      EXPECT_THAT(out, testing::Each(0xee));
    }
  }
}

TEST(DatagramAddress, RefusesWhatIsNone) {
  for (const std::string& bytes :
       {"\x00\x01\x02\x03\x04\x00\x50"s, "\x02\x01\x02\x03\x04\x00\x50"s, "\x05\x01\x02\x03\x04\x00\x50"s, "\x03\x00\x00\x50"s,
        "\x03\x03"s + "a b\x00\x50"s, "\x03\x02"s + "a\0\x00\x50"s, "\x03\x02"s + "a\n\x00\x50"s, "\x03\x01\xff\x00\x50"s,
        "\x03\x04"s + "a:80\x00\x50"s}) {
    DatagramAddress parsed;
    EXPECT_EQ(ParseDatagramAddress(AsBytes(bytes), parsed), 0u) << testing::PrintToString(bytes);
  }
}

TEST(DatagramAddress, AMappedAddressIsIpv4) {
  DatagramAddress parsed;
  const std::string bytes = "\x04\0\0\0\0\0\0\0\0\0\0\xff\xff\x01\x02\x03\x04\x00\x50"s;
  EXPECT_EQ(ParseDatagramAddress(AsBytes(bytes), parsed), bytes.size());
  EXPECT_EQ(parsed.address, Address("1.2.3.4:80"));
}

TEST(DatagramAddress, ANameMayBeAnIpv6Address) {
  DatagramAddress parsed;
  const std::string bytes = "\x03\x03::1\x00\x50"s;
  EXPECT_EQ(ParseDatagramAddress(AsBytes(bytes), parsed), bytes.size());
  EXPECT_EQ(parsed.host, "::1");
}

TEST(DatagramAddress, NoAddressIsWrittenAsZeros) {
  EXPECT_EQ(Written({}), "\x01\x00\x00\x00\x00\x00\x00"s);
  const std::string too_long(256, 'x');
  EXPECT_EQ(EncodedSize({.host = too_long}), 0u);
  std::array<uint8_t, 512> out;
  EXPECT_EQ(WriteDatagramAddress({.host = too_long}, out), 0u);
}

}  // namespace
}  // namespace culvert::frontdoor
