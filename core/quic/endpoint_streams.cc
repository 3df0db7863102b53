// The endpoint's streams, one by one: each call finds its stream and passes it to the connection. A stream whose connection is gone still
// shows what had arrived to its end.
#include <algorithm>
#include <utility>

#include "core/quic/endpoint_impl.h"

namespace culvert::quic {

size_t EndpointImpl::WritableBytes(StreamHandle handle) const {
  const Stream* stream = streams_.Find(handle);
  if (stream == nullptr || stream->is_released || stream->connection == nullptr) return 0;
  return stream->connection->WritableBytes(*stream);
}

size_t EndpointImpl::Write(StreamHandle handle, ByteView bytes) {
  Stream* stream = streams_.Find(handle);
  if (stream == nullptr || stream->is_released || stream->connection == nullptr) return 0;
  return stream->connection->Write(*stream, bytes);
}

size_t EndpointImpl::Peek(StreamHandle handle, std::span<ByteView> views) {
  const Stream* stream = streams_.Find(handle);
  if (stream == nullptr || stream->is_released) return 0;
  return stream->receiving.Show(stream->receiving.begin(), views);
}

void EndpointImpl::Consume(StreamHandle handle, size_t size) {
  Stream* stream = streams_.Find(handle);
  if (stream == nullptr || stream->is_released) return;
  size = std::min(size, stream->receiving.size());
  if (stream->connection != nullptr) {
    stream->connection->Consume(*stream, size);
    return;
  }
  stream->receiving.TakeUntil(stream->receiving.begin() + size);
  if (stream->receiving.empty() && !std::exchange(stream->is_closed_told, true)) {
    Emit({Event::Kind::kClosed, handle, stream->close_reason, {}, /*is_complete=*/true});
  }
}

bool EndpointImpl::SetReadDeadline(StreamHandle handle, TimePoint when) {
  const Stream* stream = streams_.Find(handle);
  if (stream == nullptr || stream->is_released) return false;
  read_deadlines_.Set(handle.index, when);
  return true;
}

bool EndpointImpl::AtEnd(StreamHandle handle) const {
  const Stream* stream = streams_.Find(handle);
  return stream != nullptr && !stream->is_released && stream->fin_received && stream->receiving.empty();
}

void EndpointImpl::FinishWriting(TimePoint now, StreamHandle handle) {
  now_ = now;
  Stream* stream = streams_.Find(handle);
  if (stream == nullptr || stream->is_released || stream->connection == nullptr) return;
  stream->connection->FinishWriting(*stream);
}

bool EndpointImpl::HasUndelivered(StreamHandle handle) const {
  const Stream* stream = streams_.Find(handle);
  if (stream == nullptr || stream->is_over || stream->is_reset) return false;
  return !stream->sending.empty() || (stream->fin_wanted && !stream->fin_sent);
}

void EndpointImpl::Close(TimePoint now, StreamHandle handle) {
  now_ = now;
  Stream* stream = streams_.Find(handle);
  if (stream == nullptr || stream->is_released) return;
  if (stream->connection == nullptr) return EraseStream(*stream);
  stream->connection->CloseStream(now, *stream);
}

void EndpointImpl::Abort(TimePoint now, StreamHandle handle, CloseReason reason) {
  now_ = now;
  Stream* stream = streams_.Find(handle);
  if (stream == nullptr || stream->is_released) return;
  if (stream->connection == nullptr) return EraseStream(*stream);
  stream->connection->AbortStream(*stream, reason);
}

bool EndpointImpl::SendDatagram(StreamHandle handle, ByteView head, ByteView payload) {
  Stream* stream = streams_.Find(handle);
  return stream != nullptr && !stream->is_released && stream->connection != nullptr && stream->connection->SendDatagram(*stream, head, payload);
}

size_t EndpointImpl::MaxDatagramBytes(StreamHandle handle) const {
  const Stream* stream = streams_.Find(handle);
  return stream == nullptr || stream->connection == nullptr ? 0 : stream->connection->MaxDatagramBytes(*stream);
}

void EndpointImpl::SetDatagramQueue(StreamHandle handle, size_t packets) {
  Stream* stream = streams_.Find(handle);
  // A frame is never longer than a packet: so many bytes let as many wait as were asked for.
  constexpr size_t kMostFrame = 1500;
  if (stream != nullptr) stream->datagrams.set_limits({.packets = packets, .bytes = packets * (kMostFrame + PacketQueue::kOverhead)});
}

uint64_t EndpointImpl::DroppedDatagrams(StreamHandle handle) const {
  const Stream* stream = streams_.Find(handle);
  return stream != nullptr ? stream->datagrams.dropped() : 0;
}

bool EndpointImpl::TakeDatagram(SessionHandle session, StreamHandle& stream, ByteView& bytes) {
  Connection* connection = FindConnection(session);
  return connection != nullptr && connection->TakeDatagram(stream, bytes);
}

std::optional<SessionStats> EndpointImpl::GetStats(TimePoint now, StreamHandle handle) const {
  const Stream* stream = streams_.Find(handle);
  if (stream == nullptr || stream->connection == nullptr) return std::nullopt;
  SessionStats stats = stream->connection->GetStats(now);
  stats.stream = handle;
  stats.send_queue_bytes = stream->sending.size();
  stats.receive_buffered_bytes = stream->receiving.size();
  stats.limited_by = stream->connection->limited_by(*stream);
  stats.time_in_limit = stream->connection->TimeInLimitOf(*stream, now);
  return stats;
}

std::optional<TimeInLimit> EndpointImpl::GetTimeInLimit(TimePoint now, StreamHandle handle) const {
  const Stream* stream = streams_.Find(handle);
  if (stream == nullptr || stream->connection == nullptr) return std::nullopt;
  return stream->connection->TimeInLimitOf(*stream, now);
}

std::optional<SessionStats> EndpointImpl::GetSessionStats(TimePoint now, SessionHandle session) const {
  const Connection* connection = FindConnection(session);
  return connection != nullptr ? std::optional(connection->GetStats(now)) : std::nullopt;
}

void EndpointImpl::ForEachSession(TimePoint now, const std::function<void(const SessionStats&)>& visit) const {
  connections_.ForEach([&](SlotHandle, const ConnectionSlot& slot) {
    if (!slot.connection->is_over()) visit(slot.connection->GetStats(now));
  });
}

}  // namespace culvert::quic
