// The application's side of a connection: what it is told, what it reads and writes, how it ends a stream; and what is known of
// the connection by those who look on.
#include <algorithm>

#include "core/kcp/connection.h"

namespace culvert::kcp {
namespace {

constexpr size_t kUnvalidatedSendBytes = 64 * 1024;
constexpr uint64_t kMinSendBufferBytes = 256 * 1024;
constexpr uint64_t kMaxSendBufferBytes = 16 * 1024 * 1024;
constexpr size_t kUnvalidatedFirstSegment = 64;
constexpr Duration kSpareMemoryTime = std::chrono::seconds(2);  // below a keep-alive's 5 s, whose timer asks

}  // namespace

void Connection::Detach(CloseReason reason) {
  if (detached_) return;
  detached_ = true;
  if (close_reason_ == CloseReason::kNone) close_reason_ = reason;
  if (handed_over_) context_.events.push_back({Event::Kind::kClosed, handle_, reason});
}

void Connection::HandOver() {
  if (handed_over_ || detached_) return;
  handed_over_ = true;
  context_.events.push_back({Event::Kind::kOpened, handle_});
  if (receive_.has_unread() || AtEnd()) SignalReadable();
}

void Connection::SignalReadable() {
  if (readable_signalled_ || !handed_over_ || detached_) return;
  readable_signalled_ = true;
  context_.events.push_back({Event::Kind::kReadable, handle_});
}

void Connection::SignalWritable() {
  if (!write_fell_short_ || detached_ || WritableBytes() == 0) return;
  write_fell_short_ = false;
  context_.events.push_back({Event::Kind::kWritable, handle_});
}

size_t Connection::WritableBytes() const {
  if (state_ != State::kActive || detached_) return 0;
  const uint64_t limit = validated() ? std::clamp<uint64_t>(2 * controller_->window_bytes(), kMinSendBufferBytes, kMaxSendBufferBytes)
                                     : kUnvalidatedSendBytes;
  const uint64_t held = send_.payload_bytes_held();
  if (held >= limit || send_.segments_held() + 1 >= context_.config.send_queue_segments()) return 0;
  const uint64_t segments = context_.config.send_queue_segments() - send_.segments_held() - 1;
  return std::min(limit - held, segments * context_.config.max_segment_payload_bytes());
}

size_t Connection::Write(ByteView bytes) {
  const size_t room = WritableBytes();
  const size_t wanted = std::min(room, bytes.size());
  // Until the peer has proved its address the first segment has to fit what may be sent at all, again if it is lost.
  size_t first_limit = context_.config.max_segment_payload_bytes();
  if (!validated()) {
    const uint64_t budget = validation_.budget_bytes();
    const uint64_t reserve = AddressValidation::kSpareBytes + DatagramOverhead();
    first_limit = budget > reserve ? std::min<size_t>(kUnvalidatedFirstSegment, budget - reserve) : 1;
  }
  const size_t taken = send_.Append(bytes.first(wanted), first_limit);
  stats_.tx_bytes += taken;
  if (taken < bytes.size()) write_fell_short_ = true;
  return taken;
}

size_t Connection::Peek(std::span<ByteView> views) {
  readable_signalled_ = false;
  if (detached_ || !handed_over_) return 0;
  return receive_.Peek(views);
}

void Connection::Consume(size_t size) {
  if (detached_) return;
  receive_.Consume(std::min<uint64_t>(size, receive_.unread_bytes()));
}

bool Connection::SetReadDeadline(TimePoint when) {
  if (state_ != State::kActive || detached_) return false;  // section 13: only settable while open
  timers_.read_at = when;
  return true;
}

bool Connection::AtEnd() const {
  return state_ == State::kPeerTerminating && has_peer_end_ && !receive_.has_unread() && HasWholeStream();
}

bool Connection::HasWholeStream() const { return receive_.contiguous() == peer_end_ && !receive_.has_hole(); }

void Connection::Close(TimePoint now) {
  if (detached_) return;
  Apply(now, Trigger::kLocalClose, CloseReason::kLocal);
  // K15: nothing to drain, so the end is told at once.
  if (state_ == State::kReadyToClose && send_.empty()) Apply(now, Trigger::kQueueDrained, CloseReason::kLocal);
}

void Connection::Abort(TimePoint now, CloseReason reason) {
  if (state_ == State::kTerminated) return;
  // Evicting a peer that never proved its address works in every state, or it would be no bound.
  if (state_ == State::kTerminating && reason != CloseReason::kNeverValidated) return;
  close_reason_ = reason;
  if (reason == CloseReason::kNeverValidated) {
    // A peer that never answered gets no more of us than it had.
    Detach(reason);
    state_ = State::kTerminated;
    answer_terminate_ = false;
    send_.Clear();
    receive_.Clear();
    acks_.Clear();
    timers_ = {};
    return;
  }
  aborted_ = true;
  send_.Clear();
  Apply(now, Trigger::kLocalClose, reason);
  if (state_ == State::kReadyToClose) Apply(now, Trigger::kQueueDrained, reason);
}

void Connection::ReleaseSpareMemory(TimePoint now) {
  if (now - std::max(send_.latest_sent_at(), acks_.last_sent_at()) < kSpareMemoryTime) return;
  send_.ReleaseSpare();
  receive_.ReleaseSpare();
  acks_.ReleaseSpare();
}

void Connection::NotePath(TimePoint now) {
  path_noted_at_ = now;
  const auto segments = static_cast<uint32_t>(stats_.tx_segments - copies_sent_);
  const auto losses = static_cast<uint32_t>(stats_.lost_segments - std::min(stats_.lost_segments, stats_.spurious_retransmits));
  // What was lost may turn out not to have been: then nothing is noted of it this time.
  const uint32_t new_losses = static_cast<int32_t>(losses - noted_losses_) > 0 ? losses - noted_losses_ : 0;
  context_.paths.Note(now, identity_.peer.ip, rtt_.smoothed_rtt(), rtt_.rttvar(), segments - noted_segments_, new_losses);
  noted_segments_ = segments;
  noted_losses_ = losses;
}

bool Connection::HasUndelivered() const { return send_.payload_bytes_held() > 0; }

SessionStats Connection::GetStats(TimePoint now) const {
  SessionStats stats;
  stats.tx_bytes = stats_.tx_bytes;
  stats.tx_datagram_bytes = stats_.tx_datagram_bytes;
  stats.rx_datagram_bytes = stats_.rx_datagram_bytes;
  stats.tx_datagrams = stats_.tx_datagrams;
  stats.rx_datagrams = stats_.rx_datagrams;
  stats.tx_segments = stats_.tx_segments;
  stats.rx_segments = stats_.rx_segments;
  stats.retransmitted_segments = stats_.retransmitted_segments;
  stats.lost_segments = stats_.lost_segments;
  stats.spurious_retransmits = stats_.spurious_retransmits;
  stats.duplicate_segments = stats_.duplicate_segments;
  stats.out_of_window_segments = stats_.out_of_window_segments;
  stats.acknowledged_bytes = stats_.acknowledged_bytes;
  stats.session = stats.stream = handle_;
  stats.peer = identity_.peer;
  stats.conversation_id = identity_.conversation_id;
  stats.state = StateName(state_);
  stats.outgoing = identity_.outgoing;
  stats.validated = identity_.outgoing ? ever_received_ : validated();
  stats.opened_at = created_at_;
  stats.smoothed_rtt = rtt_.smoothed_rtt();
  stats.min_rtt = rtt_.min_rtt();
  stats.rttvar = rtt_.rttvar();
  stats.rto = rtt_.rto();
  stats.congestion_window_bytes = controller_->window_bytes();
  stats.slow_start_threshold_bytes = controller_->slow_start_threshold_bytes();
  stats.bytes_in_flight = send_.bytes_in_flight();
  stats.segments_in_flight = send_.segments_in_flight();
  stats.send_queue_bytes = send_.payload_bytes_held();
  stats.peer_window_segments = peer_edge_.IsAfter(send_.next_to_send()) ? peer_edge_.DistanceFrom(send_.next_to_send()) : 0;
  stats.receive_window_segments = receive_.window_segments();
  stats.receive_buffered_bytes = receive_.buffered_bytes();
  stats.pacing_bytes_per_second = controller_->pacing_bytes_per_second();
  stats.path_mtu_bytes = context_.config.mtu_bytes();
  stats.limited_by = limits_.current();
  stats.time_in_limit = limits_.Totals(now);
  stats.rx_bytes = receive_.delivered_bytes();
  if (payload_bytes_sent_ > 0) {
    stats.waste_ratio = static_cast<double>(payload_bytes_sent_) /
                        static_cast<double>(payload_bytes_sent_ - payload_bytes_retransmitted_);
  }
  return stats;
}

}  // namespace culvert::kcp
