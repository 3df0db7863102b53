// What a full data packet of each protocol consists of: application bytes and IP bytes, both of one packet.
#pragma once

#include "tests/bench/compare/statistics.h"

namespace culvert::bench {

inline constexpr double kIpUdpHead = 20 + 8;
inline constexpr double kKcpDataHead = 18;  // spec/mkcp.md 4.1

// A stream in records of 16 KiB gives each 22 bytes: head 5, content type 1, tag 16 (RFC 8446 5.2).
constexpr PacketShare InTlsRecords(PacketShare packet) {
  packet.payload_bytes *= 16384.0 / (16384 + 22);
  return packet;
}

// IPv4 with time stamps, no further options, at the link's 1500 bytes.
constexpr PacketShare TcpPacket() { return {1500 - 20 - 20 - 12, 1500}; }

// culvert's mtu_bytes is all of the UDP payload: nonce 12 and tag 16 with a seed, 6 bytes of check without.
constexpr PacketShare CulvertPacket(bool has_seed, double mtu_bytes = 1232) {
  return {mtu_bytes - (has_seed ? 12 + 16 : 6) - kKcpDataHead, mtu_bytes + kIpUdpHead};
}

// v2ray does not count the nonce (spec/mkcp.md 1.3).
constexpr PacketShare V2rayPacket(bool has_seed, double mtu_bytes = 1350) {
  return {mtu_bytes - (has_seed ? 16 : 6) - kKcpDataHead, mtu_bytes + (has_seed ? 12 : 0) + kIpUdpHead};
}

// A QUIC packet in mid-stream: first byte, connection id 12, packet number 2, tag 16, and of the STREAM frame type 1, stream id 1,
// offset 4, length 2 (RFC 9000 sections 17.3.1 and 19.8). `outer_bytes`: what v2ray's wrapper adds.
constexpr PacketShare QuicPacket(double datagram_bytes, double outer_bytes = 0) {
  return {datagram_bytes - (1 + 12 + 2 + 16) - (1 + 1 + 4 + 2), datagram_bytes + outer_bytes + kIpUdpHead};
}
inline constexpr double kQuicWrapper = 12 + 16;
inline constexpr double kCulvertQuicDatagram = 1452;  // once the path is known
inline constexpr double kWrappedQuicDatagram = 1500 - kIpUdpHead - kQuicWrapper;
inline constexpr double kV2rayQuicDatagram = 1280;    // it never asks for more (spec/quic.md section 3)

// kcptun's mtu is all of the UDP payload: nonce 16 and CRC 4, with error correction 8 more and `parity` further packets to
// every `data`, the head of KCP 24; then 8 per frame of 32 KiB of its multiplexer.
constexpr PacketShare KcptunPacket(double data, double parity, double mtu_bytes = 1350) {
  const double in_packet = mtu_bytes - 20 - (data > 0 ? 8 : 0) - 24;
  const double with_parity = data > 0 ? data / (data + parity) : 1;
  return {in_packet * with_parity * 32768 / (32768 + 8), mtu_bytes + kIpUdpHead};
}

}  // namespace culvert::bench
