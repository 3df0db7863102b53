// The application's side of a connection: its streams; and what keeps it alive.
#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/quic/connection.h"
#include "core/quic/ngtcp2_time.h"

#include <ngtcp2/ngtcp2_crypto.h>

namespace culvert::quic {
namespace {

// What is taken from the application before it is sent: enough for the pacer's steps at several Gbit/s, and little enough that
// TCP behind it feels the path. With many streams each gets less.
constexpr size_t kUnsentLimit = 512 << 10;
constexpr uint64_t kUnsentOfConnection = 8 << 20;
constexpr size_t kSmallUnsentLimit = 32 << 10;
// Sent and not acknowledged, besides: no peer's window makes us keep more, of one stream and of all together.
constexpr size_t kMaxHeldBytes = 32 << 20;
constexpr uint64_t kMaxHeldOfConnection = 64 << 20;
// After we have ended a stream in both directions the peer may still finish in order; then it is asked to stop (quirks Q8).
constexpr Duration kStopGrace = std::chrono::seconds(2);
constexpr Duration kStallProbeInterval = std::chrono::seconds(1);
constexpr uint32_t kTimeoutsOfAStall = 2;
// A peer from which so many datagrams came on end was sending; when it falls silent it may be that our address has changed under way,
// which it can only learn from us.
constexpr uint32_t kStreamOfDatagrams = 8;
constexpr Duration kLeastQuiet = std::chrono::milliseconds(100);
constexpr uint64_t kAbortError = 1;

}  // namespace

// ---- Streams: what ngtcp2 tells ----------------------------------------------------------------------------------------

void Connection::OnStreamOpened(int64_t id) {
  // Before the handshake is done only 0-RTT data opens streams.
  if (!std::exchange(is_announced_, true)) host_.Emit({Event::Kind::kSessionOpened, {}, {}, handle_});
  Stream& stream = host_.AddStream(*this, StreamLimitClock(limits_, now_));
  stream.id = id;
  streams_[id] = &stream;
  ++counters_.opened_streams;
  ngtcp2_conn_set_stream_user_data(conn_, id, &stream);
  host_.Emit({Event::Kind::kOpened, stream.handle, {}, handle_});
  UpdateKeepAlive();
}

void Connection::OnStreamData(Stream& stream, bool fin, ByteView bytes) {
  counters_.rx_bytes += bytes.size();
  ++counters_.rx_segments;
  if (stream.is_released || stream.is_reset) {
    // Nobody reads it any more.
    static_cast<void>(ngtcp2_conn_extend_max_stream_offset(conn_, stream.id, bytes.size()));
    ngtcp2_conn_extend_max_offset(conn_, bytes.size());
  } else {
    stream.receiving.Append(bytes);
  }
  if (fin) {
    stream.fin_received = true;
    TellIfRefused(stream);
  }
  if (stream.is_released || stream.is_reset) return;
  if (!std::exchange(stream.is_readable_told, true)) host_.Emit({Event::Kind::kReadable, stream.handle, {}, handle_});
}

void Connection::OnStreamAcked(Stream& stream, uint64_t until) {
  const uint64_t acknowledged = until - std::min(until, stream.sending.begin());
  counters_.acknowledged_bytes += acknowledged;
  held_bytes_ -= acknowledged;
  stream.sending.TakeUntil(until);
  if (stream.sending.empty()) Touch(stream);
  if (holds_all_it_may_ && held_bytes_ < kMaxHeldOfConnection / 2) return TellAllRoom();
  TellRoom(stream);
}

void Connection::OnStreamReset(Stream& stream) {
  // It came whole, or nobody reads it any more: then it may be the answer to our STOP_SENDING, and what we send goes on.
  if (stream.fin_received || stream.is_released) return;
  stream.is_reset = true;
  Touch(stream);
  resets_.push_back(stream.id);
}

void Connection::HandleStops() {
  for (const int64_t id : stopped_by_peer_) {
    const auto found = streams_.find(id);
    if (found != streams_.end() && culvert_quic_is_stop_sending_received(conn_, id)) OnStopSending(*found->second);
  }
}

// ngtcp2 has answered with RESET_STREAM. What the peer sends is as good as before, so nothing is written any more, and once all of that was
// read the stream is over for who has something to write.
void Connection::OnStopSending(Stream& stream) {
  if (stream.is_reset || std::exchange(stream.is_refused, true)) return;
  unsent_bytes_ -= stream.unsent();
  stream.sent = stream.sending.end();
  if (std::exchange(stream.is_blocked, false)) --blocked_streams_;
  Touch(stream);
  TellIfRefused(stream);
}

void Connection::TellIfRefused(Stream& stream) {
  const bool is_at_end = stream.fin_received && stream.receiving.empty();
  if (stream.is_refused && stream.wants_room && is_at_end && !stream.is_released) TellClosed(stream, CloseReason::kPeer);
}

void Connection::HandleResets() {
  while (!resets_.empty()) {
    const auto found = streams_.find(resets_.back());
    resets_.pop_back();
    if (found == streams_.end()) continue;
    Stream& stream = *found->second;
    static_cast<void>(ngtcp2_conn_shutdown_stream(conn_, 0, stream.id, kAbortError));
    stopped_.push_back(stream.id);
    if (stream.is_released) continue;
    Release(stream);
    TellClosed(stream, CloseReason::kPeer);
  }
}

void Connection::OnStreamOver(Stream& stream) {
  streams_.erase(stream.id);
  stream.is_over = true;
  if (stream.is_blocked) --blocked_streams_;
  if (stream.is_queued) std::erase(send_queue_, &stream);
  stream.is_queued = stream.is_blocked = false;
  unsent_bytes_ -= stream.unsent();
  held_bytes_ -= stream.sending.size();
  stream.sent = stream.sending.end();
  stream.sending.Clear();
  EndAccounting(stream);
  last_stream_over_at_ = now_;
  if (!stream.opened_here) ngtcp2_conn_extend_max_streams_bidi(conn_, 1);
  if (stream.is_reset && !stream.is_released) {
    Release(stream);
    TellClosed(stream, CloseReason::kPeer);
  }
  if (stream.is_released) {
    TellClosed(stream, stream.is_reset ? CloseReason::kAborted : CloseReason::kLocal);
    host_.EraseStream(stream);
  } else {
    finished_[stream.id] = &stream;  // what came is still to be read
  }
  UpdateKeepAlive();
  if (is_draining_in_order()) MarkReady();
}

void Connection::OnStreamRoom(Stream& stream) {
  if (!std::exchange(stream.is_blocked, false)) return;
  --blocked_streams_;
  Touch(stream);
  if (stream.has_output()) Queue(stream);
}

void Connection::OnEarlyDataRejected() { early_data_rejected_ = true; }

// The server took nothing of what was sent early: it is sent again, on streams that are opened anew (RFC 9001 section 4.6.2).
void Connection::ReopenStreams() {
  early_data_rejected_ = false;
  std::map<int64_t, Stream*> before;
  before.swap(streams_);
  send_queue_.clear();
  blocked_streams_ = 0;
  for (const auto& [old_id, stream] : before) {
    stream->is_queued = stream->is_blocked = false;
    EndAccounting(*stream);
    if (stream->is_reset) {
      // Aborted meanwhile; the server never heard of it.
      stream->is_over = true;
      held_bytes_ -= stream->sending.size();
      TellClosed(*stream, CloseReason::kAborted);
      host_.EraseStream(*stream);
      continue;
    }
    unsent_bytes_ += stream->sent - stream->sending.begin();
    stream->sent = stream->sending.begin();
    stream->fin_sent = false;
    stream->must_announce = true;
    if (ngtcp2_conn_open_bidi_stream(conn_, &stream->id, stream) == 0) {
      streams_[stream->id] = stream;
      Queue(*stream);
      continue;
    }
    // It allows fewer streams than it did.
    stream->is_over = true;
    unsent_bytes_ -= stream->unsent();
    held_bytes_ -= stream->sending.size();
    TellClosed(*stream, CloseReason::kRefused);
    host_.EraseStream(*stream);
  }
}

void Connection::EndStreams(CloseReason reason) {
  std::map<int64_t, Stream*> ending;
  ending.swap(streams_);
  send_queue_.clear();
  datagram_streams_.clear();
  blocked_streams_ = 0;
  unsent_bytes_ = held_bytes_ = 0;
  // What came whole can still be read. Such a stream is told closed when it was, like those that were over before.
  for (const auto& [id, stream] : finished_) {
    stream->close_reason = reason;
    if (stream->receiving.empty()) TellClosed(*stream, reason);
  }
  for (const auto& [id, stream] : ending) {
    stream->is_over = true;
    stream->is_queued = stream->is_blocked = false;
    EndAccounting(*stream);
    stream->sending.Clear();
    stream->datagrams.Clear();
    if (stream->fin_received && !stream->receiving.empty() && !stream->is_released && !stream->is_reset) {
      stream->close_reason = reason;
      finished_[id] = stream;
      continue;
    }
    stream->connection = nullptr;
    TellClosed(*stream, reason);
    host_.EraseStream(*stream);
  }
}

// ---- Streams: what the application asks for ----------------------------------------------------------------------------

Stream* Connection::OpenStream(TimePoint now) {
  now_ = now;
  const bool may = state_ == State::kEstablished || (state_ == State::kHandshaking && handshake_.offers_early_data());
  if (!may || closes_when_idle_) return nullptr;
  Stream& stream = host_.AddStream(*this, StreamLimitClock(limits_, now));
  if (ngtcp2_conn_open_bidi_stream(conn_, &stream.id, &stream) != 0) {
    wants_streams_ = has_no_streams_left_ = true;
    host_.EraseStream(stream);
    UpdateKeepAlive();
    return nullptr;
  }
  stream.opened_here = true;
  stream.must_announce = true;
  streams_[stream.id] = &stream;
  ++counters_.opened_streams;
  NoteWhetherStreamsAreLeft();
  Queue(stream);
  UpdateKeepAlive();
  MarkReady();
  return &stream;
}

void Connection::NoteWhetherStreamsAreLeft() {
  if (ngtcp2_conn_get_streams_bidi_left(conn_) == 0) has_no_streams_left_ = true;
}

uint32_t Connection::AvailableStreams() const {
  const bool may = state_ == State::kEstablished || (state_ == State::kHandshaking && handshake_.offers_early_data());
  if (!may || closes_when_idle_) return 0;
  return static_cast<uint32_t>(std::min<uint64_t>(ngtcp2_conn_get_streams_bidi_left(conn_), UINT32_MAX));
}

size_t Connection::UnsentLimit() const { return unsent_bytes_ < kUnsentOfConnection ? kUnsentLimit : kSmallUnsentLimit; }

size_t Connection::WritableBytes(const Stream& stream) const {
  if (is_over() || stream.is_over || stream.is_reset || stream.is_refused || stream.fin_wanted) return 0;
  if (held_bytes_ >= kMaxHeldOfConnection) return 0;
  const size_t limit = UnsentLimit();
  const uint64_t unsent = stream.unsent();
  if (unsent >= limit || stream.sending.size() >= kMaxHeldBytes) return 0;
  return limit - static_cast<size_t>(unsent);
}

size_t Connection::Write(Stream& stream, ByteView bytes) {
  const size_t taken = std::min(bytes.size(), WritableBytes(stream));
  if (taken < bytes.size()) {
    stream.wants_room = true;
    Touch(stream);
  }
  if (held_bytes_ >= kMaxHeldOfConnection) holds_all_it_may_ = true;
  if (taken == 0) {
    TellIfRefused(stream);
    return 0;
  }
  counters_.tx_bytes += taken;
  stream.sending.Append(bytes.first(taken));
  unsent_bytes_ += taken;
  held_bytes_ += taken;
  Queue(stream);
  MarkReady();
  return taken;
}

void Connection::TellRoom(Stream& stream) {
  if (!stream.wants_room || stream.is_released || WritableBytes(stream) < UnsentLimit() / 2) return;
  stream.wants_room = false;
  Touch(stream);
  host_.Emit({Event::Kind::kWritable, stream.handle, {}, handle_});
}

void Connection::TellAllRoom() {
  holds_all_it_may_ = false;
  for (const auto& [id, stream] : streams_) TellRoom(*stream);
}

void Connection::Consume(Stream& stream, size_t size) {
  stream.receiving.TakeUntil(stream.receiving.begin() + size);
  if (is_over()) {
    if (stream.receiving.empty() && !stream.is_released) TellClosed(stream, stream.close_reason);
    return;
  }
  TellIfRefused(stream);
  if (size == 0) return;
  if (!stream.is_over) static_cast<void>(ngtcp2_conn_extend_max_stream_offset(conn_, stream.id, size));
  ngtcp2_conn_extend_max_offset(conn_, size);
  MarkReady();
}

void Connection::FinishWriting(Stream& stream) {
  if (std::exchange(stream.fin_wanted, true) || stream.is_over) return;
  Touch(stream);
  Queue(stream);
  MarkReady();
}

void Connection::CloseStream(TimePoint now, Stream& stream) {
  now_ = now;
  FinishWriting(stream);
  Release(stream);
  if (stream.is_over) return Forget(stream);
  if (!stream.fin_received) graces_.emplace_back(now + kStopGrace, stream.id);
}

void Connection::AbortStream(Stream& stream, CloseReason /*reason*/) {
  stream.is_reset = true;
  Release(stream);
  if (stream.is_over) return Forget(stream);
  unsent_bytes_ -= stream.unsent();
  stream.sent = stream.sending.end();
  if (std::exchange(stream.is_blocked, false)) --blocked_streams_;
  Touch(stream);
  static_cast<void>(ngtcp2_conn_shutdown_stream(conn_, 0, stream.id, kAbortError));
  stopped_.push_back(stream.id);
  MarkReady();
}

void Connection::EndStoppedStreams() {
  if (stopped_.empty()) return;
  for (size_t i = 0; i < stopped_.size(); ++i) culvert_quic_end_stopped_stream(conn_, stopped_[i]);
  std::erase_if(stopped_, [this](int64_t id) { return !streams_.contains(id); });
}

void Connection::TellClosed(Stream& stream, CloseReason reason) {
  if (std::exchange(stream.is_closed_told, true)) return;
  const bool is_complete = stream.fin_received && stream.receiving.empty() && !stream.is_reset;
  host_.Emit({Event::Kind::kClosed, stream.handle, reason, handle_, is_complete});
}

void Connection::LetGo(Stream& stream) {
  if (stream.is_released) return;  // it goes when ngtcp2 has ended it
  Release(stream);
  if (stream.is_over) Forget(stream);
}

void Connection::Forget(Stream& stream) {
  TellClosed(stream, stream.is_reset ? CloseReason::kAborted : CloseReason::kLocal);
  finished_.erase(stream.id);
  host_.EraseStream(stream);
}

// What was received and not consumed reaches nobody; its window goes back to the peer.
void Connection::Release(Stream& stream) {
  stream.is_released = true;
  if (const size_t unread = stream.receiving.size(); unread > 0) Consume(stream, unread);
}

// ---- Keeping alive --------------------------------------------------------------------------------------------

void Connection::SetKeepAlive(bool keep) {
  keeps_alive_ = keep;
  UpdateKeepAlive();
  MarkReady();
}

void Connection::UpdateKeepAlive() {
  if (state_ != State::kEstablished) return;
  Duration wanted{};
  // Who waits for a stream to become free must stay within reach of whoever frees it.
  if (!streams_.empty() || keeps_alive_ || wants_streams_) wanted = host_.config().keepalive_interval();
  if (!streams_.empty() && quiet_time_ > Duration::zero()) wanted = std::min(wanted, quiet_time_);
  if (wanted == keep_alive_) return;
  keep_alive_ = wanted;
  culvert_quic_set_keep_alive(conn_, wanted == Duration::zero() ? UINT64_MAX : static_cast<uint64_t>(wanted.count()));
}

Duration Connection::QuietTime() const {
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info(conn_, &info);
  // In steps, so that a round trip that changes a little changes nothing here.
  const Duration quiet = std::max(kLeastQuiet, Duration(static_cast<int64_t>(3 * info.smoothed_rtt)));
  return kLeastQuiet * ((quiet + kLeastQuiet - Duration(1)) / kLeastQuiet);
}

void Connection::OnHeard() {
  if (++datagrams_on_end_ != kStreamOfDatagrams) return;
  quiet_time_ = QuietTime();
  UpdateKeepAlive();
}

void Connection::OnQuiet(TimePoint now) {
  // Probe timeouts double; so that a path that comes back is noticed soon, it is asked every second (reliability.md F5).
  if (congestion_->pto_count() < kTimeoutsOfAStall || streams_.empty()) {
    stall_probe_at_ = kInfiniteFuture;
    stall_probes_ = 0;
  } else if (stall_probe_at_ == kInfiniteFuture) {
    stall_probe_at_ = now + kStallProbeInterval;
  } else if (now >= stall_probe_at_) {
    // Each moves the next probe timeout further away, so timeouts alone no longer tell how long it has lasted.
    ++stall_probes_;
    UpdateMtu(now);
    congestion_->Probe();
    stall_probe_at_ = now + kStallProbeInterval;
  }
  // Asked ever more rarely, so that what is found out late is late by as much as the silence has lasted, and long silence costs nothing.
  if (quiet_time_ > Duration::zero() && now - heard_at_ >= quiet_time_) {
    datagrams_on_end_ = 0;
    congestion_->Probe();
    quiet_time_ *= 2;
    if (quiet_time_ >= host_.config().keepalive_interval()) quiet_time_ = Duration::zero();
  }
  UpdateKeepAlive();
}

}  // namespace culvert::quic
