#include "tests/sim/kcp_pair.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_format.h"
#include "core/base/check.h"
#include "tests/testing/pattern.h"

namespace culvert::sim {
namespace {

constexpr size_t kIpAndUdpHeader = 28;
// What one worker's batch holds.
constexpr size_t kSinkDatagrams = 256;
// No send storm: in 100 ms nobody sends more than this many times what the link carries, plus a start.
constexpr double kStormFactor = 4;
constexpr uint64_t kStormAllowance = 2 << 20;
// Turns at one and the same time; a burst takes a few hundred.
constexpr uint32_t kMaxStalledTurns = 20'000;

}  // namespace

// Puts every datagram onto the virtual link.
class KcpPair::Sink final : public DatagramSink {
 public:
  Sink(KcpPair& pair, End& end, bool is_client) : pair_(pair), end_(end), is_client_(is_client) {}
  ByteSpan Reserve(const SocketAddress&, size_t max_size) override {
    if (count_ == kSinkDatagrams) return {};
    CULVERT_CHECK(max_size <= buffer_.size());
    return ByteSpan(buffer_).first(max_size);
  }
  void Commit(size_t size) override {
    if (size == 0) return;
    ++count_;
    end_.sent_in_window += size;
    const ByteView datagram(buffer_.data(), size);
    if (pair_.on_datagram) pair_.on_datagram(is_client_, datagram);
    pair_.trace_hash_ = (pair_.trace_hash_ ^ size ^ static_cast<uint64_t>(pair_.now_.time_since_epoch().count())) *
                        1099511628211u;
    if (pair_.black_hole) return;
    (is_client_ ? pair_.up_ : pair_.down_).Push(pair_.now_, datagram);
  }

 private:
  KcpPair& pair_;
  End& end_;
  bool is_client_;
  size_t count_ = 0;
  std::array<uint8_t, 4096> buffer_;
};

KcpPair::Direction::Direction(const testing::LinkOptions& options)
    : faulty(options),
      healthy({.seed = options.seed,
               .rate_bits_per_second = options.rate_bits_per_second,
               .queue_bytes = 64 << 20,
               .delay = options.delay}) {}

void KcpPair::Direction::Push(TimePoint now, ByteView datagram) {
  (healed ? healthy : faulty).Push(now, datagram, kIpAndUdpHeader);
}

std::optional<testing::DelayLine::Arrived> KcpPair::Direction::Pop(TimePoint now) {
  if (std::optional<testing::DelayLine::Arrived> arrived = faulty.Pop(now)) return arrived;
  return healthy.Pop(now);
}

TimePoint KcpPair::Direction::NextDelivery() const {
  return std::min(faulty.NextDelivery().value_or(kInfiniteFuture), healthy.NextDelivery().value_or(kInfiniteFuture));
}

KcpPair::KcpPair(const PairOptions& options) : options_(options), up_(options.up), down_(options.down), scratch_(256 * 1024) {
  const auto make = [&](End& end, const kcp::KcpOptions& kcp, bool accepts, uint64_t salt, const char* address) {
    end.random = std::make_unique<SeededRandom>(options.seed * 2 + salt);
    end.address = *SocketAddress::Parse(address);
    kcp::EndpointOptions endpoint;
    endpoint.config = *kcp::KcpConfig::Create(kcp);
    endpoint.accepts = accepts;
    endpoint.max_unvalidated = options.max_unvalidated;
    endpoint.first_number = options.first_number;
    end.endpoint = kcp::CreateEndpoint(endpoint, *end.random);
    end.window_started_at = now_;
  };
  make(client_end_, options.client, false, 0, "10.0.0.1:40000");
  make(server_end_, options.server, true, 1, "10.0.0.2:4000");
}

void KcpPair::ReplaceServer() {
  kcp::EndpointOptions endpoint;
  endpoint.config = *kcp::KcpConfig::Create(options_.server);
  endpoint.accepts = true;
  endpoint.first_number = options_.first_number;
  server_end_.endpoint = kcp::CreateEndpoint(endpoint, *server_end_.random);
  for (Stream& stream : streams_) stream.server->opened = false;
}

void KcpPair::Heal() {
  black_hole = false;
  up_.healed = down_.healed = true;
}

size_t KcpPair::Open(const Side& client, const Side& server) {
  Stream stream{0, std::make_unique<Side>(client), std::make_unique<Side>(server)};
  const size_t i = streams_.size();
  stream.client->send_seed = stream.server->expect_seed = options_.seed * 1000 + 2 * i;
  stream.server->send_seed = stream.client->expect_seed = options_.seed * 1000 + 2 * i + 1;
  stream.client->stream = *client_endpoint().Connect(now_, server_end_.address);
  stream.conversation_id = client_endpoint().GetStats(now_, stream.client->stream)->conversation_id;
  stream.client->opened = true;
  streams_.push_back(std::move(stream));
  Pump(client_end_, *streams_.back().client);
  Settle(client_end_, true);
  return i;
}

bool KcpPair::RunUntil(const std::function<bool()>& done, Duration limit) {
  const TimePoint end = now_ + limit;
  while (failure_.empty()) {
    if (done()) return true;
    TimePoint next = kInfiniteFuture;
    const auto consider = [&next](const std::optional<TimePoint>& when) {
      if (when) next = std::min(next, *when);
    };
    consider(up_.NextDelivery());
    consider(down_.NextDelivery());
    consider(client_endpoint().NextTimeout());
    consider(server_endpoint().NextTimeout());
    if (client_endpoint().HasPendingOutput() || server_endpoint().HasPendingOutput()) next = now_;
    // A deadline that nothing clears would keep a worker's processor busy.
    stalled_turns_ = next <= now_ ? stalled_turns_ + 1 : 0;
    if (stalled_turns_ > kMaxStalledTurns) {
      Fail("busy loop: a deadline lies in the past");
      return false;
    }
    if (next > end) {
      now_ = end;
      return done();
    }
    now_ = std::max(now_, next);

    const auto deliver = [this](Direction& line, End& to, const SocketAddress& from) {
      // A driver's receive budget.
      for (int i = 0; i < 64; ++i) {
        const std::optional<testing::DelayLine::Arrived> arrived = line.Pop(now_);
        if (!arrived) return;
        std::copy(arrived->packet.begin(), arrived->packet.end(), scratch_.begin());
        Datagram datagram{from, ByteSpan(scratch_).first(arrived->packet.size())};
        (void)to.endpoint->OnDatagram(now_, datagram);
      }
    };
    deliver(up_, server_end_, client_end_.address);
    deliver(down_, client_end_, server_end_.address);
    for (End* side : {&client_end_, &server_end_}) {
      const std::optional<TimePoint> timeout = side->endpoint->NextTimeout();
      if (timeout && *timeout <= now_) side->endpoint->OnTimeout(now_);
    }
    Settle(client_end_, true);
    Settle(server_end_, false);
    CheckInvariants(client_end_, true);
    CheckInvariants(server_end_, false);
  }
  return false;
}

void KcpPair::Settle(End& end, bool is_client) {
  for (int round = 0; round < 8; ++round) {
    Sink sink(*this, end, is_client);
    end.endpoint->Flush(now_, sink);
    bool any = false;
    while (const std::optional<Event> event = end.endpoint->PollEvent()) {
      any = true;
      OnEvent(end, is_client, *event);
    }
    if (!any) break;
  }
}

Side* KcpPair::FindSide(bool is_client, StreamHandle stream) {
  for (Stream& candidate : streams_) {
    Side& side = is_client ? *candidate.client : *candidate.server;
    if (side.opened && side.stream == stream) return &side;
  }
  return nullptr;
}

void KcpPair::OnEvent(End& end, bool is_client, const Event& event) {
  if (event.kind == Event::Kind::kOpened) {
    // Not always in the order of opening.
    const uint32_t conversation_id = end.endpoint->GetStats(now_, event.stream)->conversation_id;
    for (Stream& stream : streams_) {
      Side& side = *stream.server;
      if (stream.conversation_id != conversation_id || side.opened) continue;
      side.stream = event.stream;
      side.opened = true;
      return Pump(end, side);
    }
    return Fail("a stream was accepted that nobody opened");
  }
  Side* side = FindSide(is_client, event.stream);
  if (side == nullptr) return;
  if (event.kind == Event::Kind::kClosed) {
    if (side->closed) return Fail("closed twice");
    side->closed = true;
    side->reason = event.reason;
    return;
  }
  if (side->closed) return Fail("event after closed");
  Pump(end, *side);
}

void KcpPair::Pump(End& end, Side& side) {
  if (side.closed) return;
  Endpoint& endpoint = *end.endpoint;
  while (side.received < side.read_limit) {
    std::array<ByteView, 16> views;
    const size_t count = endpoint.Peek(side.stream, views);
    size_t consumed = 0;
    for (size_t i = 0; i < count && side.received + consumed < side.read_limit; ++i) {
      const ByteView view = views[i].first(std::min<uint64_t>(views[i].size(), side.read_limit - side.received - consumed));
      if (testing::FindMismatch(side.expect_seed, side.received + consumed, view)) return Fail("a wrong byte was delivered");
      consumed += view.size();
    }
    if (consumed == 0) break;
    endpoint.Consume(side.stream, consumed);
    side.received += consumed;
  }
  if (endpoint.AtEnd(side.stream)) {
    side.at_end = true;
    if (side.close_at_end && !side.close_called) {
      side.close_called = true;
      endpoint.Close(now_, side.stream);
      return;
    }
  }
  while (side.written < side.to_send) {
    const size_t size = std::min<uint64_t>(64 * 1024, side.to_send - side.written);
    testing::FillPattern(side.send_seed, side.written, ByteSpan(scratch_).first(size));
    const size_t taken = endpoint.Write(side.stream, ByteView(scratch_).first(size));
    side.written += taken;
    if (taken < size) return;
  }
  if (side.close_when_sent && !side.close_called) {
    side.close_called = true;
    endpoint.Close(now_, side.stream);
  }
}

void KcpPair::CheckInvariants(End& end, bool is_client) {
  const testing::LinkOptions& link = is_client ? options_.up : options_.down;
  if (now_ - end.window_started_at >= std::chrono::milliseconds(100)) {
    const double carried = static_cast<double>(link.rate_bits_per_second) / 8 * ToSeconds(now_ - end.window_started_at);
    if (link.rate_bits_per_second != 0 &&
        static_cast<double>(end.sent_in_window) > kStormFactor * carried + kStormAllowance) {
      Fail(absl::StrFormat("send storm: %d bytes in %.0f ms on a link that carries %.0f", end.sent_in_window,
                           ToSeconds(now_ - end.window_started_at) * 1000, carried));
    }
    end.sent_in_window = 0;
    end.window_started_at = now_;
  }
  end.endpoint->ForEachSession(now_, [&](const SessionStats& stats) {
    if (stats.receive_buffered_bytes > uint64_t{stats.receive_window_segments} * 2048) Fail("receive window exceeded");
    if (stats.rto < std::chrono::milliseconds(100) || stats.rto > std::chrono::seconds(10)) Fail("RTO out of bounds");
    if (stats.segments_in_flight > 0 && stats.bytes_in_flight == 0) Fail("segments in flight without bytes");
    if (stats.acknowledged_bytes > stats.tx_bytes) Fail("more acknowledged than sent");
    if (stats.time_in_limit.Sum() != now_ - stats.opened_at) Fail("the times in limits do not add up to the session's age");
    if (stats.bytes_in_flight > stats.congestion_window_bytes + 16 * stats.path_mtu_bytes &&
        stats.bytes_in_flight > 64 * stats.path_mtu_bytes && stats.limited_by != SendLimit::kPathDown) {
      // A window that shrank may stay overfull until acknowledgements come; it must not be refilled meanwhile, which the
      // storm check sees. Beyond four windows something is wrong.
      if (stats.bytes_in_flight > 4 * stats.congestion_window_bytes + (64 << 10)) Fail("congestion window ignored");
    }
  });
}

void KcpPair::Fail(const std::string& what) {
  if (failure_.empty()) {
    failure_ = absl::StrFormat("seed %d at %.6f s: %s", options_.seed, ToSeconds(now_.time_since_epoch()) - 1000, what);
  }
}

}  // namespace culvert::sim
