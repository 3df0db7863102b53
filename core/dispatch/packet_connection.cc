#include "core/dispatch/packet_connection.h"

#include <algorithm>
#include <cstring>

#include "core/dispatch/packed_destination.h"

namespace culvert::dispatch {
namespace {

// So that a queue of the largest datagrams does not hold gigabytes.
constexpr size_t kMostQueuedBytes = 4 << 20;

}  // namespace

PacketConnection::PacketConnection(const Options& options)
    : queue_packets_(options.queue_packets),
      local_(options.local),
      received_({.packets = options.queue_packets, .bytes = kMostQueuedBytes}),
      written_({.packets = options.queue_packets, .bytes = kMostQueuedBytes}) {}

PacketConnection::ReadResult PacketConnection::ReadFrom(TimePoint now, ByteSpan out) {
  if (now >= read_deadline_) return {.status = Status::kTimedOut};
  if (received_.empty()) return {.status = is_closed_ || is_ended_ ? Status::kClosed : Status::kWouldBlock};
  ReadResult result;
  const ByteView payload = PackedDestination::Split(received_.front(), result.source);
  result.size = payload.size();
  if (payload.size() > out.size()) {
    result.status = Status::kTooSmall;
    return result;
  }
  if (!payload.empty()) std::memcpy(out.data(), payload.data(), payload.size());
  source_host_.assign(result.source.host);  // what is popped may be gone
  result.source.host = source_host_;
  received_.Pop();
  result.status = Status::kDone;
  return result;
}

PacketConnection::Status PacketConnection::WriteTo(TimePoint now, ByteView payload, const Destination& destination) {
  if (is_closed_) return Status::kClosed;
  if (now >= write_deadline_) return Status::kTimedOut;
  if (payload.size() > kMaxDatagramBytes || destination.host.size() > PackedDestination::kMostHostBytes) return Status::kTooLong;
  const PackedDestination head(destination);
  if (written_.size() >= queue_packets_ || !written_.HasRoomFor(head.view().size() + payload.size())) return Status::kWouldBlock;
  written_.Push(head.view(), payload);
  return Status::kDone;
}

std::optional<TimePoint> PacketConnection::NextTimeout(TimePoint now) const {
  TimePoint next = kInfiniteFuture;
  if (read_deadline_ > now) next = std::min(next, read_deadline_);
  if (write_deadline_ > now) next = std::min(next, write_deadline_);
  return next == kInfiniteFuture ? std::nullopt : std::optional(next);
}

bool PacketConnection::Deliver(const Destination& source, ByteView payload) {
  if (is_closed_ || is_ended_ || payload.size() > kMaxDatagramBytes) return false;
  return received_.Push(PackedDestination(source).view(), payload);
}

bool PacketConnection::PeekWritten(Destination& destination, ByteView& payload) const {
  if (written_.empty()) return false;
  payload = PackedDestination::Split(written_.front(), destination);
  return true;
}

}  // namespace culvert::dispatch
