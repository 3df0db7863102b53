// Endpoint: what every transport engine promises its driver. One UDP socket's worth of protocol: it demultiplexes
// datagrams and owns its connections.
//
// An engine reads no clock, opens no socket, starts no thread, never blocks and never calls back into its owner. After one
// input or a batch of them the driver settles: Flush, PollEvent until empty, Flush again if events led to new writes,
// then re-arm from NextTimeout.
//
// Thread: confined to one worker.  Time: `now` never decreases between calls.
// Errors: a stale handle is legal everywhere: nothing happens, sizes are 0.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>

#include "absl/status/statusor.h"
#include "core/base/bytes.h"
#include "core/base/time.h"
#include "core/transport/datagram.h"
#include "core/transport/datagram_sink.h"
#include "core/transport/event.h"
#include "core/transport/session_stats.h"

namespace culvert {

// What the endpoint as a whole has seen; cumulative.
struct EndpointCounters {
  uint64_t rx_datagrams = 0;
  uint64_t rx_bytes = 0;  // UDP payload
  uint64_t tx_datagrams = 0;
  uint64_t tx_bytes = 0;  // UDP payload
  std::array<uint64_t, kDropReasonCount> dropped{};
  uint64_t opened = 0;  // connections, both directions
  uint64_t closed = 0;
  uint64_t unvalidated = 0;  // now
};

class Endpoint {
 public:
  virtual ~Endpoint() = default;

  // Inputs change state and queue work; they never send. The datagram is decrypted in place.
  [[nodiscard]] virtual DropReason OnDatagram(TimePoint now, Datagram& datagram) = 0;
  virtual void OnTimeout(TimePoint now) = 0;
  // Opens a stream to `peer`. RESOURCE_EXHAUSTED when no identity is free. Success says nothing about the peer yet:
  // the stream is writable at once; a first answer shows as SessionStats::validated and a kReadable or kWritable event.
  [[nodiscard]] virtual absl::StatusOr<StreamHandle> Connect(TimePoint now, const SocketAddress& peer) = 0;

  // How much Write would take now.
  [[nodiscard]] virtual size_t WritableBytes(StreamHandle stream) const = 0;
  // Takes a prefix of `bytes` and returns its length. Less than all: a kWritable event follows when there is room.
  [[nodiscard]] virtual size_t Write(StreamHandle stream, ByteView bytes) = 0;
  // Fills `views` with received bytes in order and returns how many were filled; the views are good until the next call
  // on this endpoint. 0: wait for kReadable.
  [[nodiscard]] virtual size_t Peek(StreamHandle stream, std::span<ByteView> views) = 0;
  // Gives back the first `size` bytes that Peek showed, and with them window to the peer.
  virtual void Consume(StreamHandle stream, size_t size) = 0;
  // Reports kReadTimeout when nothing can be read by `when`; kInfiniteFuture takes an earlier deadline back. A deadline that has
  // passed already is reported at the next Flush. False, and no effect, once the stream has begun to close.
  [[nodiscard]] virtual bool SetReadDeadline(StreamHandle stream, TimePoint when) = 0;
  // True when the peer has ended the stream and everything it sent was consumed.
  [[nodiscard]] virtual bool AtEnd(StreamHandle stream) const = 0;
  // Whether one direction of a stream can end while the other goes on.
  [[nodiscard]] virtual bool CanHalfClose() const { return false; }
  // No more Write: the peer reads the end after what was written. Reading goes on. REQUIRES: CanHalfClose().
  virtual void FinishWriting(TimePoint now, StreamHandle stream) { static_cast<void>(now), static_cast<void>(stream); }
  // True while something that was written, or the end, is not acknowledged by the peer.
  [[nodiscard]] virtual bool HasUndelivered(StreamHandle stream) const = 0;
  // Ends the stream in order: what was written is delivered first (as long as the transport's limit allows), then kClosed
  // is reported. No more writes; data that still arrives is discarded.
  virtual void Close(TimePoint now, StreamHandle stream) = 0;
  // Ends the stream now, telling the peer at best effort and discarding what was queued.
  virtual void Abort(TimePoint now, StreamHandle stream, CloseReason reason) = 0;
  // From now on no stream is accepted from peers. Streams that exist go on.
  virtual void StopAccepting() = 0;

  // Outputs are pulled by the driver.
  // Writes what is due into `sink`; stops with its state intact when the sink is full (HasPendingOutput says so).
  virtual void Flush(TimePoint now, DatagramSink& sink) = 0;
  [[nodiscard]] virtual bool HasPendingOutput() const = 0;
  [[nodiscard]] virtual std::optional<Event> PollEvent() = 0;
  // When OnTimeout and then Flush want to be called next; nullopt: nothing is scheduled.
  [[nodiscard]] virtual std::optional<TimePoint> NextTimeout() const = 0;

  // Observation.
  [[nodiscard]] virtual size_t session_count() const = 0;
  [[nodiscard]] virtual const EndpointCounters& counters() const = 0;
  [[nodiscard]] virtual std::optional<SessionStats> GetStats(TimePoint now, StreamHandle stream) const = 0;
  // What limited the sender of this stream, and for how long, since the stream began. Cheaper than all its figures.
  [[nodiscard]] virtual std::optional<TimeInLimit> GetTimeInLimit(TimePoint now, StreamHandle stream) const = 0;
  // The session as a whole, whatever streams it carries. Where each carries one it is what GetStats says.
  [[nodiscard]] virtual std::optional<SessionStats> GetSessionStats(TimePoint now, SessionHandle session) const {
    return GetStats(now, session);
  }
  // Ends a session with all its streams, telling the peer.
  virtual void AbortSession(TimePoint now, SessionHandle session, CloseReason reason) { Abort(now, session, reason); }
  virtual void ForEachSession(TimePoint now, const std::function<void(const SessionStats&)>& visit) const = 0;
};

}  // namespace culvert
