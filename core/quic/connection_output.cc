// Output: packets from what the streams hold.
//
// Flow of Flush: for each packet the pacer is asked, a slot of the sink is reserved, ngtcp2 fills it from the streams in turn
// (WritePacket), the wrapper goes around it (Send). What is not paced yet still acknowledges.
#include <algorithm>
#include <array>
#include <utility>

#include "core/base/check.h"
#include "core/quic/connection.h"
#include "core/quic/ngtcp2_time.h"

namespace culvert::quic {
namespace {

constexpr size_t kMaxViews = 4;                // a packet never needs more
constexpr size_t kMaxClosePacket = 1200;

}  // namespace

bool Connection::Flush(TimePoint now, DatagramSink& sink) {
  if (state_ == State::kClosed) return true;
  now_ = now;
  if (state_ == State::kClosing) return WriteClose(now, sink);
  const size_t payload = ngtcp2_conn_get_path_max_tx_udp_payload_size(conn_);
  // A probe for a larger path MTU may be as large as the settings allow.
  const size_t slot_size = host_.config().max_udp_payload_bytes() + host_.config().outer_overhead_bytes();
  pacer_.SetRate(congestion_->pacing_bytes_per_second(), static_cast<uint32_t>(payload));
  bool is_acknowledged = false;
  for (;;) {
    const bool may_send = pacer_.MaySend(now);
    if (!may_send && std::exchange(is_acknowledged, true)) break;
    const ByteSpan slot = sink.Reserve(peer_, slot_size);
    if (slot.empty()) return false;
    const ByteSpan inner = slot.subspan(host_.config().inner_offset_bytes(), host_.config().max_udp_payload_bytes());
    const PacketOutcome packet = may_send ? WritePacket(now, inner) : WriteAcknowledgement(now, inner);
    if (packet.size <= 0) {
      sink.Commit(0);
      if (packet.size < 0) {
        OnReadResult(now, static_cast<int>(packet.size));
        return state_ != State::kClosing;  // the close packet comes with the next call
      }
      if (may_send) is_paced_ = false;
      break;
    }
    if (may_send) pacer_.OnSent(now, static_cast<uint64_t>(packet.size));
    is_paced_ = true;
    if (!Send(now, sink, slot, packet)) return false;
  }
  UpdateFlowBlocked(now);
  AccountLimits(now);
  if (is_draining_in_order() && close_at_ == kInfiniteFuture) close_at_ = now + kLastAcknowledgement;
  return true;
}

Connection::PacketOutcome Connection::WriteAcknowledgement(TimePoint now, ByteSpan out) {
  ngtcp2_pkt_info info{};
  PacketOutcome packet;
  congestion_->HoldUntil(pacer_.NextStepAt());
  packet.size = ngtcp2_conn_write_pkt(conn_, path_.get(), &info, out.data(), out.size(), ToTimestamp(now));
  packet.ecn = static_cast<Ecn>(info.ecn & 3);
  return packet;
}

Connection::PacketOutcome Connection::WritePacket(TimePoint now, ByteSpan out) {
  PacketOutcome packet;
  ngtcp2_pkt_info info{};
  congestion_->HoldUntil(kInfiniteFuture);
  // Datagrams and streams take turns in beginning a packet; what room is left is for the others.
  const bool streams_first = std::exchange(datagrams_had_turn_, false) && !send_queue_.empty();
  if (!datagram_streams_.empty() && !streams_first) {
    datagrams_had_turn_ = true;
    packet.size = OfferDatagrams(now, out, info);
    packet.ecn = static_cast<Ecn>(info.ecn & 3);
    if (packet.size != NGTCP2_ERR_WRITE_MORE) return packet;
  }
  // Where all streams together may send no more data, those that only begin or end get their turn all the same.
  for (size_t left = send_queue_.size(); left > 0 && !send_queue_.empty(); --left) {
    Stream& stream = *send_queue_.front();
    send_queue_.pop_front();
    stream.is_queued = false;
    Touch(stream);
    if (!stream.has_output()) continue;
    if (stream.unsent() > 0 && !stream.must_announce && IsConnectionBlocked()) {
      Queue(stream);
      continue;
    }
    packet.size = OfferStream(now, stream, out, info);
    packet.ecn = static_cast<Ecn>(info.ecn & 3);
    if (packet.size == NGTCP2_ERR_STREAM_DATA_BLOCKED) {
      if (!std::exchange(stream.is_blocked, true)) ++blocked_streams_;
      continue;
    }
    if (packet.size == NGTCP2_ERR_STREAM_SHUT_WR) {
      OnStopSending(stream);
      continue;
    }
    if (packet.size == NGTCP2_ERR_STREAM_NOT_FOUND) {
      stream.is_reset = true;
      continue;
    }
    if (packet.size == 0) {
      // Congestion, or the handshake: it waits, first in line.
      if (stream.has_output()) {
        stream.is_queued = true;
        send_queue_.push_front(&stream);
      }
      return packet;
    }
    if (stream.has_output()) Queue(stream);  // behind the others
    if (packet.size != NGTCP2_ERR_WRITE_MORE) return packet;
  }
  if (streams_first && !datagram_streams_.empty()) {
    packet.size = OfferDatagrams(now, out, info);
    packet.ecn = static_cast<Ecn>(info.ecn & 3);
    if (packet.size != NGTCP2_ERR_WRITE_MORE) return packet;
  }
  packet.size = ngtcp2_conn_write_pkt(conn_, path_.get(), &info, out.data(), out.size(), ToTimestamp(now));
  packet.ecn = static_cast<Ecn>(info.ecn & 3);
  return packet;
}

ngtcp2_ssize Connection::OfferStream(TimePoint now, Stream& stream, ByteSpan out, ngtcp2_pkt_info& info) {
  std::array<ByteView, kMaxViews> views;
  std::array<ngtcp2_vec, kMaxViews> vectors;
  const size_t count = IsConnectionBlocked() ? 0 : stream.sending.Show(stream.sent, views);
  size_t offered = 0;
  for (size_t i = 0; i < count; ++i) {
    vectors[i] = {const_cast<uint8_t*>(views[i].data()), views[i].size()};
    offered += views[i].size();
  }
  const bool with_fin = stream.fin_wanted && offered == stream.unsent();
  uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_MORE;
  if (with_fin) flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
  ngtcp2_ssize taken = -1;
  const ngtcp2_ssize size =
      ngtcp2_conn_writev_stream(conn_, path_.get(), &info, out.data(), out.size(), &taken, flags, stream.id, vectors.data(),
                                count, ToTimestamp(now));
  if (taken >= 0 && (size > 0 || size == NGTCP2_ERR_WRITE_MORE)) OnStreamOffered(stream, taken, offered, with_fin);
  return size;
}

void Connection::OnStreamOffered(Stream& stream, int64_t taken, size_t offered, bool with_fin) {
  stream.must_announce = false;
  const auto bytes = static_cast<uint64_t>(taken);
  stream.sent += bytes;
  unsent_bytes_ -= bytes;
  if (with_fin && bytes == offered) stream.fin_sent = true;
  TellRoom(stream);
}

// Puts the wrapper around the packet and ends the datagram. False: it had to go elsewhere and the sink was full, so it is lost.
bool Connection::Send(TimePoint now, DatagramSink& sink, ByteSpan slot, const PacketOutcome& packet) {
  const QuicConfig& config = host_.config();
  const size_t size = static_cast<size_t>(packet.size) + config.outer_overhead_bytes();
  if (const SocketAddress to = ToSocketAddress(path_.remote()); to != peer_) {
    // A probe of another path, rare enough to be copied.
    const std::vector<uint8_t> copy(slot.begin(), slot.begin() + static_cast<std::ptrdiff_t>(size));
    sink.Commit(0);
    slot = sink.Reserve(to, slot.size());
    if (slot.empty()) return false;
    std::copy(copy.begin(), copy.end(), slot.begin());
  }
  const ByteSpan whole = slot.first(size);
  const size_t header_size = host_.header_writer().size();
  host_.header_writer().WriteNext(whole.first(header_size));
  if (config.sealer() != nullptr) config.sealer()->SealInPlace(whole.subspan(header_size), host_.random());
  sink.SetEcn(packet.ecn);
  sink.Commit(size);
  host_.OnSent(size);
  ++counters_.tx_datagrams;
  counters_.tx_datagram_bytes += size;
  static_cast<void>(now);
  return true;
}

bool Connection::WriteClose(TimePoint now, DatagramSink& sink) {
  if (is_silent_) {
    state_ = State::kClosed;
    return true;
  }
  const size_t slot_size = host_.config().max_udp_payload_bytes() + host_.config().outer_overhead_bytes();
  const ByteSpan slot = sink.Reserve(peer_, slot_size);
  if (slot.empty()) return false;
  const ByteSpan inner = slot.subspan(host_.config().inner_offset_bytes(), kMaxClosePacket);
  ngtcp2_pkt_info info{};
  PacketOutcome packet;
  packet.size = ngtcp2_conn_write_connection_close(conn_, path_.get(), &info, inner.data(), inner.size(), &close_error_,
                                                   ToTimestamp(now));
  state_ = State::kClosed;
  if (packet.size <= 0) {
    sink.Commit(0);
    return true;
  }
  last_words_.assign(inner.begin(), inner.begin() + packet.size);
  static_cast<void>(Send(now, sink, slot, packet));
  return true;
}

TimePoint Connection::NextTimeout() const {
  if (is_over()) return kInfiniteFuture;
  TimePoint next = FromTimestamp(ngtcp2_conn_get_expiry(conn_));
  next = std::min({next, mtu_search_at_, stall_probe_at_, close_at_});
  if (!graces_.empty()) next = std::min(next, graces_.front().first);
  if (is_paced_) next = std::min(next, pacer_.NextStepAt());
  return next;
}

void Connection::Queue(Stream& stream) {
  if (stream.is_blocked || std::exchange(stream.is_queued, true)) return;
  send_queue_.push_back(&stream);
  Touch(stream);
}

bool Connection::IsConnectionBlocked() const { return unsent_bytes_ > 0 && ngtcp2_conn_get_max_data_left(conn_) == 0; }

void Connection::UpdateFlowBlocked(TimePoint now) {
  const bool is_blocked = (blocked_streams_ > 0 && send_queue_.empty()) || IsConnectionBlocked();
  if (is_blocked && blocked_since_ == kInfiniteFuture) {
    blocked_since_ = now;
  } else if (!is_blocked && blocked_since_ != kInfiniteFuture) {
    counters_.flow_blocked_time += now - blocked_since_;
    blocked_since_ = kInfiniteFuture;
  }
}

}  // namespace culvert::quic
