// SendWindow: the data segments of one connection from the application's write until their acknowledgement: what is queued,
// what is in flight, what is lost and waits to be sent again. It decides nothing about when to send; it knows what could be.
//
//   first_unacked          next_to_send             end
//        |  in flight, lost, or acked  |   queued    |
//
// A ring indexed by segment number; every segment sent and not yet acknowledged is in exactly one of two lists threaded
// through the ring: in flight (ordered by the time of its last transmission) or lost (waiting for retransmission). So one ack
// number costs O(1), and loss detection looks only at segments that are about to be declared lost.
//
// Errors: acknowledgements of what was never sent, or is acknowledged already, are ignored.
// Thread: owned by one worker. Source: spec/mkcp.md section 8; loss detection as RFC 8985 (RACK).
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/serial_number.h"
#include "core/base/time.h"
#include "core/congestion/delivery_rate.h"
#include "core/kcp/block_pool.h"

namespace culvert::kcp {

struct OutgoingSegment {
  enum class Place : uint8_t { kQueued, kInFlight, kLost, kAcked };

  uint8_t* block = nullptr;   // payload; nullptr for the empty validation probe
  uint16_t size = 0;          // payload bytes
  Place place = Place::kQueued;
  uint8_t copies = 0;         // sent beside the last transmission, which the fields below are of
  uint32_t transmissions = 0;  // copies not counted
  uint32_t timestamp = 0;     // wire timestamp of the last transmission
  uint32_t previous = 0;      // list links: numbers
  uint32_t next = 0;
  uint64_t order = 0;         // of the last transmission among all of the connection's: trains share a time
  TimePoint sent_at{};        // last transmission
  congestion::DeliverySnapshot delivery;  // at the last transmission

  ByteView payload() const { return {block, size}; }
};

// What one acknowledgement did.
struct AckOutcome {
  uint32_t segments = 0;                // newly acknowledged
  uint64_t payload_bytes = 0;           // their payload
  uint64_t flight_bytes = 0;            // as they counted in bytes_in_flight (0 for those already declared lost)
  uint32_t spurious = 0;                // retransmitted although an earlier transmission had arrived
  uint32_t saved_by_copy = 0;           // the copy arrived, what it was a copy of did not
  bool has_rtt_sample = false;
  Duration rtt_sample{};
  bool has_delivery = false;            // of the most recently sent segment acknowledged
  congestion::DeliverySnapshot delivery;
  TimePoint delivery_sent_at{};
  uint64_t delivery_order = 0;
};

class SendWindow {
 public:
  // `segment_overhead_bytes`: what a datagram adds to a payload; counted in bytes_in_flight.
  SendWindow(BlockPool& pool, uint32_t max_payload, uint32_t max_segments, uint32_t segment_overhead_bytes);
  ~SendWindow();
  SendWindow(const SendWindow&) = delete;
  SendWindow& operator=(const SendWindow&) = delete;

  // Numbers begin at `first`, not at 0: for tests of the wrap. REQUIRES: nothing was ever queued.
  void StartAt(SerialNumber first) { first_unacked_ = next_to_send_ = end_ = first.value(); }
  // Queues a prefix of `bytes`, filling the last queued segment first, and returns its length. At most `first_limit` bytes go
  // into the first segment when the window is untouched (a peer that is not validated gets little).
  size_t Append(ByteView bytes, size_t first_limit);
  // Queues the empty segment of the validation probe. REQUIRES: nothing was ever queued.
  void AppendProbe();
  // Drops everything: the connection will send no more data.
  void Clear();
  // Gives back the memory of an empty window. For a pause: the next data takes it again.
  void ReleaseSpare() {
    if (empty()) ring_ = std::vector<OutgoingSegment>();
  }

  SerialNumber first_unacked() const { return SerialNumber(first_unacked_); }
  SerialNumber next_to_send() const { return SerialNumber(next_to_send_); }
  SerialNumber end() const { return SerialNumber(end_); }
  bool empty() const { return first_unacked_ == end_; }
  bool untouched() const { return !ever_used_; }
  bool has_queued() const { return next_to_send_ != end_; }
  bool has_lost() const { return lost_.count > 0; }
  uint32_t segments_in_flight() const { return in_flight_.count; }
  uint64_t bytes_in_flight() const { return bytes_in_flight_; }
  uint64_t payload_bytes_held() const { return payload_bytes_held_; }  // queued, in flight and lost
  uint32_t segments_held() const { return end_ - first_unacked_; }

  // The segment to send next: the longest lost one, else the first queued one. nullptr: none.
  const OutgoingSegment* NextLost(SerialNumber& number) const;
  const OutgoingSegment* NextQueued(SerialNumber& number) const;
  // How many copies of a segment in flight are wanted.
  struct Copies {
    uint32_t of_first = 0;  // of one sent once
    uint32_t of_lost = 0;   // of one that was lost before
  };
  // Of the segments in flight that have not all of them, the longest with the fewest. nullptr: none. Takes time with what is in
  // flight.
  const OutgoingSegment* NextToCopy(const Copies& wanted, SerialNumber& number) const;
  // `number`, which NextToCopy gave, was sent once more. It stays in flight as it was.
  void OnCopied(SerialNumber number, TimePoint now);
  // Moves `number`, one of the two above, into flight.
  void OnSent(SerialNumber number, TimePoint now, uint32_t timestamp, const congestion::DeliverySnapshot& delivery);

  // One number of an ack's list, or all below `receiving_next`. `echo`: the ack's timestamp, 0 when it says nothing.
  void Acknowledge(SerialNumber number, TimePoint now, uint32_t echo, Duration min_rtt, AckOutcome& outcome);
  void AcknowledgeBelow(SerialNumber receiving_next, AckOutcome& outcome);

  // Declares lost what was sent so long before the latest acknowledged segment that reordering cannot explain it, or is overdue.
  // Returns how many segments; `retry_at` is when more would be (kInfiniteFuture: nothing pending).
  struct LossOutcome {
    uint32_t segments = 0;
    uint64_t flight_bytes = 0;
    uint64_t largest_order = 0;  // transmission order of the latest of them
    TimePoint retry_at = kInfiniteFuture;
  };
  LossOutcome DetectLosses(TimePoint now, Duration rtt, Duration reordering_window);
  // Declares the longest unacknowledged segments in flight lost, at most `count` (probe timeout).
  LossOutcome DeclareOldestLost(uint32_t count);
  // When anything was sent last.
  TimePoint latest_sent_at() const { return latest_sent_at_; }
  // Transmission order of the latest one; 0: none yet.
  uint64_t latest_order() const { return next_order_ - 1; }

 private:
  struct List {
    uint32_t head = 0;
    uint32_t tail = 0;
    uint32_t count = 0;
  };

  OutgoingSegment& At(uint32_t number) { return ring_[number & (ring_.size() - 1)]; }
  const OutgoingSegment& At(uint32_t number) const { return ring_[number & (ring_.size() - 1)]; }
  void EnsureRoom();
  void PushBack(List& list, uint32_t number);
  void Remove(List& list, uint32_t number);
  void MarkAcked(uint32_t number, AckOutcome& outcome);
  void PopAcked();
  void NoteArrival(const OutgoingSegment& segment);
  uint64_t FlightBytes(const OutgoingSegment& segment) const { return segment.size + segment_overhead_bytes_; }
  void MoveToLost(uint32_t number, LossOutcome& outcome);

  BlockPool& pool_;
  const uint32_t max_payload_;
  const uint32_t max_segments_;
  const uint32_t segment_overhead_bytes_;
  std::vector<OutgoingSegment> ring_;  // power of two
  uint32_t first_unacked_ = 0;
  uint32_t next_to_send_ = 0;
  uint32_t end_ = 0;
  bool ever_used_ = false;
  List in_flight_;
  List lost_;
  uint64_t bytes_in_flight_ = 0;
  uint64_t payload_bytes_held_ = 0;
  TimePoint latest_sent_at_{};
  uint64_t next_order_ = 1;
  uint64_t latest_acked_order_ = 0;  // RACK.segment; 0: none yet
  TimePoint latest_acked_sent_at_{};  // RACK.xmit_ts
};

}  // namespace culvert::kcp
