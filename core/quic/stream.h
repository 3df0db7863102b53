// Stream: one tunnelled connection on a QUIC connection. Data only; the connection moves it, the endpoint owns it.
//
// It ends in two halves. Towards ngtcp2 it is over when both directions are (stream_close); towards the application when that has
// closed or aborted it, or was told kClosed. Only when both have happened it goes.
// Thread: one endpoint's. Source: RFC 9000 sections 2 to 4.
#pragma once

#include <cstdint>

#include "core/base/time.h"
#include "core/quic/stream_buffer.h"
#include "core/transport/event.h"
#include "core/transport/limit_clock.h"
#include "core/transport/packet_queue.h"

namespace culvert::quic {

class Connection;

struct Stream {
  Stream(Connection& owner, BlockPool& pool, const StreamLimitClock& clock)
      : connection(&owner), sending(pool), receiving(pool), limits(clock) {}

  Connection* connection;  // nullptr: the connection is gone, and with it all but what was received
  StreamHandle handle;
  int64_t id = -1;

  BlockQueue sending;            // from the first unacknowledged byte on
  uint64_t sent = 0;             // offset up to which ngtcp2 has taken bytes, or the end
  BlockQueue receiving;          // in order, not yet consumed
  PacketQueue datagrams;         // to be sent, each behind the stream's id
  TimePoint read_deadline = kInfiniteFuture;
  StreamLimitClock limits;       // beside its connection's

  CloseReason close_reason = CloseReason::kNone;  // why its connection ended, while it still shows what had come

  bool opened_here = false;
  bool must_announce = false;    // an empty STREAM frame tells the peer of it (spec/quic.md section 7)
  bool fin_wanted = false;       // the application finished writing
  bool fin_sent = false;         // given to ngtcp2
  bool fin_received = false;     // nothing follows what `receiving` holds
  bool is_refused = false;       // the peer wants no more (STOP_SENDING), but what it sends is still to be read
  bool wants_room = false;       // a Write fell short
  bool is_blocked = false;       // waits for the peer's flow control
  bool is_queued = false;        // in the connection's list of streams that have something to send
  bool is_touched = false;       // in the connection's list of streams whose limit may have changed
  bool is_readable_told = false; // a kReadable is in the queue of events
  bool is_closed_told = false;   // a kClosed was emitted; once it is polled, the application has let go of the stream
  bool is_over = false;          // ngtcp2 has closed it
  bool is_released = false;      // the application has
  bool is_reset = false;         // by either side: what is unsent or unread does not matter any more

  // Bytes taken from the application that ngtcp2 has not got yet.
  uint64_t unsent() const { return sending.end() - sent; }
  bool has_output() const {
    return !is_over && !is_reset && (must_announce || (!is_refused && (unsent() > 0 || (fin_wanted && !fin_sent))));
  }
};

}  // namespace culvert::quic
