#include "tests/sim/reference/peer.h"

#include <algorithm>
#include <utility>

namespace culvert::reference {
namespace {

constexpr uint64_t kPingPeriod = 5000;

}  // namespace

Peer::Peer(const Settings& settings, uint16_t conversation, uint64_t now, Output output)
    : settings_(settings),
      conversation_(conversation),
      created_(now),
      output_(std::move(output)),
      sender_(settings),
      receiver_(settings.window()),
      round_trip_(settings.tti),
      ping_tick_(now + kPingPeriod) {}

void Peer::Send(Segment segment) {
  segment.conversation = conversation_;
  output_(Serialize(segment));
}

void Peer::SetState(State state, uint64_t now) {
  if (state_ == State::kTerminated) return;
  state_ = state;
  state_began_ = Elapsed(now);
  if (state == State::kPeerClosed || state == State::kTerminating || state == State::kPeerTerminating ||
      state == State::kTerminated) {
    sender_.Clear();
  }
  if (state == State::kTerminated) {
    data_tick_.reset();
    data_woken_ = false;
    ping_tick_.reset();
  }
}

void Peer::OnPeerClosed(uint64_t now) {
  if (state_ == State::kActive) SetState(State::kPeerClosed, now);
  if (state_ == State::kReadyToClose) SetState(State::kTerminating, now);
}

void Peer::OnTerminate(uint64_t now) {
  switch (state_) {
    case State::kActive:
    case State::kPeerClosed:
      return SetState(State::kPeerTerminating, now);
    case State::kReadyToClose:
      return SetState(State::kTerminating, now);
    case State::kTerminating:
      return SetState(State::kTerminated, now);
    default:
      return;
  }
}

void Peer::Input(const std::vector<Segment>& segments, uint64_t now) {
  last_received_ = Elapsed(now);
  for (const Segment& segment : segments) {
    if (segment.conversation != conversation_ || state_ == State::kTerminated) return;
    if (segment.closes()) OnPeerClosed(now);
    if (segment.command == kData) {
      (void)receiver_.ProcessData(segment);
      WakeData(now);
    } else if (segment.command == kAck) {
      sender_.ProcessAck(segment, Elapsed(now), round_trip_);
      WakeData(now);
    } else {
      if (segment.command == kTerminate) OnTerminate(now);
      receiver_.ProcessSendingNext(segment.sending_next);
      sender_.ClearBelow(segment.receiving_next);
      round_trip_.AdoptPeer(segment.peer_rto, Elapsed(now));
    }
  }
}

size_t Peer::Write(const Bytes& bytes, size_t from, uint64_t now) {
  size_t taken = 0;
  while (from + taken < bytes.size() && state_ == State::kActive) {
    const size_t size = std::min<size_t>(settings_.mss(), bytes.size() - from - taken);
    const auto begin = bytes.begin() + static_cast<ptrdiff_t>(from + taken);
    if (!sender_.Push(Bytes(begin, begin + static_cast<ptrdiff_t>(size)))) break;
    taken += size;
  }
  if (taken > 0) WakeData(now);
  return taken;
}

Bytes Peer::Read(uint64_t now) {
  if (state_ == State::kReadyToClose || state_ == State::kTerminating || state_ == State::kTerminated) return {};
  Bytes bytes = receiver_.Read();
  if (!bytes.empty()) WakeData(now);
  return bytes;
}

bool Peer::AtEnd() const {
  return state_ == State::kReadyToClose || state_ == State::kTerminating || state_ == State::kTerminated ||
         (state_ == State::kPeerTerminating && !receiver_.readable());
}

void Peer::Close(uint64_t now) {
  if (state_ == State::kActive) SetState(State::kReadyToClose, now);
  else if (state_ == State::kPeerClosed) SetState(State::kTerminating, now);
  else if (state_ == State::kPeerTerminating) SetState(State::kTerminated, now);
}

bool Peer::DataLoopGoesOn() const {
  return state_ != State::kTerminating && state_ != State::kTerminated && (!sender_.empty() || receiver_.has_acks());
}

void Peer::WakeData(uint64_t) {
  if (data_tick_ || state_ == State::kTerminating || state_ == State::kTerminated) return;
  data_woken_ = true;
}

std::optional<uint64_t> Peer::NextTick() const {
  if (data_woken_) return 0;
  if (!data_tick_) return ping_tick_;
  return ping_tick_ ? std::min(*data_tick_, *ping_tick_) : *data_tick_;
}

void Peer::OnTime(uint64_t now) {
  if (data_woken_) {
    // The first turn comes at once; the grid begins here (section 7).
    data_woken_ = false;
    if (DataLoopGoesOn()) {
      data_tick_ = now + settings_.tti;
      Flush(now);
    }
  }
  while (data_tick_ && *data_tick_ <= now) {
    if (DataLoopGoesOn()) {
      *data_tick_ += settings_.tti;
      Flush(now);
    } else {
      data_tick_.reset();
    }
  }
  while (ping_tick_ && *ping_tick_ <= now) {
    *ping_tick_ += kPingPeriod;
    Flush(now);
  }
}

void Peer::SendCommand(uint8_t command, uint64_t now) {
  Segment segment;
  segment.command = command;
  segment.option = command == kPing ? OptionByte() : 0;
  segment.sending_next = sender_.first_unacked();
  segment.receiving_next = receiver_.next();
  segment.peer_rto = round_trip_.rto();
  Send(segment);
  last_ping_ = Elapsed(now);
}

// Section 12.3, line by line.
void Peer::Flush(uint64_t now) {
  const uint32_t current = Elapsed(now);
  if (state_ == State::kTerminated) return;
  if (state_ == State::kActive && current - last_received_ >= 30000) Close(now);
  if (state_ == State::kReadyToClose && sender_.empty()) SetState(State::kTerminating, now);
  if (state_ == State::kTerminating) {
    SendCommand(kTerminate, now);
    if (current - state_began_ > 8000) SetState(State::kTerminated, now);
    return;
  }
  if (state_ == State::kPeerTerminating && current - state_began_ > 4000) SetState(State::kTerminating, now);
  if (state_ == State::kReadyToClose && current - state_began_ > 15000) SetState(State::kTerminating, now);
  const auto send = [this](Segment segment) {
    segment.option = OptionByte();
    Send(std::move(segment));
  };
  receiver_.Flush(current, round_trip_.rto(), send);
  const bool progress = sender_.Flush(current, round_trip_.rto(), send);
  if (progress || current - last_ping_ >= 3000) SendCommand(kPing, now);
}

}  // namespace culvert::reference
