// fz_mkcp_diff: our codec and a dialled connection beside the reference model.
//
// The model of what a receiver takes is a window of a set of numbers; of what a sender still holds, a map. Where the engine differs
// from v2ray on purpose the model does as well: K12 (an ack of what was never sent is ignored), T07 (an end with implausible
// numbers is ignored), K18 and T04 (which repetitions an ack carries: only what it says must be true, and everything must be said).
#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/base/check.h"
#include "core/kcp/endpoint.h"
#include "core/kcp/segment.h"
#include "tests/fuzz/targets.h"
#include "tests/sim/reference/wire.h"

namespace culvert::fuzz {
namespace {

using reference::Bytes;

// ---- the codec ----

bool Same(const kcp::Segment& ours, const reference::Segment& theirs) {
  if (kcp::ConversationId(ours) != theirs.conversation || kcp::Option(ours) != theirs.option) return false;
  if (const auto* data = std::get_if<kcp::DataSegment>(&ours)) {
    return theirs.command == reference::kData && data->timestamp == theirs.timestamp &&
           data->number.value() == theirs.number && data->sending_next.value() == theirs.sending_next &&
           std::equal(data->payload.begin(), data->payload.end(), theirs.payload.begin(), theirs.payload.end());
  }
  if (const auto* ack = std::get_if<kcp::AckSegment>(&ours)) {
    if (theirs.command != reference::kAck || ack->count() != theirs.numbers.size()) return false;
    for (size_t i = 0; i < ack->count(); ++i) {
      if (ack->number(i).value() != theirs.numbers[i]) return false;
    }
    return ack->receiving_window.value() == theirs.receiving_window && ack->timestamp == theirs.timestamp &&
           ack->receiving_next.value() == theirs.receiving_next;
  }
  const auto& command = std::get<kcp::CommandSegment>(ours);
  return command.command == theirs.command && command.sending_next.value() == theirs.sending_next &&
         command.receiving_next.value() == theirs.receiving_next && command.peer_rto == theirs.peer_rto;
}

size_t Encode(const kcp::Segment& segment, ByteSpan out) {
  if (const auto* data = std::get_if<kcp::DataSegment>(&segment)) return kcp::EncodeData(*data, out);
  if (const auto* ack = std::get_if<kcp::AckSegment>(&segment)) return kcp::EncodeAck(*ack, out);
  return kcp::EncodeCommand(std::get<kcp::CommandSegment>(segment), out);
}

void CompareCodecs(const Bytes& plain) {
  const reference::Parsed theirs = reference::Parse(plain);
  kcp::SegmentParser parser(plain);
  size_t at = 0;
  for (size_t i = 0; i < theirs.segments.size(); ++i) {
    const std::optional<kcp::Segment> ours = parser.Next();
    CULVERT_CHECK(ours.has_value() && Same(*ours, theirs.segments[i]));
    at += theirs.sizes[i];
    CULVERT_CHECK(plain.size() - parser.rest().size() == at);
    Bytes encoded(theirs.sizes[i] + 64);
    encoded.resize(Encode(*ours, encoded));
    CULVERT_CHECK(encoded == reference::Serialize(theirs.segments[i]));
  }
  CULVERT_CHECK(!parser.Next().has_value());
}

// ---- one connection ----

constexpr uint32_t kWindow = 64;  // what downlink_bytes_per_second below comes to, for good

class Differ final : private DatagramSink {
 public:
  Differ();
  void Step(ByteReader& script);
  void Finish();

 private:
  // What a receiver with v2ray's rules holds.
  struct Receiving {
    uint32_t next = 0;                        // consumed below
    std::map<uint32_t, Bytes> held;           // from next on
    std::set<uint32_t> accepted;              // every number ever taken
  };
  ByteSpan Reserve(const SocketAddress&, size_t max_size) override { return ByteSpan(buffer_).first(max_size); }
  void Commit(size_t size) override {
    if (size > 0) OnOurs(Bytes(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(size)));
  }

  void OnDatagram(Bytes plain);
  void OnModelSegment(const reference::Segment& segment);
  bool Plausible(const reference::Segment& segment) const;
  void Acknowledge(uint32_t number);
  void OnOurs(const Bytes& plain);
  void ReadAndCompare();
  void Settle();
  void Pass(Duration time);

  SeededRandom random_{1};
  std::unique_ptr<Endpoint> endpoint_;
  StreamHandle stream_;
  uint16_t conversation_ = 0;
  TimePoint now_{std::chrono::seconds(100)};
  std::array<uint8_t, 4096> buffer_;
  Receiving receiving_;
  std::map<uint32_t, size_t> unacked_;  // ours: number to payload size
  uint32_t sent_end_ = 0;               // one above the highest number we sent
  uint32_t first_unacked_ = 0;
  uint64_t written_ = 0;
  uint64_t acknowledged_ = 0;
  std::set<uint32_t> said_;             // numbers our acks listed
  uint32_t said_next_ = 0;
  bool ended_ = false;                  // somebody ended the stream: the rest is the state table's business
  const SocketAddress peer_ = *SocketAddress::Parse("10.0.0.2:4000");
};

Differ::Differ() {
  // 64 segments a tick of 50 ms at 1232 bytes.
  static const auto config = *kcp::KcpConfig::Create(
      {.profile = kcp::Profile::kXray, .downlink_bytes_per_second = uint64_t{kWindow} * 1232 * 20});
  CULVERT_CHECK(config->max_receive_window_segments() == kWindow);
  endpoint_ = kcp::CreateEndpoint({.config = config}, random_);
  stream_ = *endpoint_->Connect(now_, peer_);
  conversation_ = static_cast<uint16_t>(endpoint_->GetStats(now_, stream_)->conversation_id);
  Settle();
}

void Differ::OnOurs(const Bytes& plain) {
  if (ended_) return;
  for (const reference::Segment& segment : reference::Parse(plain).segments) {
    CULVERT_CHECK(segment.conversation == conversation_);
    if (segment.command == reference::kData) {
      CULVERT_CHECK(segment.number <= sent_end_ && !segment.payload.empty());
      CULVERT_CHECK(segment.sending_next == first_unacked_);
      if (segment.number == sent_end_) {
        ++sent_end_;
        unacked_[segment.number] = segment.payload.size();
      }
      CULVERT_CHECK(unacked_.contains(segment.number));  // nothing acknowledged goes out again
    } else if (segment.command == reference::kAck) {
      CULVERT_CHECK(segment.receiving_next <= receiving_.next);
      CULVERT_CHECK(segment.receiving_window == receiving_.next + kWindow);
      CULVERT_CHECK(segment.numbers.size() <= 128);
      for (const uint32_t number : segment.numbers) CULVERT_CHECK(receiving_.accepted.contains(number));
      said_.insert(segment.numbers.begin(), segment.numbers.end());
      said_next_ = std::max(said_next_, segment.receiving_next);
    } else if (segment.command == reference::kPing) {
      CULVERT_CHECK(segment.sending_next == first_unacked_ && segment.receiving_next == receiving_.next);
      said_next_ = std::max(said_next_, segment.receiving_next);
    }
  }
}

// T07. Numbers here stay far from the wrap, so that plain arithmetic does.
bool Differ::Plausible(const reference::Segment& segment) const {
  constexpr int64_t kMaxWindow = 65536;
  const auto within = [](uint32_t value, int64_t low, int64_t high) {
    const auto signed_value = static_cast<int64_t>(static_cast<int32_t>(value));
    return signed_value >= low && signed_value <= high;
  };
  // What is queued and not yet sent counts as ours to end.
  const auto receiving_fits = [&](uint32_t next) {
    const int64_t queued = static_cast<int64_t>((written_ - acknowledged_) / 1000) + 2;
    return within(next, first_unacked_ - kMaxWindow, sent_end_ + queued);
  };
  const auto sending_fits = [&](uint32_t number) {
    return within(number, receiving_.next - kMaxWindow, receiving_.next + kWindow + kMaxWindow);
  };
  if (segment.command == reference::kData) return sending_fits(segment.number) && sending_fits(segment.sending_next);
  if (segment.command == reference::kAck) return receiving_fits(segment.receiving_next);
  return receiving_fits(segment.receiving_next) && sending_fits(segment.sending_next);
}

void Differ::Acknowledge(uint32_t number) {
  const auto it = unacked_.find(number);
  if (it == unacked_.end()) return;
  acknowledged_ += it->second;
  unacked_.erase(it);
}

void Differ::OnModelSegment(const reference::Segment& segment) {
  const bool ends = segment.closes() || segment.command == reference::kTerminate;
  if (ends && Plausible(segment)) ended_ = true;
  if (ends) return;
  if (segment.command == reference::kData) {
    // Section 9.1.
    if (segment.number - receiving_.next < kWindow) {
      receiving_.accepted.insert(segment.number);
      receiving_.held.emplace(segment.number, segment.payload);
    }
    // K30: an empty segment is consumed by nobody's reading, as soon as it is next.
    for (auto it = receiving_.held.find(receiving_.next); it != receiving_.held.end() && it->second.empty();
         it = receiving_.held.find(receiving_.next)) {
      receiving_.held.erase(it);
      ++receiving_.next;
    }
    return;
  }
  // Section 8.3, with K12.
  if (segment.command == reference::kAck) {
    for (const uint32_t number : segment.numbers) Acknowledge(number);
  }
  if (segment.receiving_next <= sent_end_) {
    while (!unacked_.empty() && unacked_.begin()->first < segment.receiving_next) Acknowledge(unacked_.begin()->first);
  }
  first_unacked_ = unacked_.empty() ? sent_end_ : unacked_.begin()->first;
}

void Differ::OnDatagram(Bytes plain) {
  CompareCodecs(plain);
  for (const reference::Segment& segment : reference::Parse(plain).segments) {
    // Section 15: the first foreign segment ends the datagram; one with nothing of ours at all belongs to nobody.
    if (segment.conversation != conversation_) break;
    OnModelSegment(segment);
    if (ended_) break;
  }
  Datagram datagram{peer_, plain};
  (void)endpoint_->OnDatagram(now_, datagram);
}

void Differ::ReadAndCompare() {
  Bytes expected;
  for (auto it = receiving_.held.find(receiving_.next); it != receiving_.held.end();
       it = receiving_.held.find(receiving_.next)) {
    expected.insert(expected.end(), it->second.begin(), it->second.end());
    receiving_.held.erase(it);
    ++receiving_.next;
  }
  Bytes read;
  std::array<ByteView, 4> views;
  for (size_t count = endpoint_->Peek(stream_, views); count > 0; count = endpoint_->Peek(stream_, views)) {
    size_t size = 0;
    for (size_t i = 0; i < count; ++i) {
      read.insert(read.end(), views[i].begin(), views[i].end());
      size += views[i].size();
    }
    endpoint_->Consume(stream_, size);
  }
  CULVERT_CHECK(read == expected);
}

void Differ::Settle() {
  endpoint_->Flush(now_, *this);
  while (endpoint_->PollEvent()) {
  }
  if (ended_) return;
  const std::optional<SessionStats> stats = endpoint_->GetStats(now_, stream_);
  if (!stats || stats->state != "ACTIVE") {
    ended_ = true;  // silence of thirty seconds
    return;
  }
  CULVERT_CHECK(stats->send_queue_bytes == written_ - acknowledged_);
  size_t held = 0;
  for (const auto& [number, payload] : receiving_.held) held += payload.size();
  CULVERT_CHECK(stats->receive_buffered_bytes == held);
}

void Differ::Pass(Duration time) {
  const TimePoint end = now_ + time;
  while (!ended_) {
    const std::optional<TimePoint> next = endpoint_->NextTimeout();
    if (!next || *next > end) break;
    now_ = std::max(now_, *next);
    endpoint_->OnTimeout(now_);
    Settle();
  }
  now_ = end;
}

void Differ::Step(ByteReader& script) {
  const uint8_t operation = script.ReadU8();
  switch (operation & 3) {
    case 0:
    case 1: {
      const size_t wanted = size_t{script.ReadU8()} * 4;
      const ByteView view = script.ReadBytes(std::min(wanted, script.remaining()));
      Bytes plain(view.begin(), view.end());
      // Most of it should reach the connection: the first segment is addressed to it, and with bit 2 every one that parses.
      if (plain.size() >= 2 && (operation & 8) == 0) StoreBigEndian16(plain.data(), conversation_);
      if ((operation & 4) == 0) {
        size_t at = 0;
        for (const size_t size : reference::Parse(plain).sizes) {
          StoreBigEndian16(plain.data() + at, conversation_);
          at += size;
        }
      }
      OnDatagram(std::move(plain));
      break;
    }
    case 2: {
      if ((operation & 4) != 0) return Pass(std::chrono::milliseconds(uint64_t{1} << (operation >> 5)));
      const Bytes bytes(size_t{operation} * 8, 'w');
      written_ += endpoint_->Write(stream_, bytes);
      break;
    }
    default:
      if (!ended_) ReadAndCompare();
      break;
  }
  Settle();
}

void Differ::Finish() {
  if (ended_) return;
  ReadAndCompare();
  Settle();
  Pass(std::chrono::milliseconds(200));
  if (ended_) return;
  // Everything taken was acknowledged, one by one or by being consumed, unless the peer had moved past it.
  for (const uint32_t number : receiving_.accepted) {
    CULVERT_CHECK(said_.contains(number) || number < said_next_ || number < receiving_.next);
  }
}

}  // namespace

void MkcpDiff(ByteView input) {
  CompareCodecs(Bytes(input.begin(), input.end()));
  Differ differ;
  ByteReader script(input);
  for (int steps = 0; script.remaining() > 0 && steps < 200; ++steps) differ.Step(script);
  differ.Finish();
}

}  // namespace culvert::fuzz
