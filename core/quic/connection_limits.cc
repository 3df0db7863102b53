// What limits a connection and its streams, accounted once an iteration: everything that came in, was written or timed out ends in a
// Flush, and its end settles what is to be waited for next. Streams whose state may have changed meanwhile stand in a list, so that
// those that merely go on waiting cost nothing.
#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/quic/connection.h"

namespace culvert::quic {
namespace {

constexpr uint32_t kTimeoutsOfAnOutage = 3;
constexpr size_t kMostCheckedStreams = 16;

}  // namespace

SendLimit Connection::FindLimit(TimePoint now) const {
  if (is_over()) return SendLimit::kApplication;
  // Our own probes postpone the timeouts that would tell of an outage which goes on.
  const uint32_t timeouts = congestion_->pto_count();
  if (timeouts >= kTimeoutsOfAnOutage || (timeouts > 0 && stall_probes_ > 0)) return SendLimit::kPathDown;
  const bool is_blocked = IsConnectionBlocked();
  // Flow control is about new bytes of streams: neither datagrams nor what is sent again wait for it.
  const bool may_go = (!send_queue_.empty() && !is_blocked) || !datagram_streams_.empty() || congestion_->has_lost_data();
  // With window and pacer open it is the handshake or an unproved address that ngtcp2 waits for.
  if (may_go && (pacer_.MaySend(now) || ngtcp2_conn_get_cwnd_left(conn_) == 0)) return SendLimit::kCongestion;
  if (may_go) return SendLimit::kPacing;
  if (is_blocked || blocked_streams_ > 0) return SendLimit::kPeerWindow;
  return full_streams_ > 0 ? SendLimit::kBuffer : SendLimit::kApplication;
}

// What was lost of a stream and waits to be sent again is known to ngtcp2 alone, and counted for the connection only.
StreamLimitClock::Hold Connection::HoldOf(const Stream& stream) const {
  StreamLimitClock::Hold hold;
  if (stream.is_over || stream.is_reset || stream.is_refused) return hold;
  hold.is_in_flight = !stream.sending.empty();
  if (stream.is_blocked) {
    hold.own = SendLimit::kPeerWindow;
  } else if (stream.is_queued || !stream.datagrams.empty()) {
    hold.own.reset();
  } else if (stream.wants_room && !stream.fin_wanted && !stream.is_released) {
    hold.own = SendLimit::kBuffer;
  }
  return hold;
}

void Connection::Touch(Stream& stream) {
  if (!std::exchange(stream.is_touched, true)) touched_streams_.push_back(&stream);
}

void Connection::AccountLimits(TimePoint now) {
  for (Stream* stream : touched_streams_) {
    stream->is_touched = false;
    Enter(*stream, HoldOf(*stream), now);
  }
  touched_streams_.clear();
  CULVERT_DCHECK(HasTouchedAll());
  limits_.Enter(FindLimit(now), now);
}

bool Connection::HasTouchedAll() const {
  if (streams_.size() > kMostCheckedStreams) return true;
  return std::ranges::all_of(streams_, [this](const auto& each) { return each.second->limits.hold() == HoldOf(*each.second); });
}

void Connection::Enter(Stream& stream, const StreamLimitClock::Hold& hold, TimePoint now) {
  if (stream.limits.hold().own == SendLimit::kBuffer) {
    CULVERT_DCHECK(full_streams_ > 0);
    --full_streams_;
  }
  if (hold.own == SendLimit::kBuffer) ++full_streams_;
  stream.limits.Enter(hold, limits_, now);
}

// It is over, or begins anew: until something is written to it again, it has nothing to send.
void Connection::EndAccounting(Stream& stream) {
  if (std::exchange(stream.is_touched, false)) std::erase(touched_streams_, &stream);
  Enter(stream, {}, now_);
}

}  // namespace culvert::quic
