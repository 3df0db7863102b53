// What an endpoint reports to its driver through PollEvent.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/slot_map.h"

namespace culvert {

using StreamHandle = SlotHandle;
// A transport connection. Where each carries one stream (mKCP) the two handles are the same; where it carries many (QUIC) they
// are of different tables.
using SessionHandle = SlotHandle;

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
  kHandshakeFailed,  // TLS: the session's error text says why
  kHandshakeTimeout, // no answer, or none that completed the handshake in time
  kPathDown,         // nothing was acknowledged for so long that waiting on is pointless
  kRefused,          // the peer takes no connections now
};
std::string_view CloseReasonName(CloseReason reason);

struct Event {
  enum class Kind : uint8_t {
    kOpened,    // a peer opened this stream: accept it by using it, or Close it
    kReadable,  // Peek yields data, or the end of the stream was reached (AtEnd)
    kWritable,  // room again after a Write that fell short
    kClosed,    // the stream is gone; the handle is stale from here on
    kReadTimeout,  // the deadline set with SetReadDeadline passed with nothing to read; the stream lives on
    // Only of transports whose sessions carry many streams. `stream` is null in them.
    kSessionOpened,     // its handshake is done, whoever began it
    kSessionClosed,     // the session is gone, after a kClosed for each of its streams but those that had come whole and are not
                        // read yet, which get theirs when they are; its last figures can be had until the next PollEvent, then the
                        // handle is stale
    kStreamsAvailable,  // a session that had no stream to give has one again
    kDatagram,          // datagrams can be taken from the session
  };
  Kind kind;
  StreamHandle stream;
  CloseReason reason = CloseReason::kNone;  // kClosed and kSessionClosed only
  SessionHandle session{};                  // where sessions carry many streams: of the stream, or that the event is about
  // kClosed: the peer had finished in order and all of it was read; what could not end in order is the way to the peer.
  bool is_complete = false;
};

}  // namespace culvert
