// The header in front of every datagram between a SOCKS5 client and us:
//
//   +----------+------+---------+------+---------+
//   | reserved | frag | address | port | payload |   address and port: core/frontdoor/datagram_address.h
//   |    2     |  1   |         |  2   |         |
//   +----------+------+---------+------+---------+
//
// Allocates nothing (but see datagram_address.h). Thread: functions without state. Source: RFC 1928 section 7.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/bytes.h"
#include "core/frontdoor/datagram_address.h"

namespace culvert::frontdoor {

struct Socks5Datagram {
  DatagramAddress destination;
  ByteView payload;  // may be empty; both are loans of the bytes they were parsed from
};

enum class Socks5DatagramKind : uint8_t {
  kWhole,
  kFragment,   // one of several: may be dropped by who does not put them together (RFC 1928), and we do not
  kMalformed,  // also for port 0, to which nothing can be sent
};

inline constexpr size_t kMaxSocks5DatagramHeaderBytes = 3 + kMaxDatagramAddressBytes;

// `out` is set when the result is kWhole, and as it was otherwise.
[[nodiscard]] Socks5DatagramKind ParseSocks5Datagram(ByteView bytes, Socks5Datagram& out);
// The header of a datagram to the client that came from `source`. 0: no room, or a name that is too long; nothing is written.
[[nodiscard]] size_t WriteSocks5DatagramHeader(const DatagramAddress& source, ByteSpan out);

}  // namespace culvert::frontdoor
