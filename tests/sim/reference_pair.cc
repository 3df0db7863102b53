#include "tests/sim/reference_pair.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_format.h"
#include "core/base/check.h"
#include "tests/testing/pattern.h"

namespace culvert::sim {
namespace {

constexpr size_t kIpAndUdpHeader = 28;
constexpr uint32_t kMaxStalledTurns = 20'000;
// The engine asks beyond the edge with probes only.
constexpr uint32_t kProbesBeyondEdge = 16;

uint64_t EngineSeed(const ReferenceOptions& options, size_t line) { return options.seed * 1000 + 2 * line; }
uint64_t ReferenceSeed(const ReferenceOptions& options, size_t line) { return options.seed * 1000 + 2 * line + 1; }

}  // namespace

// The engine's datagrams, each onto the link with the line it belongs to.
class ReferencePair::Sink final : public DatagramSink {
 public:
  explicit Sink(ReferencePair& pair) : pair_(pair) {}
  ByteSpan Reserve(const SocketAddress& peer, size_t max_size) override {
    peer_ = peer;
    return ByteSpan(buffer_).first(max_size);
  }
  void Commit(size_t size) override {
    if (size == 0) return;
    pair_.to_reference_.Push(pair_.now_, ByteView(buffer_).first(size), kIpAndUdpHeader, peer_.port);
  }

 private:
  ReferencePair& pair_;
  SocketAddress peer_;
  std::array<uint8_t, 4096> buffer_;
};

ReferencePair::ReferencePair(const ReferenceOptions& options)
    : options_(options),
      random_(options.seed),
      header_size_(HeaderSize(options.engine.header)),
      simple_(options.engine.profile == kcp::Profile::kV2ray),
      to_engine_(options.to_engine),
      to_reference_(options.to_reference),
      scratch_(64 * 1024) {
  CULVERT_CHECK(!options.engine.seed.has_value());
  options_.reference.overhead = static_cast<uint32_t>(header_size_ + (simple_ ? 6 : 0));
  kcp::EndpointOptions endpoint;
  endpoint.config = *kcp::KcpConfig::Create(options.engine);
  endpoint.accepts = !options.engine_dials;
  engine_ = kcp::CreateEndpoint(endpoint, random_);
}

void ReferencePair::Open() {
  for (uint32_t i = 0; i < options_.streams; ++i) {
    auto line = std::make_unique<Line>();
    // A v2ray dialler has a socket for each connection, a listener one for all.
    line->address = {IpAddress::V4({10, 0, 0, 9}), static_cast<uint16_t>(options_.engine_dials ? 4000 : 40000 + i)};
    if (options_.engine_dials) {
      line->stream = *engine_->Connect(now_, line->address);
      line->engine_open = true;
      line->conversation = static_cast<uint16_t>(engine_->GetStats(now_, line->stream)->conversation_id);
    } else {
      line->conversation = static_cast<uint16_t>(options_.first_conversation + i);
    }
    lines_.push_back(std::move(line));
    Line& added = *lines_.back();
    if (!options_.engine_dials) AddPeer(added);
    if (options_.engine_dials) PumpEngine(added);
  }
  Settle();
}

void ReferencePair::AddPeer(Line& line) {
  const size_t index = IndexOf(line);
  line.peer = std::make_unique<reference::Peer>(
      options_.reference, line.conversation, Milliseconds(),
      [this, index](const reference::Bytes& plain) { SendFromReference(index, plain); });
  PumpReference(line);
}

size_t ReferencePair::IndexOf(const Line& line) const {
  for (size_t i = 0; i < lines_.size(); ++i) {
    if (lines_[i].get() == &line) return i;
  }
  return lines_.size();
}

void ReferencePair::SendFromReference(size_t index, const reference::Bytes& plain) {
  reference::Bytes datagram(header_size_, 0x5a);
  const reference::Bytes sealed = simple_ ? reference::SealSimple(plain) : plain;
  datagram.insert(datagram.end(), sealed.begin(), sealed.end());
  to_engine_.Push(now_, datagram, kIpAndUdpHeader, index);
}

TimePoint ReferencePair::NextEvent() const {
  TimePoint next = kInfiniteFuture;
  for (const auto& when : {to_engine_.NextDelivery(), to_reference_.NextDelivery(), engine_->NextTimeout()}) {
    if (when) next = std::min(next, *when);
  }
  for (const auto& line : lines_) {
    if (!line->peer) continue;
    if (const std::optional<uint64_t> tick = line->peer->NextTick()) {
      next = std::min(next, TimePoint(std::chrono::milliseconds(*tick)));
    }
  }
  return engine_->HasPendingOutput() ? now_ : next;
}

bool ReferencePair::RunUntil(const std::function<bool()>& done, Duration limit) {
  const TimePoint end = now_ + limit;
  while (failure_.empty()) {
    if (done()) return true;
    const TimePoint next = NextEvent();
    stalled_ = next <= now_ ? stalled_ + 1 : 0;
    if (stalled_ > kMaxStalledTurns) Fail("busy loop: a deadline lies in the past");
    if (next > end) {
      now_ = end;
      return done();
    }
    now_ = std::max(now_, next);
    DeliverToEngine();
    DeliverToReference();
    const std::optional<TimePoint> timeout = engine_->NextTimeout();
    if (timeout && *timeout <= now_) engine_->OnTimeout(now_);
    Settle();
    for (const auto& line : lines_) {
      if (!line->peer) continue;
      line->peer->OnTime(Milliseconds());
      PumpReference(*line);
    }
    Check();
  }
  return false;
}

void ReferencePair::DeliverToEngine() {
  for (int i = 0; i < 64; ++i) {
    const auto arrived = to_engine_.Pop(now_);
    if (!arrived) return;
    std::copy(arrived->packet.begin(), arrived->packet.end(), scratch_.begin());
    Datagram datagram{lines_[arrived->tag]->address, ByteSpan(scratch_).first(arrived->packet.size())};
    (void)engine_->OnDatagram(now_, datagram);
  }
}

void ReferencePair::DeliverToReference() {
  for (int i = 0; i < 64; ++i) {
    const auto arrived = to_reference_.Pop(now_);
    if (!arrived) return;
    // Section 1.1.
    if (arrived->packet.size() <= header_size_) continue;
    const reference::Bytes sealed(arrived->packet.begin() + static_cast<ptrdiff_t>(header_size_), arrived->packet.end());
    const std::optional<reference::Bytes> plain = simple_ ? reference::OpenSimple(sealed) : sealed;
    if (!plain) continue;
    const std::vector<reference::Segment> segments = reference::Parse(*plain).segments;
    if (segments.empty()) continue;
    Line* line = nullptr;
    for (const auto& candidate : lines_) {
      if (candidate->conversation == segments[0].conversation && candidate->address.port == arrived->tag) {
        line = candidate.get();
      }
    }
    if (line == nullptr) continue;  // a dialling v2ray ignores what is not its conversation
    const bool gone = line->peer && line->peer->state() == reference::Peer::State::kTerminated;
    if (options_.engine_dials && (line->peer == nullptr || gone)) {
      if (segments[0].command == reference::kTerminate) continue;
      if (gone) {
        ++ghosts_;  // section 15: here a v2ray listener would open the connection anew
        continue;
      }
      AddPeer(*line);
    }
    CheckEdge(*line, segments);
    line->peer->Input(segments, Milliseconds());
    PumpReference(*line);
  }
}

void ReferencePair::CheckEdge(const Line& line, const std::vector<reference::Segment>& segments) {
  for (const reference::Segment& segment : segments) {
    if (segment.command != reference::kData) continue;
    const uint32_t edge = std::max(32u, line.peer->receiver().next() + options_.reference.window());
    if (segment.number >= edge + kProbesBeyondEdge) Fail("the peer's window was not respected");
  }
}

void ReferencePair::Settle() {
  for (int round = 0; round < 8; ++round) {
    Sink sink(*this);
    engine_->Flush(now_, sink);
    bool any = false;
    while (const std::optional<Event> event = engine_->PollEvent()) {
      any = true;
      OnEvent(*event);
    }
    if (!any) return;
  }
}

ReferencePair::Line* ReferencePair::FindStream(StreamHandle stream) {
  for (const auto& line : lines_) {
    if (line->engine_open && line->stream == stream) return line.get();
  }
  return nullptr;
}

void ReferencePair::OnEvent(const Event& event) {
  if (event.kind == Event::Kind::kOpened) {
    const SessionStats stats = *engine_->GetStats(now_, event.stream);
    for (const auto& line : lines_) {
      if (line->engine_open || line->conversation != stats.conversation_id || line->address != stats.peer) continue;
      line->engine_open = true;
      line->stream = event.stream;
      return PumpEngine(*line);
    }
    return Fail("a stream was accepted that nobody opened");
  }
  Line* line = FindStream(event.stream);
  if (line == nullptr) return Fail("an event of no stream");
  if (event.kind == Event::Kind::kClosed) {
    if (const auto stats = engine_->GetStats(now_, event.stream)) engine_retransmits_ += stats->retransmitted_segments;
    line->engine_closed = true;
    line->reason = event.reason;
    return;
  }
  PumpEngine(*line);
}

void ReferencePair::PumpEngine(Line& line) {
  if (line.engine_closed || !line.engine_open) return;
  const size_t index = IndexOf(line);
  for (;;) {
    std::array<ByteView, 8> views;
    const size_t count = engine_->Peek(line.stream, views);
    size_t size = 0;
    for (size_t i = 0; i < count; ++i) {
      if (testing::FindMismatch(ReferenceSeed(options_, index), line.engine_read + size, views[i])) Fail("a wrong byte here");
      size += views[i].size();
    }
    if (size == 0) break;
    engine_->Consume(line.stream, size);
    line.engine_read += size;
  }
  line.engine_at_end |= engine_->AtEnd(line.stream);
  while (line.engine_written < options_.engine_bytes) {
    const size_t size = std::min<uint64_t>(scratch_.size(), options_.engine_bytes - line.engine_written);
    testing::FillPattern(EngineSeed(options_, index), line.engine_written, ByteSpan(scratch_).first(size));
    const size_t taken = engine_->Write(line.stream, ByteView(scratch_).first(size));
    line.engine_written += taken;
    if (taken < size) return;
  }
  const bool wants_close = options_.close_when_written && options_.closer != Closer::kReference;
  if ((line.engine_at_end || wants_close) && !line.engine_close_called) {
    line.engine_close_called = true;
    engine_->Close(now_, line.stream);
  }
}

void ReferencePair::PumpReference(Line& line) {
  if (!line.peer) return;
  const size_t index = IndexOf(line);
  const reference::Bytes bytes = line.peer->Read(Milliseconds());
  if (testing::FindMismatch(EngineSeed(options_, index), line.reference_read, bytes)) Fail("a wrong byte there");
  line.reference_read += bytes.size();
  if (line.peer->AtEnd() && !line.reference_close_called) {
    line.reference_close_called = true;
    line.peer->Close(Milliseconds());
  }
  if (line.reference_written < options_.reference_bytes && line.peer->CanWrite()) {
    reference::Bytes out(std::min<uint64_t>(32 * 1024, options_.reference_bytes - line.reference_written));
    testing::FillPattern(ReferenceSeed(options_, index), line.reference_written, out);
    line.reference_written += line.peer->Write(out, 0, Milliseconds());
  }
  if (line.reference_written == options_.reference_bytes && options_.close_when_written &&
      options_.closer != Closer::kEngine && !line.reference_close_called) {
    line.reference_close_called = true;
    line.peer->Close(Milliseconds());
  }
}

void ReferencePair::Check() {
  engine_->ForEachSession(now_, [&](const SessionStats& stats) {
    if (stats.receive_buffered_bytes > uint64_t{stats.receive_window_segments} * 2048) Fail("receive window exceeded");
    if (stats.rto < std::chrono::milliseconds(100) || stats.rto > std::chrono::seconds(10)) Fail("RTO out of bounds");
    if (stats.acknowledged_bytes > stats.tx_bytes) Fail("more acknowledged than written");
  });
  if (engine_->session_count() > lines_.size()) Fail("more sessions than connections");
}

bool ReferencePair::Delivered() const {
  // mKCP has no half-close: who closes early ends both directions, so only what the closer wrote is promised then.
  const bool engine_data = !options_.close_when_written || options_.closer == Closer::kEngine;
  const bool reference_data = !options_.close_when_written || options_.closer == Closer::kReference;
  for (const auto& line : lines_) {
    if (engine_data && line->reference_read < options_.engine_bytes) return false;
    if (reference_data && line->engine_read < options_.reference_bytes) return false;
  }
  return true;
}

bool ReferencePair::Ended() const {
  for (const auto& line : lines_) {
    if (line->peer && line->peer->state() != reference::Peer::State::kTerminated) return false;
  }
  return engine_->session_count() == 0;
}

std::string ReferencePair::Run() {
  Open();
  if (!RunUntil([this] { return Delivered(); }, std::chrono::seconds(900))) {
    Fail(absl::StrFormat("not delivered: %d of %d from the engine, %d of %d to it", lines_[0]->reference_read,
                         options_.engine_bytes, lines_[0]->engine_read, options_.reference_bytes));
  }
  engine_->ForEachSession(now_, [&](const SessionStats& stats) { engine_retransmits_ += stats.retransmitted_segments; });
  if (!options_.close_when_written) {
    for (const auto& line : lines_) {
      if (options_.closer != Closer::kReference && !line->engine_close_called) {
        line->engine_close_called = true;
        engine_->Close(now_, line->stream);
      }
      if (options_.closer != Closer::kEngine && !line->reference_close_called && line->peer) {
        line->reference_close_called = true;
        line->peer->Close(Milliseconds());
      }
    }
  }
  // v2ray acts on a grid of 5 s, gives up a terminate after 8 s, a drain after 15 s and silence after 30 s.
  if (!RunUntil([this] { return Ended(); }, std::chrono::seconds(90))) Fail("the ends did not end");
  return failure_;
}

void ReferencePair::Fail(const std::string& what) {
  if (failure_.empty()) {
    failure_ = absl::StrFormat("seed %d at %.3f s: %s", options_.seed, ToSeconds(now_.time_since_epoch()) - 500, what);
  }
}

}  // namespace culvert::sim
