// The flow: find the headers, take the payload apart in pieces of the segment size, and for each piece write the fields that
// differ from piece to piece into a copy of the headers.
//
//   IPv4   total length, identification (+1 each), header checksum      IPv6   payload length
//   TCP    sequence number, FIN and PSH only on the last, CWR only on the first, checksum
//   UDP    length, checksum
#include "tests/testing/wire_packets.h"

#include <array>
#include <optional>

namespace culvert::testing {
namespace {

constexpr uint8_t kProtocolTcp = 6;
constexpr uint8_t kProtocolUdp = 17;
constexpr size_t kIpv6HeaderBytes = 40;
constexpr size_t kUdpHeaderBytes = 8;
constexpr uint8_t kTcpFin = 0x01, kTcpPush = 0x08, kTcpCwr = 0x80;
constexpr size_t kMaxHeaderBytes = 256;

struct Layout {
  bool is_v6 = false;
  uint8_t protocol = 0;
  size_t transport_at = 0;
  size_t payload_at = 0;
};

std::optional<Layout> FindHeaders(const OffloadHeader& header, ByteView packet) {
  if (packet.size() < 20) return std::nullopt;
  Layout layout;
  layout.is_v6 = packet[0] >> 4 == 6;
  if (!layout.is_v6 && packet[0] >> 4 != 4) return std::nullopt;
  const size_t least = layout.is_v6 ? kIpv6HeaderBytes : static_cast<size_t>(packet[0] & 15) * 4;
  if (least < 20 || packet.size() < least) return std::nullopt;
  // The kernel says where the transport header is, past any extension headers.
  layout.transport_at = header.checksum_start;
  if (layout.transport_at < least) return std::nullopt;
  const bool is_udp = header.gso == OffloadHeader::Gso::kUdp;
  layout.protocol = is_udp ? kProtocolUdp : kProtocolTcp;
  if (is_udp) {
    layout.payload_at = layout.transport_at + kUdpHeaderBytes;
  } else {
    if (packet.size() < layout.transport_at + 20) return std::nullopt;
    const size_t tcp_bytes = static_cast<size_t>(packet[layout.transport_at + 12] >> 4) * 4;
    if (tcp_bytes < 20) return std::nullopt;
    layout.payload_at = layout.transport_at + tcp_bytes;
  }
  if (layout.payload_at > packet.size() || layout.payload_at > kMaxHeaderBytes) return std::nullopt;
  return layout;
}

uint64_t PseudoHeaderSum(const Layout& layout, ByteView packet, size_t transport_bytes) {
  const ByteView addresses = layout.is_v6 ? packet.subspan(8, 32) : packet.subspan(12, 8);
  return SumBytes(addresses) + layout.protocol + transport_bytes;
}

void WriteTransportChecksum(const Layout& layout, ByteSpan packet) {
  const ByteSpan transport = packet.subspan(layout.transport_at);
  const size_t field = layout.protocol == kProtocolUdp ? 6 : 16;
  StoreBigEndian16(&transport[field], 0);
  uint16_t checksum = FoldChecksum(SumBytes(transport, PseudoHeaderSum(layout, packet, transport.size())));
  if (layout.protocol == kProtocolUdp && checksum == 0) checksum = 0xffff;  // zero means "none" (RFC 768)
  StoreBigEndian16(&transport[field], checksum);
}

void WriteIpHeader(const Layout& layout, ByteSpan packet, size_t index, uint16_t first_id) {
  if (layout.is_v6) {
    StoreBigEndian16(&packet[4], static_cast<uint16_t>(packet.size() - kIpv6HeaderBytes));
    return;
  }
  const size_t header_bytes = static_cast<size_t>(packet[0] & 15) * 4;
  StoreBigEndian16(&packet[2], static_cast<uint16_t>(packet.size()));
  StoreBigEndian16(&packet[4], static_cast<uint16_t>(first_id + index));
  StoreBigEndian16(&packet[10], 0);
  StoreBigEndian16(&packet[10], FoldChecksum(SumBytes(packet.first(header_bytes))));
}

bool CompleteChecksum(const OffloadHeader& header, ByteSpan packet) {
  const size_t at = static_cast<size_t>(header.checksum_start) + header.checksum_offset;
  if (at + 2 > packet.size()) return false;
  // The field already holds the sum of the pseudo header (not complemented), so it is simply summed along.
  const uint16_t checksum = FoldChecksum(SumBytes(packet.subspan(header.checksum_start)));
  const bool is_udp = header.checksum_offset == 6;
  StoreBigEndian16(&packet[at], is_udp && checksum == 0 ? 0xffff : checksum);
  return true;
}

}  // namespace

uint64_t SumBytes(ByteView bytes, uint64_t sum) {
  size_t at = 0;
  for (; at + 4 <= bytes.size(); at += 4) sum += LoadBigEndian32(&bytes[at]);
  for (; at + 2 <= bytes.size(); at += 2) sum += LoadBigEndian16(&bytes[at]);
  if (at < bytes.size()) sum += static_cast<uint64_t>(bytes[at]) << 8;
  return sum;
}

uint16_t FoldChecksum(uint64_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

size_t CutIntoWirePackets(const OffloadHeader& header, ByteSpan packet, const std::function<void(ByteView)>& emit) {
  if (header.gso == OffloadHeader::Gso::kNone) {
    if (header.needs_checksum && !CompleteChecksum(header, packet)) return 0;
    emit(packet);
    return 1;
  }
  const std::optional<Layout> layout = FindHeaders(header, packet);
  if (!layout || header.segment_size == 0) return 0;
  const ByteView headers = packet.first(layout->payload_at);
  const ByteView payload = packet.subspan(layout->payload_at);
  const uint16_t first_id = layout->is_v6 ? 0 : LoadBigEndian16(&headers[4]);
  const bool is_tcp = layout->protocol == kProtocolTcp;
  const uint32_t first_sequence = is_tcp ? LoadBigEndian32(&headers[layout->transport_at + 4]) : 0;

  std::array<uint8_t, kMaxHeaderBytes + 65'536> buffer;
  std::memcpy(buffer.data(), headers.data(), headers.size());
  size_t index = 0;
  for (size_t at = 0; at < payload.size(); at += header.segment_size, ++index) {
    const ByteView piece = payload.subspan(at, std::min<size_t>(header.segment_size, payload.size() - at));
    std::memcpy(buffer.data() + headers.size(), piece.data(), piece.size());
    const ByteSpan wire(buffer.data(), headers.size() + piece.size());
    WriteIpHeader(*layout, wire, index, first_id);
    uint8_t* transport = &wire[layout->transport_at];
    if (is_tcp) {
      StoreBigEndian32(transport + 4, first_sequence + static_cast<uint32_t>(at));
      const bool is_last = at + piece.size() == payload.size();
      uint8_t flags = headers[layout->transport_at + 13];
      if (!is_last) flags &= static_cast<uint8_t>(~(kTcpFin | kTcpPush));
      if (index != 0) flags &= static_cast<uint8_t>(~kTcpCwr);
      transport[13] = flags;
    } else {
      StoreBigEndian16(transport + 4, static_cast<uint16_t>(wire.size() - layout->transport_at));
    }
    WriteTransportChecksum(*layout, wire);
    emit(wire);
  }
  return index;
}

}  // namespace culvert::testing
