// Where a datagram goes to or came from, as it stands in front of it in SOCKS5 and in addressed datagrams of the tunnel:
//
//   +------+--------------------------------+------+
//   | type | address                        | port |   type 1: 4 bytes of IPv4; 4: 16 bytes of IPv6;
//   |  1   | 4, 16, or 1 with the size + it |  2   |   3: a name of 1 to 255 bytes behind its size
//   +------+--------------------------------+------+
//
// Allocates nothing, but for a name with a colon in it (which must be an IPv6 address).
// Thread: functions without state.
// Source: RFC 1928 section 5.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/address.h"
#include "core/base/bytes.h"

namespace culvert::frontdoor {

struct DatagramAddress {
  SocketAddress address;  // when `host` is empty; no address at all is written as 0.0.0.0
  std::string_view host;  // a name: a loan of the bytes it was parsed from
  uint16_t port = 0;      // of the name

  friend bool operator==(const DatagramAddress&, const DatagramAddress&) = default;
};
inline constexpr size_t kMaxDatagramAddressBytes = 1 + 1 + 255 + 2;

// Bytes that the address at the front of `bytes` takes. 0: malformed or cut short, `out` is as it was. An IPv4-mapped address is
// taken as IPv4. Port 0 is not judged: where there is no sending to it the caller refuses it.
[[nodiscard]] size_t ParseDatagramAddress(ByteView bytes, DatagramAddress& out);
// Size once written. 0: the name is longer than 255 bytes.
[[nodiscard]] size_t EncodedSize(const DatagramAddress& address);
// Bytes written. 0: no room for all of it, or a name that is too long; nothing is written.
[[nodiscard]] size_t WriteDatagramAddress(const DatagramAddress& address, ByteSpan out);

}  // namespace culvert::frontdoor
