// A destination as bytes in front of a datagram that waits in a queue. Of this process only; not a wire format.
#pragma once

#include <array>
#include <cstring>

#include "core/base/bytes.h"
#include "core/dispatch/destination.h"

namespace culvert::dispatch {

class PackedDestination {
 public:
  static constexpr size_t kMostHostBytes = 255;

  // A host longer than kMostHostBytes is cut: nobody can resolve it.
  explicit PackedDestination(const Destination& destination) {
    const size_t host = std::min(destination.host.size(), kMostHostBytes);
    std::memcpy(bytes_.data(), destination.address.ip.bytes().data(), 16);
    bytes_[16] = static_cast<uint8_t>(destination.address.ip.family());
    StoreBigEndian16(bytes_.data() + 17, destination.address.port);
    bytes_[19] = static_cast<uint8_t>(host);
    if (host > 0) std::memcpy(bytes_.data() + kFixed, destination.host.data(), host);
    size_ = kFixed + host;
  }
  [[nodiscard]] ByteView view() const { return ByteView(bytes_).first(size_); }

  // Splits what was put together. REQUIRES: `whole` begins with a PackedDestination. The host is a part of `whole`.
  static ByteView Split(ByteView whole, Destination& destination) {
    std::array<uint8_t, 16> ip;
    std::memcpy(ip.data(), whole.data(), ip.size());
    switch (static_cast<IpAddress::Family>(whole[16])) {
      case IpAddress::Family::kV4: destination.address.ip = IpAddress::V4({ip[0], ip[1], ip[2], ip[3]}); break;
      case IpAddress::Family::kV6: destination.address.ip = IpAddress::V6(ip); break;
      case IpAddress::Family::kNone: destination.address.ip = {}; break;
    }
    destination.address.port = LoadBigEndian16(whole.data() + 17);
    const size_t host = whole[19];
    destination.host = AsText(whole.subspan(kFixed, host));
    return whole.subspan(kFixed + host);
  }

 private:
  static constexpr size_t kFixed = 20;
  std::array<uint8_t, kFixed + kMostHostBytes> bytes_;
  size_t size_ = 0;
};

}  // namespace culvert::dispatch
