#include "server/endpoint_stream.h"

#include <algorithm>

#include "core/base/check.h"
#include "server/endpoint_driver.h"
#include "server/worker_context.h"

namespace culvert::server {

EndpointStream::EndpointStream(WorkerContext& context, EndpointDriver& driver, StreamHandle stream, SlotHandle session)
    : context_(context), driver_(driver), stream_(stream) {
  driver_.Attach(stream, this, session);
}

EndpointStream::~EndpointStream() {
  Reset(CloseReason::kAborted);
  driver_.Detach(stream_);
}

size_t EndpointStream::Peek(size_t limit, std::span<ByteView> views) {
  if (!is_open_) return 0;
  const size_t count = driver_.endpoint().Peek(stream_, views);
  for (size_t i = 0; i < count; ++i) {
    if (views[i].size() >= limit) {
      views[i] = views[i].first(limit);
      return limit > 0 ? i + 1 : i;
    }
    limit -= views[i].size();
  }
  return count;
}

void EndpointStream::Consume(size_t size) {
  if (!is_open_ || size == 0) return;
  driver_.endpoint().Consume(stream_, size);
  driver_.MarkDirty();  // the peer may be told of more window
}

bool EndpointStream::AtEnd() const { return is_open_ ? driver_.endpoint().AtEnd(stream_) : has_ended_; }

size_t EndpointStream::WritableBytes() {
  if (!is_open_) return 0;
  const size_t room = driver_.endpoint().WritableBytes(stream_);
  if (room == 0) {
    // The endpoint reports room only after a write that fell short, so we let one fall short.
    const uint8_t none = 0;
    CULVERT_CHECK(driver_.endpoint().Write(stream_, ByteView(&none, 1)) == 0);
  }
  return room;
}

size_t EndpointStream::Write(std::span<const ByteView> views) {
  if (!is_open_) return 0;
  size_t written = 0;
  for (const ByteView view : views) {
    const size_t taken = driver_.endpoint().Write(stream_, view);
    written += taken;
    if (taken < view.size()) break;
  }
  driver_.MarkDirty();
  return written;
}

bool EndpointStream::HasUndelivered() const { return is_open_ && driver_.endpoint().HasUndelivered(stream_); }

bool EndpointStream::HasPeerAnswered() const {
  if (!is_open_) return peer_answered_;
  if (driver_.quic() != nullptr) return true;  // there are no streams before the handshake but those of 0-RTT, to a known peer
  const auto stats = driver_.endpoint().GetStats(context_.now, stream_);
  return stats && stats->rx_datagrams > 0;
}

std::optional<TimeInLimit> EndpointStream::time_in_limit() const {
  return is_open_ ? driver_.endpoint().GetTimeInLimit(context_.now, stream_) : std::nullopt;
}

bool EndpointStream::CanHalfClose() const { return driver_.endpoint().CanHalfClose(); }

size_t EndpointStream::MaxDatagramBytes() const {
  return is_open_ && driver_.quic() != nullptr ? driver_.quic()->MaxDatagramBytes(stream_) : 0;
}

bool EndpointStream::SendDatagram(ByteView head, ByteView payload) {
  if (!is_open_ || driver_.quic() == nullptr || !driver_.quic()->SendDatagram(stream_, head, payload)) return false;
  driver_.MarkDirty();
  return true;
}

uint64_t EndpointStream::DroppedDatagrams() const {
  return is_open_ && driver_.quic() != nullptr ? driver_.quic()->DroppedDatagrams(stream_) : 0;
}

void EndpointStream::SetDatagramQueue(size_t packets) {
  if (is_open_ && driver_.quic() != nullptr) driver_.quic()->SetDatagramQueue(stream_, packets);
}

void EndpointStream::FinishWriting() {
  if (!is_open_) return;
  driver_.endpoint().FinishWriting(context_.now, stream_);
  driver_.MarkDirty();
}

void EndpointStream::Close() {
  set_observer(nullptr);
  datagrams_ = nullptr;
  is_broken_ = false;
  if (!is_open_) return;
  peer_answered_ = HasPeerAnswered();
  is_open_ = false;
  driver_.endpoint().Close(context_.now, stream_);
  driver_.MarkDirty();
}

void EndpointStream::Reset(CloseReason reason) {
  set_observer(nullptr);
  datagrams_ = nullptr;
  is_broken_ = false;
  if (!is_open_) return;
  peer_answered_ = HasPeerAnswered();
  is_open_ = false;
  driver_.endpoint().Abort(context_.now, stream_, reason);
  driver_.MarkDirty();
}

void EndpointStream::OnClosed(bool peer_answered, bool is_complete) {
  if (!is_open_) return;
  peer_answered_ = peer_answered;
  has_ended_ = is_complete;
  is_open_ = false;
  is_broken_ = true;
  NotifyReady();
}

}  // namespace culvert::server
