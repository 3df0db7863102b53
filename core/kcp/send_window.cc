#include "core/kcp/send_window.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace culvert::kcp {
namespace {

constexpr size_t kInitialRing = 16;

}  // namespace

SendWindow::SendWindow(BlockPool& pool, uint32_t max_payload, uint32_t max_segments, uint32_t segment_overhead_bytes)
    : pool_(pool),
      max_payload_(max_payload),
      max_segments_(max_segments),
      segment_overhead_bytes_(segment_overhead_bytes) {}

SendWindow::~SendWindow() { Clear(); }

void SendWindow::EnsureRoom() {
  if (segments_held() < ring_.size()) return;
  std::vector<OutgoingSegment> larger(std::max(kInitialRing, ring_.size() * 2));
  for (uint32_t n = first_unacked_; n != end_; ++n) larger[n & (larger.size() - 1)] = At(n);
  ring_ = std::move(larger);
}

size_t SendWindow::Append(ByteView bytes, size_t first_limit) {
  if (bytes.empty()) return 0;
  size_t taken = 0;
  if (has_queued()) {
    OutgoingSegment& last = At(end_ - 1);
    // The first segment stays as it was cut: the limit it was cut to still stands.
    if (last.block != nullptr && last.size < max_payload_ && end_ != 1) {
      const size_t size = std::min<size_t>(max_payload_ - last.size, bytes.size());
      std::memcpy(last.block + last.size, bytes.data(), size);
      last.size = static_cast<uint16_t>(last.size + size);
      taken = size;
    }
  }
  while (taken < bytes.size() && segments_held() < max_segments_) {
    EnsureRoom();
    const size_t limit = untouched() ? std::clamp<size_t>(first_limit, 1, max_payload_) : max_payload_;
    const size_t size = std::min(limit, bytes.size() - taken);
    OutgoingSegment& segment = At(end_);
    segment = {};
    segment.block = pool_.Take();
    segment.size = static_cast<uint16_t>(size);
    std::memcpy(segment.block, bytes.data() + taken, size);
    ++end_;
    ever_used_ = true;
    taken += size;
  }
  payload_bytes_held_ += taken;
  return taken;
}

void SendWindow::AppendProbe() {
  CULVERT_CHECK(untouched());
  EnsureRoom();
  At(end_) = {};
  ++end_;
  ever_used_ = true;
}

void SendWindow::Clear() {
  for (uint32_t n = first_unacked_; n != end_; ++n) {
    if (At(n).block != nullptr) pool_.Give(At(n).block);
    At(n) = {};
  }
  first_unacked_ = next_to_send_ = end_;
  in_flight_ = lost_ = {};
  bytes_in_flight_ = payload_bytes_held_ = 0;
}

const OutgoingSegment* SendWindow::NextLost(SerialNumber& number) const {
  if (lost_.count == 0) return nullptr;
  number = SerialNumber(lost_.head);
  return &At(lost_.head);
}

const OutgoingSegment* SendWindow::NextQueued(SerialNumber& number) const {
  if (!has_queued()) return nullptr;
  number = SerialNumber(next_to_send_);
  return &At(next_to_send_);
}

const OutgoingSegment* SendWindow::NextToCopy(const Copies& wanted, SerialNumber& number) const {
  const OutgoingSegment* next = nullptr;
  uint32_t n = in_flight_.head;
  for (uint32_t i = 0; i < in_flight_.count; ++i, n = At(n).next) {
    const OutgoingSegment& segment = At(n);
    if (segment.copies >= (segment.transmissions > 1 ? wanted.of_lost : wanted.of_first)) continue;
    if (next != nullptr && next->copies <= segment.copies) continue;
    next = &segment;
    number = SerialNumber(n);
  }
  return next;
}

void SendWindow::OnCopied(SerialNumber number, TimePoint now) {
  ++At(number.value()).copies;
  latest_sent_at_ = now;
}

void SendWindow::OnSent(SerialNumber number, TimePoint now, uint32_t timestamp, const congestion::DeliverySnapshot& delivery) {
  const uint32_t n = number.value();
  OutgoingSegment& segment = At(n);
  if (segment.place == OutgoingSegment::Place::kLost) {
    Remove(lost_, n);
  } else {
    CULVERT_CHECK(segment.place == OutgoingSegment::Place::kQueued && n == next_to_send_);
    ++next_to_send_;
  }
  segment.place = OutgoingSegment::Place::kInFlight;
  segment.copies = 0;
  segment.sent_at = now;
  segment.order = next_order_++;
  segment.timestamp = timestamp;
  segment.delivery = delivery;
  ++segment.transmissions;
  PushBack(in_flight_, n);
  bytes_in_flight_ += FlightBytes(segment);
  latest_sent_at_ = now;
}

void SendWindow::MarkAcked(uint32_t number, AckOutcome& outcome) {
  OutgoingSegment& segment = At(number);
  if (segment.place == OutgoingSegment::Place::kInFlight) {
    Remove(in_flight_, number);
    bytes_in_flight_ -= FlightBytes(segment);
    outcome.flight_bytes += FlightBytes(segment);
  } else {
    Remove(lost_, number);
  }
  segment.place = OutgoingSegment::Place::kAcked;
  ++outcome.segments;
  outcome.payload_bytes += segment.size;
  payload_bytes_held_ -= segment.size;
  if (segment.order > outcome.delivery_order) {
    outcome.has_delivery = true;
    outcome.delivery = segment.delivery;
    outcome.delivery_sent_at = segment.sent_at;
    outcome.delivery_order = segment.order;
  }
  if (segment.block != nullptr) {
    pool_.Give(segment.block);
    segment.block = nullptr;
  }
}

void SendWindow::PopAcked() {
  while (first_unacked_ != next_to_send_ && At(first_unacked_).place == OutgoingSegment::Place::kAcked) ++first_unacked_;
}

void SendWindow::NoteArrival(const OutgoingSegment& segment) {
  if (segment.order <= latest_acked_order_) return;
  latest_acked_order_ = segment.order;
  latest_acked_sent_at_ = segment.sent_at;
}

void SendWindow::Acknowledge(SerialNumber number, TimePoint now, uint32_t echo, Duration min_rtt, AckOutcome& outcome) {
  // Outside [first_unacked, next_to_send): acknowledged before, or never sent (K12).
  if (number.DistanceFrom(first_unacked()) >= next_to_send_ - first_unacked_) return;
  const uint32_t n = number.value();
  OutgoingSegment& segment = At(n);
  if (segment.place == OutgoingSegment::Place::kAcked) return;

  const Duration age = now - segment.sent_at;
  const bool sent_again = segment.transmissions > 1;
  const bool echoes_last = echo != 0 && echo == segment.timestamp;
  // The newest transmission the ack knows of is older than our last one, or the answer came faster than any round trip: an
  // earlier transmission arrived. An echo of exactly the last one is no such answer but a shorter path: it has to be learned.
  const bool earlier_arrived =
      sent_again && !echoes_last &&
      ((echo != 0 && SerialNumber(echo).IsBefore(SerialNumber(segment.timestamp))) || age < min_rtt);
  const bool declared_lost = segment.place == OutgoingSegment::Place::kLost;
  if (earlier_arrived || (declared_lost && !sent_again)) ++outcome.spurious;
  if (segment.copies > 0 && echo != 0 && SerialNumber(echo).IsAfter(SerialNumber(segment.timestamp))) ++outcome.saved_by_copy;
  if (!earlier_arrived && !declared_lost) {
    NoteArrival(segment);
    const bool unambiguous = (!sent_again && segment.copies == 0) || echoes_last;
    if (unambiguous && (!outcome.has_rtt_sample || age < outcome.rtt_sample)) {
      outcome.has_rtt_sample = true;
      outcome.rtt_sample = age;
    }
  }
  MarkAcked(n, outcome);
  PopAcked();
}

void SendWindow::AcknowledgeBelow(SerialNumber receiving_next, AckOutcome& outcome) {
  // Beyond what was sent: a lie, ignored (K12).
  if (receiving_next.IsAfter(next_to_send())) return;
  while (SerialNumber(first_unacked_).IsBefore(receiving_next)) {
    OutgoingSegment& segment = At(first_unacked_);
    if (segment.place != OutgoingSegment::Place::kAcked) {
      // No RTT sample: the number says when it was read, not when it arrived.
      if (segment.transmissions == 1) {
        if (segment.place == OutgoingSegment::Place::kInFlight) {
          NoteArrival(segment);
        } else {
          ++outcome.spurious;
        }
      }
      MarkAcked(first_unacked_, outcome);
    }
    ++first_unacked_;
  }
  PopAcked();
}

void SendWindow::MoveToLost(uint32_t number, LossOutcome& outcome) {
  OutgoingSegment& segment = At(number);
  Remove(in_flight_, number);
  bytes_in_flight_ -= FlightBytes(segment);
  segment.place = OutgoingSegment::Place::kLost;
  PushBack(lost_, number);
  ++outcome.segments;
  outcome.flight_bytes += FlightBytes(segment);
  outcome.largest_order = std::max(outcome.largest_order, segment.order);
}

SendWindow::LossOutcome SendWindow::DetectLosses(TimePoint now, Duration rtt, Duration reordering_window) {
  LossOutcome outcome;
  while (in_flight_.count > 0) {
    const OutgoingSegment& oldest = At(in_flight_.head);
    // RFC 8985 section 6.2: only what left before something that is known to have arrived can be lost.
    if (oldest.order >= latest_acked_order_) break;
    // RFC 8985 section 6.2 step 5: with its RTT that of the latest arrival the first condition is what it comes to, at the moment
    // of the ack; the second catches trains, which share a time.
    const TimePoint lost_at = oldest.sent_at + rtt + reordering_window;
    if (latest_acked_sent_at_ - oldest.sent_at < reordering_window && now < lost_at) {
      outcome.retry_at = lost_at;
      break;
    }
    MoveToLost(in_flight_.head, outcome);
  }
  return outcome;
}

SendWindow::LossOutcome SendWindow::DeclareOldestLost(uint32_t count) {
  LossOutcome outcome;
  while (count-- > 0 && in_flight_.count > 0) MoveToLost(in_flight_.head, outcome);
  return outcome;
}

void SendWindow::PushBack(List& list, uint32_t number) {
  OutgoingSegment& segment = At(number);
  segment.previous = list.tail;
  if (list.count == 0) {
    list.head = number;
  } else {
    At(list.tail).next = number;
  }
  list.tail = number;
  ++list.count;
}

void SendWindow::Remove(List& list, uint32_t number) {
  const OutgoingSegment& segment = At(number);
  if (number == list.head) {
    list.head = segment.next;
  } else {
    At(segment.previous).next = segment.next;
  }
  if (number == list.tail) {
    list.tail = segment.previous;
  } else {
    At(segment.next).previous = segment.previous;
  }
  --list.count;
}

}  // namespace culvert::kcp
