// The input and application side of a connection, in the order a datagram takes: segment, acknowledgement, data, state.
// What it sends, and when, is in connection_output.cc.
#include "core/kcp/connection.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace culvert::kcp {
namespace {

constexpr uint32_t kInitialPeerWindow = 32;           // what v2ray assumes before the first ack (section 8.2)
constexpr uint32_t kMaxPeerWindow = 65536;            // T08: a peer that claims more is lying
// Segments that peers may park here before they proved their addresses: a fair window while they are few, and a bounded sum
// when they are many.
constexpr uint64_t kUnvalidatedSegments = 2048;
constexpr uint32_t UnvalidatedWindow(uint64_t peers) {
  return static_cast<uint32_t>(std::clamp<uint64_t>(kUnvalidatedSegments / (peers + 1), 4, 128));
}
constexpr uint32_t kMaxWindowForHoles = 4096;
constexpr Duration kProgressPingDelay = std::chrono::milliseconds(15);  // below v2ray's least ack repetition of 20 ms
constexpr Duration kValidationProbeDelay = std::chrono::milliseconds(50);
constexpr uint32_t kMaxReorderingSteps = 16;
constexpr Duration kPathNoteGap = std::chrono::milliseconds(250);

}  // namespace

Connection::Connection(ConnectionContext& context, const Identity& identity, TimePoint now)
    : context_(context),
      identity_(identity),
      created_at_(now),
      epoch_(context.random.NextInRange(AddressValidation::kMinEpoch, AddressValidation::kMaxEpoch)),
      state_entered_at_(now),
      last_received_at_(now),
      last_sent_at_(now),
      handed_over_(identity.outgoing),
      validation_(identity.outgoing),
      send_(context.send_pool, context.config.max_segment_payload_bytes(), context.config.send_queue_segments(),
            static_cast<uint32_t>(context.writer.overhead() + kDataHeadSize)),
      receive_(context.receive_pools, context.config.initial_receive_window_segments(),
               context.config.max_receive_window_segments()),
      rtt_(context.config.tick_interval()),
      controller_(congestion::CreateController(
          context.config.congestion_control(),
          {.datagram_bytes = context.config.mtu_bytes(),
           .initial_window_datagrams = kInitialPeerWindow,
           .max_bytes_per_second = context.config.uplink_bytes_per_second()},
          context.random)),
      window_round_began_with_(identity.first_number),
      peer_edge_(identity.first_number.Plus(kInitialPeerWindow)),
      told_sending_next_(identity.first_number),
      limits_(now) {
  send_.StartAt(identity.first_number);
  receive_.StartAt(identity.first_number);
  acks_.StartAt(identity.first_number);
  announced_edge_ = receive_.edge();
  pacer_.SetRate(controller_->pacing_bytes_per_second(), context.config.mtu_bytes());
  if (identity.outgoing) {
    timers_.opening_ping_at = now;
  } else {
    receive_.LimitWindow(UnvalidatedWindow(context.counters.unvalidated));
    announced_edge_ = receive_.edge();
    timers_.validation_probe_at = now + kValidationProbeDelay;
  }
}

void Connection::OnDatagramReceived(TimePoint now, size_t bytes) {
  last_received_at_ = now;
  ever_received_ = true;
  timers_.opening_ping_at = kInfiniteFuture;
  validation_.OnReceived(now, bytes);
  ++stats_.rx_datagrams;
  stats_.rx_datagram_bytes += bytes;
}

void Connection::OnSegment(TimePoint now, const Segment& segment) {
  if (state_ == State::kTerminated) return;
  const auto* command = std::get_if<CommandSegment>(&segment);
  const bool ends = (command != nullptr && command->is_terminate()) || (Option(segment) & kOptionClose) != 0;
  if (ends && !IsPlausible(segment)) {
    challenge_ = true;  // T07: a peer that means it repeats it with numbers that fit
    return;
  }
  if ((Option(segment) & kOptionClose) != 0) Apply(now, Trigger::kPeerClose, CloseReason::kPeer);
  if (const auto* data = std::get_if<DataSegment>(&segment)) {
    OnData(now, *data);
  } else if (const auto* ack = std::get_if<AckSegment>(&segment)) {
    OnAck(now, *ack);
  } else {
    OnCommand(now, *command);
  }
}

bool Connection::IsPlausible(const Segment& segment) const {
  if (!validated()) return true;
  const auto within = [](SerialNumber value, SerialNumber low, SerialNumber high) {
    return value.DistanceFrom(low) <= high.DistanceFrom(low);
  };
  // What the peer says it consumed lies within what we sent; what it sent or finished, near what it may send. Either may be as
  // old as a window, and a peer that gives up names the end of a queue that may reach beyond our window.
  const auto receiving_fits = [&](SerialNumber next) {
    return within(next, send_.first_unacked().Plus(-kMaxPeerWindow), send_.end());
  };
  const auto sending_fits = [&](SerialNumber number) {
    return within(number, receive_.next().Plus(-kMaxPeerWindow), receive_.edge().Plus(kMaxPeerWindow));
  };
  if (const auto* data = std::get_if<DataSegment>(&segment)) return sending_fits(data->number) && sending_fits(data->sending_next);
  if (const auto* ack = std::get_if<AckSegment>(&segment)) return receiving_fits(ack->receiving_next);
  const auto& command = std::get<CommandSegment>(segment);
  return receiving_fits(command.receiving_next) && sending_fits(command.sending_next);
}

void Connection::OnData(TimePoint now, const DataSegment& data) {
  ++stats_.rx_segments;
  OnPeerSendingNext(data.sending_next);
  // Our kind begins its clock at a random epoch, v2ray at 0.
  if (data.timestamp < AddressValidation::kMinEpoch) acks_.SetPeerTicks();
  if (!MayDeliver(state_)) return;
  const ReceiveWindow::Arrival arrival = receive_.Insert(data.number, data.payload);
  switch (arrival) {
    case ReceiveWindow::Arrival::kBeyondWindow:
      ++stats_.out_of_window_segments;
      acks_.OnUseless(now);
      return;
    case ReceiveWindow::Arrival::kBelowWindow:
      ++stats_.duplicate_segments;
      acks_.OnUseless(now);  // K19
      return;
    case ReceiveWindow::Arrival::kDuplicate:
      ++stats_.duplicate_segments;
      acks_.OnDuplicate(now, data.number, data.timestamp);
      return;
    case ReceiveWindow::Arrival::kOutOfOrder:
    case ReceiveWindow::Arrival::kInOrder:
      break;
  }
  // A hole, new or just filled, is what the sender's loss detection waits for.
  acks_.OnData(now, data.number, data.timestamp, arrival == ReceiveWindow::Arrival::kOutOfOrder);
  if (arrival == ReceiveWindow::Arrival::kOutOfOrder) GrowReceiveWindowForHole(now);
  if (arrival == ReceiveWindow::Arrival::kInOrder) {
    wants_hand_over_ = true;
    GrowReceiveWindow(now);
    if (receive_.has_unread()) SignalReadable();
  }
}

void Connection::GrowReceiveWindow(TimePoint now) {
  if (!rtt_.has_sample() || now - window_round_started_at_ < rtt_.smoothed_rtt()) return;
  // Most of a window consumed within a round trip: the window, not the reader, is what holds the peer back.
  const uint32_t consumed = receive_.next().DistanceFrom(window_round_began_with_);
  if (4 * uint64_t{consumed} >= 3 * uint64_t{receive_.window_segments()}) receive_.Grow();
  window_round_started_at_ = now;
  window_round_began_with_ = receive_.next();
}

void Connection::GrowReceiveWindowForHole(TimePoint now) {
  // What is lost several times over takes as many round trips to come; meanwhile the others need somewhere to go. Bounded, as a
  // peer can make holes without sending anything that we could deliver.
  if (!validated() || 2 * receive_.beyond_hole_segments() < receive_.window_segments() ||
      receive_.window_segments() >= kMaxWindowForHoles || now - window_grown_for_hole_at_ < rtt_.smoothed_rtt()) {
    return;
  }
  window_grown_for_hole_at_ = now;
  receive_.Grow();
}

void Connection::OnPeerSendingNext(SerialNumber sending_next) {
  // Beyond what it may have sent: a lie that would silence our acks.
  if (!sending_next.IsAfter(receive_.edge())) acks_.OnPeerProgress(sending_next);
}

void Connection::OnAck(TimePoint now, const AckSegment& ack) {
  // T08: never beyond what any window of ours could need.
  if (ack.receiving_window.DistanceFrom(send_.first_unacked()) <= kMaxPeerWindow + kMaxPeerWindow / 2) {
    const SerialNumber edge = SerialNumber::Later(peer_edge_, ack.receiving_window);
    // An answer while its window is closed: the reader is slow, the path is not down.
    if (held_back_by_ == SendLimit::kPeerWindow) timeouts_in_a_row_ = 0;
    if (edge != peer_edge_) timers_.window_probe_at = kInfiniteFuture;
    peer_edge_ = edge;
  }
  if (!MaySendData(state_)) return;
  // Only who received a segment of ours knows where our clock began. Until a peer shows that, what it acknowledges is not
  // believed: it would stop repeating the ack whose echo proves it.
  if (!validated()) {
    if (ack.timestamp == 0 || send_.latest_order() == 0 || ack.timestamp - epoch_ > WireClock(now) - epoch_) return;
    Validate(now);
  }
  const uint64_t prior_in_flight = send_.bytes_in_flight();
  AckOutcome outcome;
  const size_t count = ack.count();
  for (size_t i = 0; i < count; ++i) send_.Acknowledge(ack.number(i), now, ack.timestamp, rtt_.min_rtt(), outcome);
  send_.AcknowledgeBelow(ack.receiving_next, outcome);
  if (outcome.segments > 0) ApplyAckOutcome(now, outcome, prior_in_flight);
  CheckProgress(now);
}

void Connection::ApplyAckOutcome(TimePoint now, const AckOutcome& outcome, uint64_t prior_in_flight) {
  timeouts_in_a_row_ = 0;
  stats_.acknowledged_bytes += outcome.payload_bytes;
  stats_.spurious_retransmits += outcome.spurious;
  // Reordering shows as spurious loss: be more patient (RFC 8985 section 6.2 step 4).
  if (outcome.spurious > 0) reordering_steps_ = std::min(reordering_steps_ + 1, kMaxReorderingSteps);
  stats_.lost_segments += outcome.saved_by_copy;
  if (outcome.has_rtt_sample) {
    rtt_.AddSample(now, outcome.rtt_sample);
    if (now - path_noted_at_ >= kPathNoteGap) NotePath(now);
  }

  DetectLosses(now);
  congestion::AckInfo info;
  info.acked_bytes = outcome.flight_bytes;
  info.lost_bytes = std::exchange(unreported_lost_bytes_, 0);
  info.largest_lost_order = largest_lost_order_;
  info.prior_bytes_in_flight = prior_in_flight;
  info.bytes_in_flight = send_.bytes_in_flight();
  info.has_rtt_sample = outcome.has_rtt_sample;
  info.rtt_sample = outcome.rtt_sample;
  info.smoothed_rtt = rtt_.smoothed_rtt();
  if (outcome.has_delivery) {
    // What was declared lost but arrived was delivered as well.
    const uint64_t delivered = outcome.payload_bytes + uint64_t{outcome.segments} * DatagramOverhead();
    info.rate = delivery_.OnAck(now, delivered, outcome.delivery, outcome.delivery_sent_at, rtt_.min_rtt());
  }
  info.delivered_bytes = delivery_.delivered_bytes();
  controller_->OnAck(now, info);
  pacer_.SetRate(controller_->pacing_bytes_per_second(), context_.config.mtu_bytes());
  SignalWritable();
}

Duration Connection::ReorderingWindow() const {
  const Duration base = rtt_.min_rtt() / 4 * reordering_steps_;
  return std::clamp(base, Duration(std::chrono::milliseconds(1)),
                    std::max(rtt_.smoothed_rtt(), Duration(std::chrono::milliseconds(1))));
}

void Connection::DetectLosses(TimePoint now) {
  const SendWindow::LossOutcome losses =
      send_.DetectLosses(now, std::max(rtt_.smoothed_rtt(), rtt_.latest_rtt()), ReorderingWindow());
  timers_.loss_at = losses.retry_at;
  CountLosses(losses);
}

void Connection::CountLosses(const SendWindow::LossOutcome& losses) {
  stats_.lost_segments += losses.segments;
  // Most losses are found by the timer, between two acks: the controller hears of them with the next one.
  unreported_lost_bytes_ += losses.flight_bytes;
  largest_lost_order_ = std::max(largest_lost_order_, losses.largest_order);
}

void Connection::Validate(TimePoint) {
  validation_.SetValidated();
  receive_.AllowFullWindow();
  timers_.validation_probe_at = kInfiniteFuture;
  if (write_fell_short_) SignalWritable();
}

void Connection::CheckProgress(TimePoint now) {
  if (send_.first_unacked() != told_sending_next_ && timers_.progress_ping_at == kInfiniteFuture) {
    timers_.progress_ping_at = now + kProgressPingDelay;
  }
  if (state_ == State::kReadyToClose && send_.empty()) Apply(now, Trigger::kQueueDrained, CloseReason::kLocal);
}

void Connection::OnCommand(TimePoint now, const CommandSegment& command) {
  OnPeerSendingNext(command.sending_next);
  if (!command.is_terminate()) {
    wants_hand_over_ = true;
    rtt_.AdoptPeerRto(now, std::chrono::milliseconds(std::min<uint32_t>(command.peer_rto, 60000)));
    OnReceivingNext(now, command.receiving_next);
    return;
  }
  if (!has_peer_end_) {
    has_peer_end_ = true;
    peer_end_ = command.sending_next;
  }
  // Answered always: a v2ray peer is then done at once instead of after 8 s (section 12.4).
  answer_terminate_ = state_ != State::kTerminating || terminates_sent_ == 0;
  Apply(now, Trigger::kPeerTerminate, CloseReason::kPeer);
  if (state_ != State::kPeerTerminating || detached_) return;
  if (!HasWholeStream()) {
    // The peer gave up with data on its way: an error for the application, never a clean end.
    Detach(CloseReason::kUnacknowledged);
    Apply(now, Trigger::kLocalClose, CloseReason::kUnacknowledged);
    return;
  }
  SignalReadable();
}

void Connection::OnReceivingNext(TimePoint now, SerialNumber receiving_next) {
  if (!MaySendData(state_) || !validated()) return;
  const uint64_t prior_in_flight = send_.bytes_in_flight();
  AckOutcome outcome;
  send_.AcknowledgeBelow(receiving_next, outcome);
  if (outcome.segments > 0) ApplyAckOutcome(now, outcome, prior_in_flight);
  CheckProgress(now);
}

void Connection::Apply(TimePoint now, Trigger trigger, CloseReason reason) {
  const State next = NextState(state_, trigger);
  if (next == state_) return;
  // The peer ended while we still had data for it: that data is lost, whatever the close was meant to be.
  const bool peer_ended = trigger == Trigger::kPeerClose || trigger == Trigger::kPeerTerminate;
  if (state_ == State::kReadyToClose && peer_ended && !send_.empty()) close_reason_ = CloseReason::kUnacknowledged;
  state_ = next;
  state_entered_at_ = now;
  if (close_reason_ == CloseReason::kNone || trigger == Trigger::kLimitReached) close_reason_ = reason;
  if (!MaySendData(state_)) {
    send_.Clear();
    timers_.loss_at = timers_.window_probe_at = timers_.validation_probe_at = timers_.progress_ping_at = kInfiniteFuture;
    timers_.paced_at = timers_.copy_at = kInfiniteFuture;
    forced_segments_ = 0;
  }
  if (!MayDeliver(state_)) {
    receive_.Clear();
    timers_.read_at = kInfiniteFuture;
  }
  if (state_ == State::kTerminating || state_ == State::kTerminated) {
    timers_.terminate_at = state_ == State::kTerminating ? now : kInfiniteFuture;
    timers_.opening_ping_at = kInfiniteFuture;
    acks_.Clear();
    Detach(close_reason_);
  }
}

}  // namespace culvert::kcp
