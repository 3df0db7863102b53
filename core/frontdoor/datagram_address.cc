#include "core/frontdoor/datagram_address.h"

#include "core/frontdoor/text.h"

namespace culvert::frontdoor {
namespace {

constexpr uint8_t kTypeV4 = 1;
constexpr uint8_t kTypeName = 3;
constexpr uint8_t kTypeV6 = 4;

}  // namespace

size_t ParseDatagramAddress(ByteView bytes, DatagramAddress& out) {
  ByteReader reader(bytes);
  DatagramAddress parsed;
  switch (reader.ReadU8()) {
    case kTypeV4: {
      const ByteView address = reader.ReadBytes(4);
      if (!reader.ok()) return 0;
      parsed.address.ip = IpAddress::V4({address[0], address[1], address[2], address[3]});
      break;
    }
    case kTypeV6: {
      const ByteView address = reader.ReadBytes(16);
      if (!reader.ok()) return 0;
      std::array<uint8_t, 16> copy;
      std::copy(address.begin(), address.end(), copy.begin());
      parsed.address.ip = IpAddress::V6(copy);
      break;
    }
    case kTypeName: {
      const size_t size = reader.ReadU8();
      parsed.host = AsText(reader.ReadBytes(size));
      if (!reader.ok() || !IsHost(parsed.host)) return 0;
      break;
    }
    default:
      return 0;
  }
  (parsed.host.empty() ? parsed.address.port : parsed.port) = reader.ReadU16();
  if (!reader.ok()) return 0;
  out = parsed;
  return reader.offset();
}

size_t EncodedSize(const DatagramAddress& address) {
  if (address.host.size() > kMaxHostBytes) return 0;
  if (!address.host.empty()) return 1 + 1 + address.host.size() + 2;
  return address.address.ip.is_v6() ? 1 + 16 + 2 : 1 + 4 + 2;
}

size_t WriteDatagramAddress(const DatagramAddress& address, ByteSpan out) {
  const size_t size = EncodedSize(address);
  if (size == 0 || size > out.size()) return 0;
  ByteWriter writer(out);
  if (!address.host.empty()) {
    writer.WriteU8(kTypeName);
    writer.WriteU8(static_cast<uint8_t>(address.host.size()));
    writer.WriteBytes(AsBytes(address.host));
    writer.WriteU16(address.port);
    return size;
  }
  const bool is_v6 = address.address.ip.is_v6();
  writer.WriteU8(is_v6 ? kTypeV6 : kTypeV4);
  writer.WriteBytes(ByteView(address.address.ip.bytes()).first(is_v6 ? 16 : 4));
  writer.WriteU16(address.address.port);
  return size;
}

}  // namespace culvert::frontdoor
