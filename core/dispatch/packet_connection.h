// PacketConnection: a program's end of an association, used like a socket: it writes datagrams to destinations and reads what comes
// back with its source. Between it and the association's other end are two bounded queues; nobody blocks, and nobody is called back:
// each call says what it did, and the owner asks again when OnTimeout or the other end changed something.
//
// Datagrams stay whole: one that does not fit into the reader's buffer stays where it is and its size is told, one that is too long is
// refused. Received ones that nobody reads make room, the oldest first, and are counted; a writer that is too fast is told to wait.
// Deadlines are moments: one that has passed fails every read or write of its kind, without loss, until it is moved.
// Thread: confined to its owner.  Time: `now` never decreases between calls.
// Source: spec/udp.md "Dispatcher-backed packet connection"; reliability.md T43, S21, S22.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "core/base/bytes.h"
#include "core/base/time.h"
#include "core/dispatch/destination.h"
#include "core/transport/packet_queue.h"

namespace culvert::dispatch {

class PacketConnection {
 public:
  struct Options {
    size_t queue_packets = 256;  // of each direction
    SocketAddress local;         // what local_address says
  };
  enum class Status : uint8_t {
    kDone,
    kWouldBlock,   // nothing to read; or no room to write
    kTimedOut,     // the deadline has passed
    kClosed,       // closed, and (reading) everything was read
    kTooSmall,     // the buffer: `size` bytes are needed; the datagram waits
    kTooLong,      // more than kMaxDatagramBytes, or no destination: nothing was written
  };
  struct ReadResult {
    Status status = Status::kWouldBlock;
    size_t size = 0;
    Destination source;  // good until the next call
  };

  explicit PacketConnection(const Options& options);

  // ---- The program's side.
  [[nodiscard]] ReadResult ReadFrom(TimePoint now, ByteSpan out);
  [[nodiscard]] Status WriteTo(TimePoint now, ByteView payload, const Destination& destination);
  // No more writes; what was written is still taken, what has come can still be read.
  void Close() { is_closed_ = true; }
  [[nodiscard]] const SocketAddress& local_address() const { return local_; }
  void set_local_address(const SocketAddress& local) { local_ = local; }
  // kInfiniteFuture: none.
  void SetDeadline(TimePoint when) { read_deadline_ = write_deadline_ = when; }
  void SetReadDeadline(TimePoint when) { read_deadline_ = when; }
  void SetWriteDeadline(TimePoint when) { write_deadline_ = when; }
  // The earliest deadline that is yet to pass: then reads or writes that waited are worth another try.
  [[nodiscard]] std::optional<TimePoint> NextTimeout(TimePoint now) const;

  // ---- The other end.
  // A datagram for the program. False: nobody will read it (closed), or it is too long.
  bool Deliver(const Destination& source, ByteView payload);
  // The oldest datagram that the program wrote; false: none. Both are good until the next call but TakeWritten, which gives it back.
  [[nodiscard]] bool PeekWritten(Destination& destination, ByteView& payload) const;
  void TakeWritten() { written_.Pop(); }
  // Nothing comes any more.
  void EndReceiving() { is_ended_ = true; }

  [[nodiscard]] bool is_closed() const { return is_closed_; }
  [[nodiscard]] size_t readable() const { return received_.size(); }
  [[nodiscard]] bool is_writable() const { return !is_closed_ && written_.size() < queue_packets_; }
  [[nodiscard]] uint64_t dropped() const { return received_.dropped(); }

 private:
  const size_t queue_packets_;
  SocketAddress local_;
  PacketQueue received_;  // each behind its source
  PacketQueue written_;   // each behind its destination
  std::string source_host_;  // of the datagram read last
  TimePoint read_deadline_ = kInfiniteFuture;
  TimePoint write_deadline_ = kInfiniteFuture;
  bool is_closed_ = false;
  bool is_ended_ = false;
};

}  // namespace culvert::dispatch
