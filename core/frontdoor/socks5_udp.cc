#include "core/frontdoor/socks5_udp.h"

namespace culvert::frontdoor {
namespace {

constexpr size_t kPrefixBytes = 3;  // reserved, frag

}  // namespace

Socks5DatagramKind ParseSocks5Datagram(ByteView bytes, Socks5Datagram& out) {
  ByteReader reader(bytes);
  const uint16_t reserved = reader.ReadU16();
  const uint8_t fragment = reader.ReadU8();
  if (!reader.ok() || reserved != 0) return Socks5DatagramKind::kMalformed;
  DatagramAddress destination;
  const size_t size = ParseDatagramAddress(bytes.subspan(kPrefixBytes), destination);
  if (size == 0) return Socks5DatagramKind::kMalformed;
  if ((destination.host.empty() ? destination.address.port : destination.port) == 0) return Socks5DatagramKind::kMalformed;
  if (fragment != 0) return Socks5DatagramKind::kFragment;
  out = {destination, bytes.subspan(kPrefixBytes + size)};
  return Socks5DatagramKind::kWhole;
}

size_t WriteSocks5DatagramHeader(const DatagramAddress& source, ByteSpan out) {
  if (out.size() < kPrefixBytes) return 0;
  const size_t size = WriteDatagramAddress(source, out.subspan(kPrefixBytes));
  if (size == 0) return 0;
  out[0] = out[1] = out[2] = 0;
  return kPrefixBytes + size;
}

}  // namespace culvert::frontdoor
