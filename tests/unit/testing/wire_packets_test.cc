#include "tests/testing/wire_packets.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/testing/pattern.h"

namespace culvert::testing {
namespace {

using Gso = OffloadHeader::Gso;
using Bytes = std::vector<uint8_t>;

constexpr uint8_t kFin = 0x01, kPush = 0x08, kAck = 0x10, kCwr = 0x80;

// A super-packet as the kernel hands it over: the checksum field holds the folded pseudo-header sum.
struct SuperPacket {
  bool v6 = false;
  bool udp = false;
  size_t payload = 0;
  uint8_t tcp_flags = kAck | kPush;
  size_t tcp_options = 12;

  size_t ip_bytes() const { return v6 ? 40 : 20; }
  size_t transport_bytes() const { return udp ? 8 : 20 + tcp_options; }
  uint8_t protocol() const { return udp ? 17 : 6; }

  Bytes Build() const {
    Bytes packet(ip_bytes() + transport_bytes() + payload);
    FillPattern(1, 0, ByteSpan(packet).subspan(ip_bytes() + transport_bytes()));
    if (v6) {
      packet[0] = 0x60;
      StoreBigEndian16(&packet[4], static_cast<uint16_t>(packet.size() - 40));
      packet[6] = protocol();
      FillPattern(2, 0, ByteSpan(packet).subspan(8, 32));
    } else {
      packet[0] = 0x45;
      StoreBigEndian16(&packet[2], static_cast<uint16_t>(packet.size()));
      StoreBigEndian16(&packet[4], 0xfffe);
      packet[8] = 64;
      packet[9] = protocol();
      FillPattern(2, 0, ByteSpan(packet).subspan(12, 8));
    }
    uint8_t* transport = &packet[ip_bytes()];
    StoreBigEndian16(transport, 1000);
    StoreBigEndian16(transport + 2, 2000);
    if (udp) {
      StoreBigEndian16(transport + 4, static_cast<uint16_t>(8 + payload));
    } else {
      StoreBigEndian32(transport + 4, 0xffffff00);
      transport[12] = static_cast<uint8_t>((20 + tcp_options) / 4 << 4);
      transport[13] = tcp_flags;
    }
    return packet;
  }
  OffloadHeader Header(uint16_t segment) const {
    const Gso gso = udp ? Gso::kUdp : v6 ? Gso::kTcp6 : Gso::kTcp4;
    return {true, gso, segment, static_cast<uint16_t>(ip_bytes()), static_cast<uint16_t>(udp ? 6 : 16)};
  }
};

// True when header and transport checksums are right, computed over the whole and so independently of the cutter's way.
bool HasGoodChecksums(ByteView packet) {
  const bool v6 = packet[0] >> 4 == 6;
  const size_t ip_bytes = v6 ? 40 : static_cast<size_t>(packet[0] & 15) * 4;
  if (!v6 && FoldChecksum(SumBytes(packet.first(ip_bytes))) != 0) return false;
  const uint8_t protocol = packet[v6 ? 6 : 9];
  const ByteView transport = packet.subspan(ip_bytes);
  uint64_t sum = SumBytes(v6 ? packet.subspan(8, 32) : packet.subspan(12, 8));
  sum += protocol;
  sum += transport.size();
  return FoldChecksum(SumBytes(transport, sum)) == 0;
}

std::vector<Bytes> Cut(const OffloadHeader& header, Bytes packet) {
  std::vector<Bytes> wire;
  const size_t count =
      CutIntoWirePackets(header, packet, [&](ByteView one) { wire.emplace_back(one.begin(), one.end()); });
  EXPECT_EQ(count, wire.size());
  return wire;
}

Bytes Payloads(const std::vector<Bytes>& wire, size_t header_bytes) {
  Bytes all;
  for (const Bytes& packet : wire)
    all.insert(all.end(), packet.begin() + static_cast<std::ptrdiff_t>(header_bytes), packet.end());
  return all;
}

Bytes Payload(size_t size) {
  Bytes payload(size);
  FillPattern(1, 0, payload);
  return payload;
}

TEST(WirePackets, CutsTcpOverIpv4) {
  const SuperPacket super{.payload = 3000, .tcp_flags = kAck | kPush | kFin | kCwr};
  const std::vector<Bytes> wire = Cut(super.Header(1448), super.Build());
  ASSERT_EQ(wire.size(), 3u);
  const size_t sizes[] = {1500, 1500, 52 + 104};
  const uint8_t flags[] = {kAck | kCwr, kAck, kAck | kPush | kFin};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(wire[i].size(), sizes[i]);
    EXPECT_EQ(LoadBigEndian16(&wire[i][2]), sizes[i]);
    EXPECT_EQ(LoadBigEndian16(&wire[i][4]), static_cast<uint16_t>(0xfffe + i)) << "identification wraps";
    EXPECT_EQ(LoadBigEndian32(&wire[i][24]), static_cast<uint32_t>(0xffffff00 + i * 1448)) << "sequence numbers wrap";
    EXPECT_EQ(wire[i][33], flags[i]);
    EXPECT_TRUE(HasGoodChecksums(wire[i]));
  }
  EXPECT_EQ(Payloads(wire, 52), Payload(3000));
}

TEST(WirePackets, CutsTcpOverIpv6) {
  const SuperPacket super{.v6 = true, .payload = 60'000};
  const std::vector<Bytes> wire = Cut(super.Header(1428), super.Build());
  ASSERT_EQ(wire.size(), 43u);
  for (const Bytes& packet : wire) {
    ASSERT_LE(packet.size(), 1500u);
    ASSERT_EQ(LoadBigEndian16(&packet[4]), packet.size() - 40);
    ASSERT_TRUE(HasGoodChecksums(packet));
  }
  EXPECT_EQ(Payloads(wire, 72), Payload(60'000));
}

TEST(WirePackets, CutsUdpIntoDatagrams) {
  for (const bool v6 : {false, true}) {
    const SuperPacket super{.v6 = v6, .udp = true, .payload = 2500};
    const std::vector<Bytes> wire = Cut(super.Header(1232), super.Build());
    ASSERT_EQ(wire.size(), 3u);
    const size_t head = super.ip_bytes() + 8;
    for (size_t i = 0; i < 3; ++i) {
      const size_t payload = i < 2 ? 1232 : 36;
      EXPECT_EQ(wire[i].size(), head + payload);
      EXPECT_EQ(LoadBigEndian16(&wire[i][super.ip_bytes() + 4]), 8 + payload);
      EXPECT_TRUE(HasGoodChecksums(wire[i]));
    }
    EXPECT_EQ(Payloads(wire, head), Payload(2500));
  }
}

TEST(WirePackets, CompletesAPartialChecksum) {
  for (const bool udp : {false, true}) {
    const SuperPacket super{.udp = udp, .payload = 301};
    Bytes packet = super.Build();
    OffloadHeader header = super.Header(0);
    header.gso = Gso::kNone;
    StoreBigEndian16(&packet[10], FoldChecksum(SumBytes(ByteView(packet).first(20))));
    const uint64_t pseudo = SumBytes(ByteView(packet).subspan(12, 8)) + super.protocol() + packet.size() - 20;
    StoreBigEndian16(&packet[20u + header.checksum_offset], static_cast<uint16_t>(~FoldChecksum(pseudo)));
    const std::vector<Bytes> wire = Cut(header, packet);
    ASSERT_EQ(wire.size(), 1u);
    EXPECT_TRUE(HasGoodChecksums(wire[0]));
  }
}

TEST(WirePackets, PassesPlainPacketsOn) {
  const Bytes packet = SuperPacket{.payload = 10}.Build();
  EXPECT_EQ(Cut({}, packet), std::vector<Bytes>{packet});
}

TEST(WirePackets, RefusesWhatItCannotCut) {
  const SuperPacket super{.payload = 3000};
  const Bytes good = super.Build();
  const auto refused = [](OffloadHeader header, Bytes packet) { return Cut(header, std::move(packet)).empty(); };
  EXPECT_TRUE(refused(super.Header(0), good)) << "no segment size";
  EXPECT_TRUE(refused(super.Header(1448), {})) << "empty";
  EXPECT_TRUE(refused(super.Header(1448), Bytes(good.begin(), good.begin() + 30))) << "cut in the TCP header";
  OffloadHeader header = super.Header(1448);
  header.checksum_start = 4;
  EXPECT_TRUE(refused(header, good)) << "transport inside the IP header";
  header.checksum_start = 60'000;
  EXPECT_TRUE(refused(header, good)) << "transport behind the end";
  Bytes bad = good;
  bad[0] = 0x35;
  EXPECT_TRUE(refused(super.Header(1448), bad)) << "IP version 3";
  bad = good;
  bad[32] = 0x10;
  EXPECT_TRUE(refused(super.Header(1448), bad)) << "TCP header of four bytes";
  header = super.Header(0);
  header.gso = Gso::kNone;
  header.checksum_start = 60'000;
  EXPECT_TRUE(refused(header, good)) << "checksum behind the end";
}

}  // namespace
}  // namespace culvert::testing
