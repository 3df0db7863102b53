// A quic::Endpoint whose peers do what a test says: it speaks to nobody, and reports what it is told to.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/base/slot_map.h"
#include "core/quic/endpoint.h"

namespace culvert::server {

class ScriptedQuic final : public quic::Endpoint {
 public:
  struct ScriptedSession {
    quic::ConnectOptions options;
    quic::SessionInfo info;
    uint32_t limit = 32;  // streams that its peer allows at a time, once established
    uint32_t open = 0;
    bool is_aborted = false;
    bool is_closing = false;
    bool is_kept_alive = false;
    Duration smoothed_rtt = std::chrono::milliseconds(40);
    std::vector<SocketAddress> moves;  // MigrateTo
    bool was_full = false;
    bool takes_early_data = false;
  };

  // What peers do.
  void Establish(SessionHandle handle) {
    At(handle).info.established = true;
    At(handle).info.handshake_time = std::chrono::milliseconds(40);
    events_.push_back({.kind = Event::Kind::kSessionOpened, .stream = {}, .session = handle});
  }
  void EndSession(SessionHandle handle, const std::string& reason, CloseReason close = CloseReason::kHandshakeFailed) {
    At(handle).info.error_reason = reason;
    At(handle).info.error_message = "told so by the script";
    At(handle).is_closing = true;  // gives nothing any more
    std::vector<StreamHandle> closed;
    streams_.ForEach([&](StreamHandle stream, SessionHandle& of) {
      if (of == handle) closed.push_back(stream);
    });
    for (const StreamHandle stream : closed) CloseStream(stream);
    events_.push_back({.kind = Event::Kind::kSessionClosed, .stream = {}, .reason = close, .session = handle});
  }
  void CloseStream(StreamHandle stream) {
    const SessionHandle* of = streams_.Find(stream);
    if (of == nullptr) return;
    const SessionHandle session = *of;
    streams_.Erase(stream);
    ScriptedSession& its = At(session);
    --its.open;
    events_.push_back({.kind = Event::Kind::kClosed, .stream = stream, .session = session});
    if (std::exchange(its.was_full, false)) {
      events_.push_back({.kind = Event::Kind::kStreamsAvailable, .stream = {}, .session = session});
    }
  }

  // What was done, in the order of their beginning.
  std::vector<SessionHandle> all;
  ScriptedSession& At(SessionHandle handle) { return **sessions_.Find(handle); }
  // Neither ended nor aborted nor closing.
  std::vector<SessionHandle> Live() {
    std::vector<SessionHandle> live;
    for (const SessionHandle handle : all) {
      const ScriptedSession& session = At(handle);
      if (!session.is_aborted && !session.is_closing && !gone_.contains(handle.packed())) live.push_back(handle);
    }
    return live;
  }
  absl::Status connect_status;
  bool takes_early_data = false;  // sessions that are begun

  // quic::Endpoint.
  absl::StatusOr<SessionHandle> ConnectSession(TimePoint, const quic::ConnectOptions& options) override {
    if (!connect_status.ok()) return connect_status;
    auto session = std::make_unique<ScriptedSession>();
    session->options = options;
    session->info.outgoing = true;
    session->takes_early_data = takes_early_data;
    const SessionHandle handle = sessions_.Emplace(std::move(session));
    all.push_back(handle);
    return handle;
  }
  std::optional<StreamHandle> OpenStream(TimePoint, SessionHandle handle) override {
    if (AvailableStreams(handle) == 0) return std::nullopt;
    ScriptedSession& session = At(handle);
    if (++session.open == session.limit) session.was_full = true;
    return streams_.Emplace(handle);
  }
  uint32_t OpenStreams(SessionHandle handle) const override {
    const auto* session = sessions_.Find(handle);
    return session != nullptr ? (*session)->open : 0;
  }
  Duration SmoothedRtt(SessionHandle handle) const override {
    const auto* session = sessions_.Find(handle);
    return session != nullptr ? (*session)->smoothed_rtt : Duration::zero();
  }
  uint32_t AvailableStreams(SessionHandle handle) const override {
    const auto* session = sessions_.Find(handle);
    const bool may = session != nullptr && ((*session)->info.established || (*session)->takes_early_data);
    if (!may || (*session)->is_aborted || (*session)->is_closing) return 0;
    return (*session)->limit - std::min((*session)->limit, (*session)->open);
  }
  SessionHandle SessionOf(StreamHandle stream) const override {
    const SessionHandle* session = streams_.Find(stream);
    return session != nullptr ? *session : SessionHandle{};
  }
  std::optional<quic::SessionInfo> GetSessionInfo(SessionHandle handle) const override {
    const auto* session = sessions_.Find(handle);
    if (session == nullptr || gone_.contains(handle.packed())) return std::nullopt;
    return (*session)->info;
  }
  void CloseSession(TimePoint, SessionHandle handle) override {
    if (sessions_.Find(handle) != nullptr) At(handle).is_closing = true;
  }
  bool SendDatagram(StreamHandle, ByteView, ByteView) override { return false; }
  size_t MaxDatagramBytes(StreamHandle) const override { return 0; }
  void SetDatagramQueue(StreamHandle, size_t) override {}
  uint64_t DroppedDatagrams(StreamHandle) const override { return 0; }
  bool TakeDatagram(SessionHandle, StreamHandle&, ByteView&) override { return false; }
  void SetServerTls(std::shared_ptr<const tls::TlsContext>) override {}
  quic::Handover TakeHandover() override { return {}; }
  DropReason OnHandedOver(TimePoint, Datagram&) override { return DropReason::kNone; }
  void MigrateTo(TimePoint, SessionHandle handle, const SocketAddress& local) override { At(handle).moves.push_back(local); }
  void KeepAlive(SessionHandle handle, bool keep) override {
    if (sessions_.Find(handle) != nullptr) At(handle).is_kept_alive = keep;
  }
  void UpdateKeys(TimePoint, SessionHandle) override {}

  // culvert::Endpoint.
  DropReason OnDatagram(TimePoint, Datagram&) override { return DropReason::kNone; }
  void OnTimeout(TimePoint) override {}
  absl::StatusOr<StreamHandle> Connect(TimePoint, const SocketAddress&) override { return absl::UnimplementedError("not QUIC"); }
  size_t WritableBytes(StreamHandle) const override { return 1; }
  size_t Write(StreamHandle, ByteView bytes) override { return bytes.size(); }
  size_t Peek(StreamHandle, std::span<ByteView>) override { return 0; }
  void Consume(StreamHandle, size_t) override {}
  bool SetReadDeadline(StreamHandle, TimePoint) override { return false; }
  bool AtEnd(StreamHandle) const override { return false; }
  bool CanHalfClose() const override { return true; }
  bool HasUndelivered(StreamHandle) const override { return false; }
  void Close(TimePoint, StreamHandle stream) override { CloseStream(stream); }
  void Abort(TimePoint, StreamHandle stream, CloseReason) override { CloseStream(stream); }
  void AbortSession(TimePoint, SessionHandle handle, CloseReason reason) override {
    if (sessions_.Find(handle) == nullptr || std::exchange(At(handle).is_aborted, true)) return;
    EndSession(handle, "", reason);
  }
  void StopAccepting() override {}
  void Flush(TimePoint, DatagramSink&) override {}
  bool HasPendingOutput() const override { return false; }
  std::optional<Event> PollEvent() override {
    if (ending_) gone_[ending_->packed()] = true;
    ending_.reset();
    if (events_.empty()) return std::nullopt;
    const Event event = events_.front();
    events_.pop_front();
    if (event.kind == Event::Kind::kSessionClosed) ending_ = event.session;
    return event;
  }
  std::optional<TimePoint> NextTimeout() const override { return std::nullopt; }
  size_t session_count() const override { return all.size() - gone_.size(); }
  const EndpointCounters& counters() const override { return counters_; }
  std::optional<SessionStats> GetStats(TimePoint, StreamHandle) const override { return std::nullopt; }
  std::optional<TimeInLimit> GetTimeInLimit(TimePoint, StreamHandle) const override { return std::nullopt; }
  std::optional<SessionStats> GetSessionStats(TimePoint, SessionHandle handle) const override {
    const auto* session = sessions_.Find(handle);
    if (session == nullptr || gone_.contains(handle.packed())) return std::nullopt;
    SessionStats stats;
    stats.session = handle;
    stats.peer = (*session)->options.peer;
    stats.open_streams = (*session)->open;
    stats.smoothed_rtt = (*session)->smoothed_rtt;
    return stats;
  }
  void ForEachSession(TimePoint now, const std::function<void(const SessionStats&)>& visit) const override {
    for (const SessionHandle handle : all) {
      if (const auto stats = GetSessionStats(now, handle)) visit(*stats);
    }
  }

 private:
  // Sessions stay findable after their end, so that tests can look at them.
  SlotMap<std::unique_ptr<ScriptedSession>> sessions_;
  SlotMap<SessionHandle> streams_;
  std::deque<Event> events_;
  std::optional<SessionHandle> ending_;
  std::map<uint64_t, bool> gone_;
  EndpointCounters counters_;
};

}  // namespace culvert::server
