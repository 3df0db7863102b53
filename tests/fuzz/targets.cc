#include "tests/fuzz/targets.h"

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "core/base/check.h"
#include "core/kcp/endpoint.h"
#include "core/kcp/segment.h"

namespace culvert::fuzz {
namespace {

using kcp::Segment;

size_t Encode(const Segment& segment, ByteSpan out) {
  if (const auto* data = std::get_if<kcp::DataSegment>(&segment)) return kcp::EncodeData(*data, out);
  if (const auto* ack = std::get_if<kcp::AckSegment>(&segment)) return kcp::EncodeAck(*ack, out);
  return kcp::EncodeCommand(std::get<kcp::CommandSegment>(segment), out);
}

void CheckSegments(ByteView input) {
  kcp::SegmentParser parser(input);
  size_t parsed = 0;
  while (const std::optional<Segment> segment = parser.Next()) {
    const size_t size = input.size() - parser.rest().size() - parsed;
    const ByteView original = input.subspan(parsed, size);
    parsed += size;
    std::vector<uint8_t> out(size + 64);
    const size_t encoded = Encode(*segment, out);
    // A payload above what a segment can hold is cut; everything else comes back byte for byte.
    if (size > kcp::kDataHeadSize + kcp::kMaxSegmentPayload) continue;
    CULVERT_CHECK(encoded == size && std::equal(original.begin(), original.end(), out.begin()));
  }
}

class Discard final : public DatagramSink {
 public:
  ByteSpan Reserve(const SocketAddress&, size_t max_size) override {
    CULVERT_CHECK(max_size <= buffer_.size());
    return ByteSpan(buffer_).first(max_size);
  }
  void Commit(size_t size) override { bytes += size; }
  uint64_t bytes = 0;

 private:
  std::array<uint8_t, 4096> buffer_;
};

}  // namespace

void MkcpPacket(ByteView input) {
  static const std::array<std::unique_ptr<DatagramSealer>, 3> sealers = {
      DatagramSealer::Plain(), DatagramSealer::Simple(), DatagramSealer::Aes128Gcm("fuzz")};
  for (const auto& sealer : sealers) {
    std::vector<uint8_t> datagram(input.begin(), input.end());
    ByteSpan plain;
    if (sealer->OpenInPlace(datagram, plain) != DropReason::kNone) continue;
    CULVERT_CHECK(!plain.empty() && plain.size() + sealer->overhead() == datagram.size());
    CheckSegments(plain);
  }
  CheckSegments(input);
}

void MkcpSession(ByteView input) {
  static const auto config = *kcp::KcpConfig::Create({});
  SeededRandom random(1);
  const auto endpoint = kcp::CreateEndpoint({.config = config, .accepts = true, .max_unvalidated = 8}, random);
  const DatagramSealer& sealer = config->sealer();
  TimePoint now{std::chrono::seconds(100)};
  Discard sink;
  std::vector<StreamHandle> streams;
  ByteReader script(input);
  while (script.remaining() > 0) {
    const uint8_t operation = script.ReadU8();
    switch (operation & 3) {
      case 0: {
        const size_t wanted = size_t{script.ReadU8()} * 4;
        const ByteView plain = script.ReadBytes(std::min(wanted, script.remaining()));
        std::vector<uint8_t> sealed(sealer.overhead() + plain.size());
        std::copy(plain.begin(), plain.end(), sealed.begin() + static_cast<ptrdiff_t>(sealer.prefix_size()));
        sealer.SealInPlace(sealed, random);
        Datagram datagram{{IpAddress::V4({10, 0, 0, static_cast<uint8_t>(operation >> 6)}), 4000}, sealed};
        (void)endpoint->OnDatagram(now, datagram);
        break;
      }
      case 1:
        now += std::chrono::milliseconds(uint64_t{1} << (operation >> 4));
        endpoint->OnTimeout(now);
        break;
      case 2:
        for (const StreamHandle stream : streams) {
          std::array<ByteView, 4> views;
          const size_t count = endpoint->Peek(stream, views);
          size_t size = 0;
          for (size_t i = 0; i < count; ++i) size += views[i].size();
          endpoint->Consume(stream, size);
          const std::vector<uint8_t> bytes(size_t{operation} * 16, 'f');
          (void)endpoint->Write(stream, bytes);
        }
        break;
      default:
        for (const StreamHandle stream : streams) {
          if ((operation & 4) != 0) endpoint->Close(now, stream);
          if ((operation & 8) != 0) endpoint->Abort(now, stream, CloseReason::kAborted);
        }
        break;
    }
    endpoint->Flush(now, sink);
    while (const std::optional<Event> event = endpoint->PollEvent()) {
      if (event->kind == Event::Kind::kOpened) streams.push_back(event->stream);
    }
    endpoint->ForEachSession(now, [](const SessionStats& stats) {
      CULVERT_CHECK(stats.rto >= std::chrono::milliseconds(100) && stats.rto <= std::chrono::seconds(10));
      CULVERT_CHECK(stats.receive_buffered_bytes <= uint64_t{stats.receive_window_segments} * 2048);
      CULVERT_CHECK(stats.acknowledged_bytes <= stats.tx_bytes);
    });
    CULVERT_CHECK(endpoint->session_count() <= 65536);
  }
}

}  // namespace culvert::fuzz
