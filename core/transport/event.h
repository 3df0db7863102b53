// What an endpoint reports to its driver through PollEvent.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/slot_map.h"

namespace culvert {

using StreamHandle = SlotHandle;

// Why a stream ended.
enum class CloseReason : uint8_t {
  kNone,           // it has not ended
  kLocal,          // closed here, everything acknowledged
  kPeer,           // closed by the peer
  kIdleTimeout,    // nothing came from the peer for the transport's idle time
  kUnacknowledged, // incomplete: our data was not acknowledged to the end, or the peer ended with its own missing
  kAborted,        // aborted here; unsent data was discarded
  kAdmin,          // closed through the control API, or its listener or dialer was deleted
  kNeverValidated, // the peer never proved its address
  kProtocolError,
};
std::string_view CloseReasonName(CloseReason reason);

struct Event {
  enum class Kind : uint8_t {
    kOpened,    // a peer opened this stream: accept it by using it, or Close it
    kReadable,  // Peek yields data, or the end of the stream was reached (AtEnd)
    kWritable,  // room again after a Write that fell short
    kClosed,    // the stream is gone; the handle is stale from here on
    kReadTimeout,  // the deadline set with SetReadDeadline passed with nothing to read; the stream lives on
  };
  Kind kind;
  StreamHandle stream;
  CloseReason reason = CloseReason::kNone;  // kClosed only
};

}  // namespace culvert
