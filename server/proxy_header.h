// ProxyHeader: the PROXY protocol, version 2: what stands before a client's bytes, so that the backend knows who it is.
//
//   +-----------------+---------+----------+--------+-----------------------------------------+
//   | signature       | 2, PROXY| family   | length | source, destination, their ports        |
//   | 12              | 1       | 1        | 2      | 12 (IPv4), 36 (IPv6) or 0 (not known)   |
//   +-----------------+---------+----------+--------+-----------------------------------------+
//
// Source: HAProxy, "The PROXY protocol", section 2.2.
#pragma once

#include <array>
#include <cstring>

#include "core/base/address.h"
#include "core/base/bytes.h"

namespace culvert::server {

class ProxyHeader {
 public:
  // An address that is none: the backend is told that it is not known.
  ProxyHeader(const SocketAddress& source, const SocketAddress& destination, bool is_udp) {
    static constexpr std::array<uint8_t, 12> kSignature = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
    constexpr uint8_t kVersion2Proxy = 0x21;
    ByteWriter writer(bytes_);
    writer.WriteBytes(kSignature);
    writer.WriteU8(kVersion2Proxy);
    const uint8_t protocol = is_udp ? 2 : 1;
    const bool is_known = source.ip.family() != IpAddress::Family::kNone && destination.ip.family() != IpAddress::Family::kNone;
    if (!is_known) {
      writer.WriteU8(0);  // AF_UNSPEC
      writer.WriteU16(0);
    } else if (source.ip.is_v4() && destination.ip.is_v4()) {
      writer.WriteU8(static_cast<uint8_t>(0x10 | protocol));
      writer.WriteU16(12);
      writer.WriteBytes(ByteView(source.ip.bytes()).first(4));
      writer.WriteBytes(ByteView(destination.ip.bytes()).first(4));
      writer.WriteU16(source.port);
      writer.WriteU16(destination.port);
    } else {
      writer.WriteU8(static_cast<uint8_t>(0x20 | protocol));
      writer.WriteU16(36);
      writer.WriteBytes(AsV6(source.ip));
      writer.WriteBytes(AsV6(destination.ip));
      writer.WriteU16(source.port);
      writer.WriteU16(destination.port);
    }
    size_ = writer.written();
  }
  [[nodiscard]] ByteView view() const { return ByteView(bytes_).first(size_); }

 private:
  // Where the two are of different families, an IPv4 address is written in mapped form.
  static std::array<uint8_t, 16> AsV6(const IpAddress& ip) {
    if (ip.is_v6()) return ip.bytes();
    std::array<uint8_t, 16> mapped{};
    mapped[10] = mapped[11] = 0xff;
    std::memcpy(mapped.data() + 12, ip.bytes().data(), 4);
    return mapped;
  }

  std::array<uint8_t, 16 + 36> bytes_{};
  size_t size_ = 0;
};

}  // namespace culvert::server
