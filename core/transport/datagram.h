// A received UDP datagram, and why one may be dropped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/address.h"
#include "core/base/bytes.h"

namespace culvert {

// A loan for the call it is passed to. The bytes are the driver's buffer and may be decrypted in place.
struct Datagram {
  SocketAddress peer;
  ByteSpan bytes;
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
};
inline constexpr size_t kDropReasonCount = static_cast<size_t>(DropReason::kNotAccepting) + 1;
std::string_view DropReasonName(DropReason reason);

}  // namespace culvert
