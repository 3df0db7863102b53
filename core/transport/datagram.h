// A received UDP datagram, and why one may be dropped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/address.h"
#include "core/base/bytes.h"

namespace culvert {

// The two bits of the IP header that say how a router marked a datagram (RFC 3168 section 5).
enum class Ecn : uint8_t { kNotEct = 0, kEct1 = 1, kEct0 = 2, kCe = 3 };

// A loan for the call it is passed to. The bytes are the driver's buffer and may be decrypted in place.
struct Datagram {
  SocketAddress peer;
  ByteSpan bytes;
  Ecn ecn = Ecn::kNotEct;
  SocketAddress original_destination{};  // none: not known; only of sockets that ask for it
};

// Why a datagram had no effect. Each reason is one counter; none is ever logged per datagram.
enum class DropReason : uint8_t {
  kNone,                  // not dropped
  kTruncated,             // too short for header, nonce and overhead
  kBadAuthTag,            // did not open: wrong key, wrong mode, damaged
  kNoSegment,             // opened, but no segment parsed
  kUnknownConversation,   // not a conversation of ours, and nothing that may open one
  kRecentlyEnded,         // belongs to a conversation that ended a moment ago
  kReplayed,              // an opening datagram whose nonce was seen before
  kTooManyUnvalidated,    // the table of peers that have not proved their address is full
  kTooManySessions,       // the listener's limit is reached
  kRefusedSource,         // a source address or port that is never answered
  kNotAccepting,          // this endpoint opens no conversations for others, or is draining
  kMalformed,             // QUIC: no packet of the protocol
  kUnknownConnection,     // QUIC: names no connection of ours; answered with a stateless reset where that may be
  kUnsupportedVersion,    // QUIC: answered with version negotiation
  kAskedToRetry,          // QUIC: the sender is to prove its address first
  kHandedOver,            // QUIC: belongs to another worker's connection and was passed on to it; had its effect there
};
inline constexpr size_t kDropReasonCount = static_cast<size_t>(DropReason::kHandedOver) + 1;
std::string_view DropReasonName(DropReason reason);

}  // namespace culvert
