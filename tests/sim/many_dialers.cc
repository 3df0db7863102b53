#include "tests/sim/many_dialers.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_format.h"
#include "core/base/check.h"
#include "core/kcp/segment.h"
#include "tests/testing/pattern.h"

namespace culvert::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kIpAndUdpHeader = 28;
constexpr uint64_t kFromStranger = 1u << 20;  // tags below are dialers

testing::LinkOptions Healthy(const testing::LinkOptions& link) {
  return {.seed = link.seed, .rate_bits_per_second = link.rate_bits_per_second, .queue_bytes = 64 << 20, .delay = link.delay};
}

SocketAddress StrangerAddress(uint64_t tag) {
  const auto n = static_cast<uint32_t>(tag - kFromStranger);
  return {IpAddress::V4({172, 16, static_cast<uint8_t>(n), static_cast<uint8_t>(n >> 8)}), 30000};
}

}  // namespace

class ManyDialers::Sink final : public DatagramSink {
 public:
  Sink(ManyDialers& many, size_t who) : many_(many), who_(who) {}
  ByteSpan Reserve(const SocketAddress& peer, size_t max_size) override {
    to_ = peer;
    return ByteSpan(buffer_).first(max_size);
  }
  void Commit(size_t size) override {
    if (size == 0) return;
    many_.trace_hash_ = (many_.trace_hash_ ^ size ^ static_cast<uint64_t>(many_.now_.time_since_epoch().count()) ^ who_) *
                        1099511628211u;
    const ByteView datagram = ByteView(buffer_).first(size);
    if (who_ != kListener) {
      (many_.healed_ ? many_.healed_up_ : many_.up_).Push(many_.now_, datagram, kIpAndUdpHeader, who_);
      return;
    }
    const size_t dialer = static_cast<size_t>(to_.port) - 40000;
    // An answer to a stranger leaves and reaches nobody.
    if (to_.port < 40000 || dialer >= many_.dialers_.size()) return;
    (many_.healed_ ? many_.healed_down_ : many_.down_).Push(many_.now_, datagram, kIpAndUdpHeader, dialer);
  }

 private:
  ManyDialers& many_;
  size_t who_;
  SocketAddress to_;
  std::array<uint8_t, 4096> buffer_;
};

ManyDialers::ManyDialers(const ManyOptions& options)
    : options_(options),
      choices_(options.seed ^ 0x6d616e79),
      listener_random_(options.seed * 2 + 1),
      up_(options.up),
      down_(options.down),
      healed_up_(Healthy(options.up)),
      healed_down_(Healthy(options.down)),
      next_act_(now_),
      scratch_(64 * 1024) {
  kcp::EndpointOptions listener;
  listener.config = *kcp::KcpConfig::Create(options.listener);
  listener.accepts = true;
  listener.max_sessions = options.max_sessions;
  listener.max_unvalidated = options.max_unvalidated;
  listener_ = kcp::CreateEndpoint(listener, listener_random_);
  for (size_t i = 0; i < options.dialers.size(); ++i) {
    Dialer dialer;
    dialer.random = std::make_unique<SeededRandom>(options.seed * 1000 + i);
    dialer.endpoint = kcp::CreateEndpoint({.config = *kcp::KcpConfig::Create(options.dialers[i])}, *dialer.random);
    dialer.address = {IpAddress::V4({10, 1, static_cast<uint8_t>(i), 7}), static_cast<uint16_t>(40000 + i)};
    dialers_.push_back(std::move(dialer));
  }
}

void ManyDialers::OpenStream() {
  auto stream = std::make_unique<Stream>();
  const uint64_t id = options_.seed * 100'000 + 2 * streams_.size();
  stream->dialer = opened_ % dialers_.size();
  stream->near.send_seed = stream->far.expect_seed = id;
  stream->far.send_seed = stream->near.expect_seed = id + 1;
  stream->near.to_send = choices_.NextInRange(1, options_.max_stream_bytes);
  stream->far.to_send = choices_.NextInRange(0, options_.max_stream_bytes);
  Endpoint& endpoint = *dialers_[stream->dialer].endpoint;
  stream->near.stream = *endpoint.Connect(now_, listener_address_);
  stream->near.open = true;
  stream->conversation_id = endpoint.GetStats(now_, stream->near.stream)->conversation_id;
  streams_.push_back(std::move(stream));
  ++opened_;
  Pump(endpoint, streams_.back()->near);
  Settle(streams_.back()->dialer);
}

void ManyDialers::SendAsStranger() {
  std::vector<uint8_t> bytes(choices_.NextInRange(0, 200));
  choices_.Fill(bytes);
  // Half of them know the mode and open conversations that nobody carries on.
  if (const auto config = *kcp::KcpConfig::Create(options_.listener); choices_.NextInRange(0, 1) == 0) {
    std::array<uint8_t, 64> plain;
    const size_t size = choices_.NextInRange(0, 1) == 0
                            ? kcp::EncodeCommand({.conversation_id = static_cast<uint16_t>(choices_.NextU32())}, plain)
                            : kcp::EncodeData({.conversation_id = static_cast<uint16_t>(choices_.NextU32()),
                                               .number = SerialNumber(choices_.NextInRange(0, 3)),
                                               .payload = AsBytes("forged")},
                                              plain);
    const DatagramSealer& sealer = config->sealer();
    bytes.assign(HeaderSize(config->header()) + sealer.overhead() + size, 0);
    const ByteSpan sealed = ByteSpan(bytes).subspan(HeaderSize(config->header()));
    std::copy_n(plain.begin(), size, sealed.begin() + static_cast<ptrdiff_t>(sealer.prefix_size()));
    sealer.SealInPlace(sealed, choices_);
  }
  if (bytes.empty()) return;
  up_.Push(now_, bytes, kIpAndUdpHeader, kFromStranger + strangers_sent_);
}

void ManyDialers::Act() {
  next_act_ = now_ + milliseconds(choices_.NextInRange(1, 2 * ToMilliseconds(options_.trouble) / (options_.opens + 1) + 1));
  if (opened_ < options_.opens) OpenStream();
  for (uint32_t i = options_.strangers / options_.opens + 1; i > 0 && strangers_sent_ < options_.strangers; --i) {
    ++strangers_sent_;
    SendAsStranger();
  }
  Stream& stream = *streams_[choices_.NextInRange(0, static_cast<uint32_t>(streams_.size()) - 1)];
  const bool far = choices_.NextInRange(0, 1) == 0;
  Side& side = far ? stream.far : stream.near;
  if (!side.open || side.closed || side.close_called) return;
  const size_t who = far ? kListener : stream.dialer;
  const uint32_t kind = choices_.NextInRange(0, 19);
  if (kind == 0) {
    stream.aborted = true;
    EndpointOf(who).Abort(now_, side.stream, CloseReason::kAborted);
  } else if (kind == 1) {
    stream.closed_early = true;
    EndpointOf(who).Close(now_, side.stream);
  } else {
    return;
  }
  side.close_called = true;
  side.to_send = side.written;
  Settle(who);
}

void ManyDialers::Deliver() {
  for (testing::DelayLine* line : {&up_, &healed_up_}) {
    for (auto arrived = line->Pop(now_); arrived; arrived = line->Pop(now_)) {
      std::copy(arrived->packet.begin(), arrived->packet.end(), scratch_.begin());
      Datagram datagram{arrived->tag < kFromStranger ? dialers_[arrived->tag].address : StrangerAddress(arrived->tag),
                        ByteSpan(scratch_).first(arrived->packet.size())};
      (void)listener_->OnDatagram(now_, datagram);
    }
  }
  for (testing::DelayLine* line : {&down_, &healed_down_}) {
    for (auto arrived = line->Pop(now_); arrived; arrived = line->Pop(now_)) {
      std::copy(arrived->packet.begin(), arrived->packet.end(), scratch_.begin());
      const size_t to = arrived->tag;
      Datagram datagram{listener_address_, ByteSpan(scratch_).first(arrived->packet.size())};
      (void)dialers_[to].endpoint->OnDatagram(now_, datagram);
      Settle(to);
    }
  }
}

void ManyDialers::Step(TimePoint limit) {
  TimePoint next = limit;
  const auto consider = [&next](const std::optional<TimePoint>& when) {
    if (when) next = std::min(next, *when);
  };
  for (const testing::DelayLine* line : {&up_, &down_, &healed_up_, &healed_down_}) consider(line->NextDelivery());
  consider(listener_->NextTimeout());
  for (const Dialer& dialer : dialers_) consider(dialer.endpoint->NextTimeout());
  if (!healed_) consider(next_act_);
  now_ = std::max(now_, next);
  Deliver();
  if (!healed_ && next_act_ <= now_) Act();
  for (size_t i = 0; i < dialers_.size(); ++i) {
    const auto timeout = dialers_[i].endpoint->NextTimeout();
    if (!timeout || *timeout > now_) continue;
    dialers_[i].endpoint->OnTimeout(now_);
    Settle(i);
  }
  if (const auto timeout = listener_->NextTimeout(); timeout && *timeout <= now_) listener_->OnTimeout(now_);
  Settle(kListener);
  CheckBounds();
}

void ManyDialers::Settle(size_t who) {
  Endpoint& endpoint = EndpointOf(who);
  for (int round = 0; round < 8; ++round) {
    Sink sink(*this, who);
    endpoint.Flush(now_, sink);
    bool any = false;
    while (const std::optional<Event> event = endpoint.PollEvent()) {
      any = true;
      OnEvent(who, *event);
    }
    if (!any) return;
  }
}

void ManyDialers::OnEvent(size_t who, const Event& event) {
  Endpoint& endpoint = EndpointOf(who);
  if (event.kind == Event::Kind::kOpened) {
    const SessionStats stats = *endpoint.GetStats(now_, event.stream);
    for (const auto& stream : streams_) {
      if (stream->conversation_id != stats.conversation_id || dialers_[stream->dialer].address != stats.peer) continue;
      if (stream->far.open) return Fail("one conversation was accepted twice");
      stream->far.stream = event.stream;
      stream->far.open = true;
      return Pump(endpoint, stream->far);
    }
    return;  // a stranger's
  }
  for (const auto& stream : streams_) {
    if (who != kListener && stream->dialer != who) continue;
    Side& side = who == kListener ? stream->far : stream->near;
    if (!side.open || side.stream != event.stream) continue;
    if (event.kind == Event::Kind::kClosed) {
      if (side.closed) return Fail("closed twice");
      side.closed = true;
      return;
    }
    return Pump(endpoint, side);
  }
}

void ManyDialers::Pump(Endpoint& endpoint, Side& side) {
  if (side.closed) return;
  std::array<ByteView, 8> views;
  for (size_t count = endpoint.Peek(side.stream, views); count > 0; count = endpoint.Peek(side.stream, views)) {
    size_t size = 0;
    for (size_t i = 0; i < count; ++i) {
      if (testing::FindMismatch(side.expect_seed, side.received + size, views[i])) return Fail("a byte of another stream");
      size += views[i].size();
    }
    endpoint.Consume(side.stream, size);
    side.received += size;
  }
  if (!side.at_end && endpoint.AtEnd(side.stream)) {
    side.at_end = true;
    if (!side.close_called) endpoint.Close(now_, side.stream);
    side.close_called = true;
  }
  if (side.close_called) return;
  while (side.written < side.to_send) {
    const size_t size = std::min<uint64_t>(scratch_.size(), side.to_send - side.written);
    testing::FillPattern(side.send_seed, side.written, ByteSpan(scratch_).first(size));
    const size_t taken = endpoint.Write(side.stream, ByteView(scratch_).first(size));
    side.written += taken;
    if (taken < size) return;
  }
}

void ManyDialers::CheckBounds() {
  if (listener_->counters().unvalidated > options_.max_unvalidated) Fail("more unproved peers than allowed");
  if (listener_->session_count() > options_.max_sessions) Fail("more sessions than allowed");
  if (!shares_.empty() || options_.trouble > seconds(0)) return;
  // Everybody began at once: what has each when the first is done?
  const auto done = [&](const auto& stream) { return stream->far.received >= stream->near.to_send; };
  if (std::none_of(streams_.begin(), streams_.end(), done)) return;
  shares_.assign(dialers_.size(), 0);
  for (const auto& stream : streams_) shares_[stream->dialer] += stream->far.received;
}

bool ManyDialers::RunUntil(bool (ManyDialers::*done)(), Duration limit) {
  const TimePoint end = now_ + limit;
  while (failure_.empty() && now_ < end) {
    if (done != nullptr && (this->*done)()) return true;
    Step(end);
  }
  return failure_.empty() && done != nullptr && (this->*done)();
}

bool ManyDialers::Delivered() {
  return std::all_of(streams_.begin(), streams_.end(), [](const auto& stream) {
    if (stream->aborted || stream->closed_early) return true;
    return stream->far.received == stream->near.to_send && stream->near.received == stream->far.to_send;
  });
}

bool ManyDialers::Gone() {
  return std::all_of(dialers_.begin(), dialers_.end(), [](const Dialer& dialer) { return dialer.endpoint->session_count() == 0; }) &&
         std::all_of(streams_.begin(), streams_.end(), [](const auto& stream) { return !stream->far.open || stream->far.closed; });
}

std::string ManyDialers::Run() {
  if (options_.trouble == Duration(0)) {
    while (opened_ < options_.opens) OpenStream();
    for (const auto& stream : streams_) stream->near.to_send = options_.max_stream_bytes;
    for (const auto& stream : streams_) Pump(*dialers_[stream->dialer].endpoint, stream->near);
    for (size_t i = 0; i < dialers_.size(); ++i) Settle(i);
  }
  (void)RunUntil(nullptr, options_.trouble);
  healed_ = true;
  // Ten seconds, and the time the link takes for what is left.
  const double bits = 16.0 * static_cast<double>(options_.max_stream_bytes) * options_.opens;
  const double carry = bits / static_cast<double>(std::min(options_.up.rate_bits_per_second, options_.down.rate_bits_per_second));
  if (!RunUntil(&ManyDialers::Delivered, seconds(10) + FromSeconds(2 * carry))) Fail("not everything was delivered");
  for (const auto& stream : streams_) {
    // A clean end is the end of everything that was written.
    if (stream->far.at_end && stream->far.received != stream->near.written) Fail("a cut stream looks complete");
    if (stream->near.at_end && stream->near.received != stream->far.written) Fail("a cut stream looks complete");
    if (stream->near.close_called || stream->near.closed) continue;
    stream->near.close_called = true;
    dialers_[stream->dialer].endpoint->Close(now_, stream->near.stream);
    Settle(stream->dialer);
  }
  if (!RunUntil(&ManyDialers::Gone, seconds(10))) Fail("streams were left behind");
  // Strangers are forgotten 12 s after they were heard of last.
  if (!RunUntil(&ManyDialers::Emptied, seconds(20))) Fail("the listener still holds sessions");
  return failure_;
}

void ManyDialers::Fail(const std::string& what) {
  if (!failure_.empty()) return;
  failure_ = absl::StrFormat("seed %d, %d dialers, at %.3f s: %s", options_.seed, dialers_.size(),
                             ToSeconds(now_.time_since_epoch()) - 1000, what);
}

}  // namespace culvert::sim
