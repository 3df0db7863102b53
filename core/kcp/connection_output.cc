// What a connection sends and when: deadlines first, then acks, data and commands, one segment a datagram.
#include <algorithm>

#include "core/kcp/connection.h"

namespace culvert::kcp {
namespace {

constexpr Duration kKeepAlive = std::chrono::seconds(5);         // v2ray's; a peer ends a connection after 30 s of silence
constexpr Duration kFirstKeepAlive = std::chrono::milliseconds(500);
constexpr Duration kProbeTimeoutCap = std::chrono::milliseconds(500);  // so that a healed path is noticed within that (F5)
constexpr Duration kTerminateGapCap = std::chrono::seconds(2);
constexpr Duration kOpeningPingGap = std::chrono::milliseconds(200);
constexpr uint32_t kMaxOpeningPings = 6;
constexpr uint32_t kSegmentsPerProbe = 2;
constexpr uint32_t kTimeoutsOfAnOutage = 2;  // without an acknowledgement between them
constexpr Duration kMaxAnnouncedRto = std::chrono::seconds(10);
// Copies: up to so many segments in flight, where at least so much is lost. Far enough apart for most bursts to be over.
constexpr uint32_t kMaxCopiedSegments = 3;
constexpr uint32_t kMaxCopiesAtOnce = 16;
constexpr uint32_t kCopiesAfterTimeout = 3;
constexpr double kLossWorthACopy = 0.008;
constexpr double kLossWorthTwoCopies = 0.05;
constexpr Duration kLeastCopyDelay = std::chrono::milliseconds(5);
constexpr Duration kLateCopyDelay = std::chrono::milliseconds(1);
constexpr Duration kMostCopyDelay = std::chrono::milliseconds(20);

}  // namespace

bool Connection::Flush(TimePoint now, DatagramSink& sink) {
  OnTime(now);
  const bool full = FlushAcks(now, sink) == Sent::kSinkFull || FlushData(now, sink) == Sent::kSinkFull ||
                    FlushCommands(now, sink) == Sent::kSinkFull;
  // Once an iteration is exact: whatever came in, was written or timed out led here.
  limits_.Enter(FindLimit(), now);
  return !full;
}

SendLimit Connection::FindLimit() const {
  if (!MaySendData(state_)) return SendLimit::kApplication;
  return timeouts_in_a_row_ >= kTimeoutsOfAnOutage ? SendLimit::kPathDown : held_back_by_;
}

// ---- deadlines ----

TimePoint Connection::StateDeadline() const {
  // The limit of a connection whose peer is done counts only once the application has nothing left to read.
  if (state_ == State::kPeerTerminating && !drained_) return kInfiniteFuture;
  const Duration limit = TimeLimit(state_);
  return limit == kInfiniteDuration ? kInfiniteFuture : state_entered_at_ + limit;
}

Duration Connection::ProbeTimeout() const {
  return std::min(rtt_.rto() * (1u << std::min(timeouts_in_a_row_, 6u)), std::max(rtt_.rto(), kProbeTimeoutCap));
}

Duration Connection::KeepAlive() const {
  // A dialler that waits for its first answer asks more often: the peer may have lost it, and may not repeat it to somebody it
  // has not validated unless it hears more of us.
  if (!identity_.outgoing || receive_.contiguous() != identity_.first_number) return kKeepAlive;
  return std::min(kKeepAlive, kFirstKeepAlive * (1u << std::min(early_pings_, 6u)));
}

TimePoint Connection::ProbeTimeoutAt() const {
  if (send_.segments_in_flight() == 0 || !MaySendData(state_)) return kInfiniteFuture;
  return send_.latest_sent_at() + ProbeTimeout();
}

void Connection::OnTime(TimePoint now) {
  if (state_ == State::kTerminated) return;
  if (state_ == State::kActive && now >= last_received_at_ + kIdleTimeout) {
    Detach(CloseReason::kIdleTimeout);
    Apply(now, Trigger::kIdle, CloseReason::kIdleTimeout);
    Apply(now, Trigger::kQueueDrained, CloseReason::kIdleTimeout);
  }
  if (state_ == State::kPeerTerminating && !drained_ && !receive_.has_unread()) {
    drained_ = true;
    state_entered_at_ = now;
  }
  if (now >= StateDeadline()) {
    const CloseReason reason =
        state_ == State::kReadyToClose || (has_peer_end_ && !HasWholeStream()) ? CloseReason::kUnacknowledged
                                                                               : CloseReason::kPeer;
    Apply(now, Trigger::kLimitReached, reason);
  }
  if (now >= timers_.read_at) {
    timers_.read_at = kInfiniteFuture;
    if (!receive_.has_unread() && !detached_) context_.events.push_back({Event::Kind::kReadTimeout, handle_});
  }
  if (now >= timers_.loss_at) DetectLosses(now);
  if (now >= ProbeTimeoutAt()) OnProbeTimeout(now);
  if (now >= timers_.window_probe_at) {
    timers_.window_probe_at = kInfiniteFuture;
    forced_segments_ = std::max(forced_segments_, 1u);
  }
  if (now >= timers_.validation_probe_at) {
    timers_.validation_probe_at = kInfiniteFuture;
    // K30: the peer has spoken, we have nothing to say: an empty first segment asks it to echo our clock.
    if (send_.untouched() && state_ == State::kActive) send_.AppendProbe();
  }
}

void Connection::OnProbeTimeout(TimePoint now) {
  ++timeouts_in_a_row_;
  const SendWindow::LossOutcome losses = send_.DeclareOldestLost(kSegmentsPerProbe);
  forced_segments_ = std::max(forced_segments_, losses.segments);
  // Only probes of a closed window are out: the reader is slow, nothing is lost.
  if (!send_.first_unacked().IsBefore(peer_edge_)) return;
  CountLosses(losses);
  // What is measured across a silence is the silence, not the path.
  if (timeouts_in_a_row_ > 1) delivery_.OnApplicationLimited(send_.bytes_in_flight());
  controller_->OnTimeout(now, timeouts_in_a_row_);
  pacer_.SetRate(controller_->pacing_bytes_per_second(), context_.config.mtu_bytes());
}

TimePoint Connection::NextDeadline() const {
  if (state_ == State::kTerminated) return kInfiniteFuture;
  TimePoint next = std::min({StateDeadline(), acks_.due_at(), ProbeTimeoutAt(), timers_.loss_at,
                             timers_.progress_ping_at, timers_.opening_ping_at, timers_.window_probe_at,
                             timers_.validation_probe_at, timers_.terminate_at, timers_.read_at, timers_.paced_at, timers_.copy_at});
  if (state_ == State::kActive) next = std::min(next, last_received_at_ + kIdleTimeout);
  if (state_ != State::kTerminating && state_ != State::kPeerTerminating) next = std::min(next, last_sent_at_ + KeepAlive());
  return next;
}

// ---- output ----

template <typename Encode>
Connection::Sent Connection::SendDatagram(TimePoint now, size_t size, bool spare, DatagramSink& sink, Encode&& encode) {
  const size_t total = context_.writer.overhead() + size;
  if (!validation_.MaySend(now, total, spare)) return Sent::kNotAllowed;
  if (!context_.writer.Write(identity_.peer, size, sink, encode)) return Sent::kSinkFull;
  validation_.OnSent(total);
  last_sent_at_ = now;
  ++stats_.tx_datagrams;
  stats_.tx_datagram_bytes += total;
  ++context_.counters.tx_datagrams;
  context_.counters.tx_bytes += total;
  return Sent::kYes;
}

void Connection::OnSendingNextTold() {
  told_sending_next_ = send_.first_unacked();
  timers_.progress_ping_at = kInfiniteFuture;
}

Connection::Sent Connection::FlushAcks(TimePoint now, DatagramSink& sink) {
  if (state_ == State::kTerminating || state_ == State::kTerminated) return Sent::kYes;
  // A peer that was near the edge has to learn that there is room again.
  const uint32_t opened = receive_.edge().DistanceFrom(announced_edge_);
  // A peer that is done needs no room, and may have forgotten us: what we sent it would open a ghost (section 18 point 10).
  if (state_ != State::kPeerTerminating && opened != 0 && opened >= receive_.window_segments() / 4) acks_.OnWindowOpened(now);
  while (acks_.due_at() <= now) {
    const AckList::Content content = acks_.Peek();
    std::array<uint8_t, 4 * kMaxAckNumbersSent> numbers;
    for (uint32_t i = 0; i < content.count; ++i) StoreBigEndian32(numbers.data() + 4 * i, content.numbers[i]);
    AckSegment ack;
    ack.conversation_id = identity_.conversation_id;
    ack.option = OptionByte();
    ack.receiving_window = receive_.edge();
    // A v2ray sender takes its RTT sample only from numbers that receiving_next does not cover already (section 8.3), so the
    // new numbers of this ack stay above it. It catches up with the next one.
    ack.receiving_next =
        content.has_fresh ? SerialNumber::Earlier(receive_.next(), content.lowest_fresh) : receive_.next();
    ack.timestamp = content.timestamp;
    ack.numbers = ByteView(numbers.data(), 4 * size_t{content.count});
    const Sent sent = SendDatagram(now, kAckHeadSize + ack.numbers.size(), /*spare=*/false, sink,
                                   [&](ByteSpan out) { (void)EncodeAck(ack, out); });
    if (sent != Sent::kYes) {
      // Unvalidated and over budget: the next datagram from the peer raises it.
      if (sent == Sent::kNotAllowed) acks_.OnSent(now, rtt_.rto(), AckList::kMaxRepeatsUnvalidated);
      return sent;
    }
    announced_edge_ = receive_.edge();
    acks_.OnSent(now, rtt_.rto(), validated() ? AckList::kMaxRepeats : AckList::kMaxRepeatsUnvalidated);
  }
  return Sent::kYes;
}

// One data segment as a datagram; what that means for the segment is the caller's.
Connection::Sent Connection::SendData(TimePoint now, SerialNumber number, const OutgoingSegment& segment,
                                      DatagramSink& sink) {
  DataSegment data;
  data.conversation_id = identity_.conversation_id;
  data.option = OptionByte();
  data.timestamp = WireClock(now);
  data.number = number;
  data.sending_next = send_.first_unacked();
  data.payload = segment.payload();
  const bool is_probe = segment.size == 0;
  const size_t size = kDataHeadSize + segment.size + (is_probe ? kCommandSize : 0);
  // The smallest of openings leaves no room for more than the first segment or the probe.
  const bool spare = number != identity_.first_number;
  const Sent sent = SendDatagram(now, size, spare, sink, [&](ByteSpan out) {
    const size_t data_size = EncodeData(data, out);
    if (!is_probe) return;
    CommandSegment ping;
    ping.conversation_id = identity_.conversation_id;
    ping.sending_next = send_.first_unacked();
    ping.receiving_next = receive_.next();
    ping.peer_rto = static_cast<uint32_t>(ToMilliseconds(rtt_.rto()));
    (void)EncodeCommand(ping, out.subspan(data_size));
  });
  if (sent != Sent::kYes) return sent;
  if (segment.place != OutgoingSegment::Place::kQueued && number.IsBefore(peer_edge_)) {
    ++stats_.retransmitted_segments;
    payload_bytes_retransmitted_ += segment.size;
  }
  payload_bytes_sent_ += segment.size;
  ++stats_.tx_segments;
  pacer_.OnSent(now, segment.size + DatagramOverhead());
  OnSendingNextTold();
  return Sent::kYes;
}

Connection::Sent Connection::SendSegment(TimePoint now, SerialNumber number, const OutgoingSegment& segment,
                                         DatagramSink& sink) {
  const Sent sent = SendData(now, number, segment, sink);
  if (sent != Sent::kYes) return sent;
  const uint64_t bytes = segment.size + DatagramOverhead();
  const congestion::DeliverySnapshot snapshot = delivery_.OnSend(now, send_.segments_in_flight() == 0);
  send_.OnSent(number, now, WireClock(now), snapshot);
  controller_->OnSent(now, bytes, send_.bytes_in_flight() - bytes, send_.latest_order());
  return Sent::kYes;
}

// ---- copies ----
// On a path that loses much, whoever sends little waits a timeout for every loss, as nothing that follows reveals it. The few
// segments of such a sender are sent again, a moment apart, so often that all are lost less than once in a hundred times. A bulk
// sender's are not, but for its last and for what a full window of the peer waits for.

SendWindow::Copies Connection::WantedCopies(TimePoint now) const {
  const double loss_rate = context_.paths.Find(now, identity_.peer.ip).loss_rate;
  if (loss_rate < kLossWorthACopy) return {};
  if (send_.segments_in_flight() <= kMaxCopiedSegments) {
    return {.of_first = loss_rate < kLossWorthTwoCopies ? 1u : 2u, .of_lost = kCopiesAfterTimeout};
  }
  // A peer whose window is full stands still until its first hole is filled: what fills it is not to be lost again.
  return {.of_lost = held_back_by_ == SendLimit::kPeerWindow ? 1u : 0u};
}

void Connection::ScheduleCopies(TimePoint now) {
  if (timers_.copy_at != kInfiniteFuture || send_.segments_in_flight() == 0) return;
  if (send_.segments_in_flight() > kMaxCopiedSegments && held_back_by_ != SendLimit::kPeerWindow) return;
  SerialNumber number;
  if (send_.NextToCopy(WantedCopies(now), number) == nullptr) return;
  // After a timeout there is no time left to wait for the end of a burst, so it is outnumbered.
  const bool late = timeouts_in_a_row_ > 0;
  timers_.copy_at = now + (late ? kLateCopyDelay : std::clamp(rtt_.smoothed_rtt() / 16, kLeastCopyDelay, kMostCopyDelay));
}

Connection::Sent Connection::FlushCopies(TimePoint now, DatagramSink& sink) {
  if (now < timers_.copy_at) return Sent::kYes;
  // One of each, then the next time is set.
  uint32_t left = MaySendData(state_) ? std::min(send_.segments_in_flight(), kMaxCopiesAtOnce) : 0;
  const SendWindow::Copies wanted = WantedCopies(now);
  SerialNumber number;
  while (left-- > 0) {
    const OutgoingSegment* segment = send_.NextToCopy(wanted, number);
    if (segment == nullptr) break;
    const Sent sent = SendData(now, number, *segment, sink);
    if (sent == Sent::kSinkFull) return sent;
    if (sent == Sent::kNotAllowed) {
      // What an unproved peer may be sent is for the acks.
      timers_.copy_at = kInfiniteFuture;
      return Sent::kYes;
    }
    send_.OnCopied(number, now);
    ++copies_sent_;
  }
  timers_.copy_at = kInfiniteFuture;
  ScheduleCopies(now);
  return Sent::kYes;
}

Connection::Sent Connection::FlushData(TimePoint now, DatagramSink& sink) {
  timers_.paced_at = kInfiniteFuture;
  if (const Sent sent = FlushCopies(now, sink); sent != Sent::kYes) return sent;
  if (!MaySendData(state_)) return Sent::kYes;
  const uint64_t window = controller_->window_bytes();
  for (;;) {
    SerialNumber number;
    const OutgoingSegment* segment = send_.NextLost(number);
    if (segment == nullptr) {
      segment = send_.NextQueued(number);
      if (segment == nullptr) {
        held_back_by_ = write_fell_short_ ? SendLimit::kBuffer : SendLimit::kApplication;
        break;
      }
      if (!number.IsBefore(peer_edge_) && forced_segments_ == 0) {
        // K13: the announced edge is obeyed. With nothing in flight only a probe can find out that it moved.
        held_back_by_ = SendLimit::kPeerWindow;
        ScheduleCopies(now);
        if (send_.segments_in_flight() == 0 && timers_.window_probe_at == kInfiniteFuture) {
          timers_.window_probe_at = now + rtt_.rto();
        }
        break;
      }
    }
    if (forced_segments_ == 0) {
      if (send_.bytes_in_flight() + segment->size + DatagramOverhead() > window && send_.segments_in_flight() > 0) {
        held_back_by_ = SendLimit::kCongestion;
        return Sent::kYes;
      }
      if (!pacer_.MaySend(now)) {
        held_back_by_ = SendLimit::kPacing;
        timers_.paced_at = std::max(pacer_.NextStepAt(), now + std::chrono::microseconds(1));
        return Sent::kYes;
      }
    }
    const Sent sent = SendSegment(now, number, *segment, sink);
    if (sent == Sent::kNotAllowed) held_back_by_ = SendLimit::kCongestion;  // an unproved peer's allowance is its window
    if (sent != Sent::kYes) return sent;
    if (forced_segments_ > 0) --forced_segments_;
  }
  // Room in the window and nothing to put into it: what is measured now is not the path.
  if (send_.bytes_in_flight() < window) delivery_.OnApplicationLimited(send_.bytes_in_flight());
  ScheduleCopies(now);
  return Sent::kYes;
}

Connection::Sent Connection::SendCommand(TimePoint now, Command command, DatagramSink& sink) {
  CommandSegment segment;
  segment.conversation_id = identity_.conversation_id;
  segment.command = static_cast<uint8_t>(command);
  segment.option = command == Command::kPing ? OptionByte() : 0;
  // A terminate says how long the stream is. After an abort it claims one segment more than there ever was: a peer of our kind
  // finds its stream incomplete and reports an error, a v2ray peer does not look.
  segment.sending_next = command == Command::kTerminate ? terminate_sending_next() : send_.first_unacked();
  segment.receiving_next = receive_.next();
  segment.peer_rto = static_cast<uint32_t>(ToMilliseconds(std::min(rtt_.rto(), kMaxAnnouncedRto)));
  const Sent sent =
      SendDatagram(now, kCommandSize, /*spare=*/false, sink, [&](ByteSpan out) { (void)EncodeCommand(segment, out); });
  if (sent == Sent::kYes) OnSendingNextTold();
  return sent;
}

Connection::Sent Connection::FlushCommands(TimePoint now, DatagramSink& sink) {
  if (answer_terminate_) {
    const Sent sent = SendCommand(now, Command::kTerminate, sink);
    if (sent == Sent::kSinkFull) return sent;
    answer_terminate_ = false;
  }
  if (state_ == State::kTerminated || state_ == State::kPeerTerminating) return Sent::kYes;
  if (state_ == State::kTerminating) {
    if (now < timers_.terminate_at) return Sent::kYes;
    const Sent sent = SendCommand(now, Command::kTerminate, sink);
    if (sent == Sent::kSinkFull) return sent;
    // K15: soon, then at growing gaps, until it is answered or the state's limit is reached.
    timers_.terminate_at = now + std::min(rtt_.rto() * (1u << std::min(terminates_sent_, 6u)), kTerminateGapCap);
    ++terminates_sent_;
    return sent;
  }

  const bool opening = now >= timers_.opening_ping_at;
  if (opening) {
    // K21: a dialler that has nothing to say says so, or a server that speaks first never would. Data opens as well.
    ++opening_pings_;
    timers_.opening_ping_at = opening_pings_ < kMaxOpeningPings
                                  ? now + kOpeningPingGap * (1u << std::min(opening_pings_ - 1, 5u))
                                  : kInfiniteFuture;
  }
  const bool due = (opening && send_.segments_in_flight() == 0) || challenge_ || now >= timers_.progress_ping_at ||
                   now >= last_sent_at_ + KeepAlive();
  if (!due) return Sent::kYes;
  const Sent sent = SendCommand(now, Command::kPing, sink);
  if (sent == Sent::kSinkFull) {
    if (opening) timers_.opening_ping_at = now;
    return sent;
  }
  challenge_ = false;
  ++early_pings_;
  if (sent == Sent::kNotAllowed) {
    timers_.progress_ping_at = kInfiniteFuture;
    last_sent_at_ = now;  // asked for; the next chance is a keep-alive later
  }
  return sent;
}

}  // namespace culvert::kcp
