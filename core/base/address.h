// IP addresses and UDP/TCP endpoints as values: parsing, printing, comparing, hashing. No sockets here.
// Source: text form of IPv6 as in RFC 5952.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace culvert {

// An IPv4 or IPv6 address, or none. IPv4-mapped IPv6 addresses are turned into IPv4 on the way in, so that one peer
// seen through a dual-stack socket has one value.
class IpAddress {
 public:
  enum class Family : uint8_t { kNone, kV4, kV6 };

  constexpr IpAddress() = default;
  static IpAddress V4(std::array<uint8_t, 4> bytes);
  static IpAddress V6(std::array<uint8_t, 16> bytes);  // mapped addresses become V4
  static IpAddress AnyV4() { return V4({0, 0, 0, 0}); }
  static IpAddress AnyV6() { return V6({}); }
  static IpAddress LoopbackV4() { return V4({127, 0, 0, 1}); }
  // Errors: INVALID_ARGUMENT when `text` is not the text form of an address.
  static absl::StatusOr<IpAddress> Parse(std::string_view text);

  Family family() const { return family_; }
  bool is_v4() const { return family_ == Family::kV4; }
  bool is_v6() const { return family_ == Family::kV6; }
  bool is_unspecified() const;
  bool is_loopback() const;
  bool is_multicast() const;
  // Network-order bytes: 4 for V4, 16 for V6, in a 16-byte array.
  const std::array<uint8_t, 16>& bytes() const { return bytes_; }
  // The network the address belongs to: /24 for V4, /56 for V6 (reliability T01 counts per such prefix).
  IpAddress AccountingPrefix() const;
  std::string ToString() const;

  friend bool operator==(const IpAddress&, const IpAddress&) = default;

 private:
  std::array<uint8_t, 16> bytes_{};
  Family family_ = Family::kNone;
};

// An address with a port.
struct SocketAddress {
  IpAddress ip;
  uint16_t port = 0;

  // "1.2.3.4:80", "[::1]:80". Errors: INVALID_ARGUMENT.
  static absl::StatusOr<SocketAddress> Parse(std::string_view text);
  std::string ToString() const;
  friend bool operator==(const SocketAddress&, const SocketAddress&) = default;
};

// A host name or address with a port, as users write targets and destinations.
struct HostPort {
  std::string host;  // without brackets
  uint16_t port = 0;

  // "db:5432", "10.0.0.1:80", "[::1]:80". Errors: INVALID_ARGUMENT naming what is wrong.
  static absl::StatusOr<HostPort> Parse(std::string_view text);
  std::string ToString() const;
  friend bool operator==(const HostPort&, const HostPort&) = default;
};

}  // namespace culvert
