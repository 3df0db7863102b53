#include "core/frontdoor/stream_header.h"

#include <algorithm>
#include <array>

#include "core/base/check.h"
#include "core/frontdoor/text.h"
#include "core/frontdoor/wire_format.h"

namespace culvert::frontdoor {
namespace {

using wire::Field;
using wire::Type;

// Field numbers of stream.proto.
constexpr uint32_t kMagic = 1;
constexpr uint32_t kNetwork = 2;
constexpr uint32_t kDestination = 3;
constexpr uint32_t kSource = 4;
constexpr uint32_t kForward = 5;
constexpr uint32_t kTraceId = 6;
constexpr uint32_t kReverse = 7;
constexpr uint32_t kAddressedDatagrams = 8;
constexpr uint32_t kReason = 2;   // of StreamAccept
constexpr uint32_t kMessage = 3;  // of StreamAccept

constexpr uint64_t kNetworkTcp = 1;
constexpr uint64_t kNetworkUdp = 2;

constexpr size_t kSizeBytes = 2;
// Tag of field 1 with four bytes, and the magic in little-endian order.
constexpr std::array<uint8_t, 5> kStart = {kMagic << 3 | static_cast<uint8_t>(Type::kFixed32), 0x31, 0x54, 0x56, 0x43};
static_assert(kStart[1] == (kStreamMagic & 0xff) && kStart[4] == kStreamMagic >> 24);

// The longest header fits: four strings, a trace id, their tags and sizes.
static_assert(kStart.size() + (kMaxHostBytes + 8) + kMaxSourceBytes + 2 * kMaxNameBytes + kTraceIdBytes + 32 <=
              kMaxStreamHeaderBytes);

size_t BeginMessage(std::vector<uint8_t>& out) {
  const size_t start = out.size();
  out.insert(out.end(), kSizeBytes, 0);
  out.insert(out.end(), kStart.begin(), kStart.end());
  return start;
}

void EndMessage(size_t start, std::vector<uint8_t>& out) {
  const size_t size = out.size() - start - kSizeBytes;
  CULVERT_CHECK(size <= kMaxStreamHeaderBytes);
  StoreBigEndian16(out.data() + start, static_cast<uint16_t>(size));
}

constexpr std::string_view kNoMagic = "the header does not begin with the magic";
constexpr std::string_view kBadField = "a field of the header is malformed";

// Calls `take` with every field behind the magic, until it says what is wrong.
template <typename Take>
std::string_view ForEachField(ByteView message, const Take& take) {
  if (message.size() < kStart.size() || !std::equal(kStart.begin(), kStart.end(), message.begin())) return kNoMagic;
  wire::FieldReader reader(message.subspan(kStart.size()));
  Field field;
  while (reader.Next(field)) {
    if (field.number == kMagic) {
      if (field.type != Type::kFixed32 || field.value != kStreamMagic) return kBadField;
    } else if (const std::string_view wrong = take(field); !wrong.empty()) {
      return wrong;
    }
  }
  return reader.ok() ? std::string_view() : kBadField;
}

bool TakePlain(const Field& field, size_t max_bytes, std::string& out) {
  const std::string_view text = AsText(field.bytes);
  if (field.type != Type::kBytes || text.size() > max_bytes || !IsPlainText(text)) return false;
  out = text;
  return true;
}

bool TakeDestination(const Field& field, HostPort& out) {
  std::string text;
  if (!TakePlain(field, kMaxStreamHeaderBytes, text)) return false;
  if (text.empty()) {
    out = {};
    return true;
  }
  auto parsed = HostPort::Parse(text);
  if (!parsed.ok() || !IsHost(parsed->host)) return false;
  out = *std::move(parsed);
  return true;
}

class AddressedDoor final : public Door {
 public:
  size_t OnBytes(ByteView bytes) override {
    if (state_ != State::kReading) return 0;
    const size_t taken = buffer_.OnBytes(bytes);
    if (buffer_.state() == StreamHeaderBuffer::State::kForeign) {
      Refuse(Refusal::kMalformed, "the peer does not send a StreamOpen: its stream_header is not CULVERT, or it is no culvertd");
    } else if (buffer_.state() == StreamHeaderBuffer::State::kWhole) {
      if (const std::string_view wrong = ParseStreamOpen(buffer_.message(), request_); wrong.empty()) {
        state_ = State::kRequested;
      } else {
        AppendStreamAccept(Refusal::kMalformed, wrong, output_);
        Refuse(Refusal::kMalformed, std::string(wrong));
      }
      buffer_.Free();
    }
    return taken;
  }

  void Answer(Refusal refusal, std::string_view message, const SocketAddress&) override {
    CULVERT_CHECK(state_ == State::kRequested);
    AppendStreamAccept(refusal, message, output_);
    if (refusal == Refusal::kNone) {
      state_ = State::kDone;
    } else {
      Refuse(refusal, PlainText(message, kMaxRefusalMessageBytes));
    }
  }

 private:
  StreamHeaderBuffer buffer_;
};

}  // namespace

void AppendStreamOpen(const Request& request, std::vector<uint8_t>& out) {
  CULVERT_CHECK(request.trace_id.empty() || request.trace_id.size() == kTraceIdBytes);
  const size_t start = BeginMessage(out);
  wire::AppendVarintField(kNetwork, request.network == Network::kUdp ? kNetworkUdp : kNetworkTcp, out);
  if (!request.destination.host.empty()) wire::AppendBytesField(kDestination, request.destination.ToString(), out);
  wire::AppendBytesField(kSource, request.source, out);
  wire::AppendBytesField(kForward, request.forward, out);
  wire::AppendBytesField(kTraceId, request.trace_id, out);
  wire::AppendBytesField(kReverse, request.reverse, out);
  wire::AppendVarintField(kAddressedDatagrams, request.addressed_datagrams ? 1 : 0, out);
  EndMessage(start, out);
}

void AppendStreamAccept(Refusal refusal, std::string_view message, std::vector<uint8_t>& out) {
  const size_t start = BeginMessage(out);
  wire::AppendVarintField(kReason, static_cast<uint64_t>(refusal), out);
  wire::AppendBytesField(kMessage, PlainText(message, kMaxRefusalMessageBytes), out);
  EndMessage(start, out);
}

std::string_view ParseStreamOpen(ByteView message, Request& out) {
  Request request;
  const std::string_view wrong = ForEachField(message, [&](const Field& field) -> std::string_view {
    switch (field.number) {
      case kNetwork:
        if (field.type != Type::kVarint || field.value > kNetworkUdp) return "the network is neither TCP nor UDP";
        request.network = field.value == kNetworkUdp ? Network::kUdp : Network::kTcp;
        return {};
      case kDestination:
        return TakeDestination(field, request.destination) ? "" : "the destination is not HOST:PORT";
      case kSource:
        return TakePlain(field, kMaxSourceBytes, request.source) ? "" : "the source is malformed";
      case kForward:
        return TakePlain(field, kMaxNameBytes, request.forward) ? "" : "the name of the forward is malformed";
      case kTraceId:
        if (field.type != Type::kBytes || (!field.bytes.empty() && field.bytes.size() != kTraceIdBytes)) {
          return "the trace id has neither 16 bytes nor none";
        }
        request.trace_id = AsText(field.bytes);
        return {};
      case kReverse:
        return TakePlain(field, kMaxNameBytes, request.reverse) ? "" : "the name of the offer is malformed";
      case kAddressedDatagrams:
        if (field.type != Type::kVarint) return kBadField;
        request.addressed_datagrams = field.value != 0;
        return {};
      default:
        return {};
    }
  });
  if (wrong.empty()) out = std::move(request);
  return wrong;
}

std::string_view ParseStreamAccept(ByteView message, Refusal& refusal, std::string& text) {
  Refusal parsed_refusal = Refusal::kNone;
  std::string parsed_text;
  const std::string_view wrong = ForEachField(message, [&](const Field& field) -> std::string_view {
    switch (field.number) {
      case kReason:
        if (field.type != Type::kVarint) return kBadField;
        parsed_refusal = RefusalFromNumber(field.value);
        return {};
      case kMessage:
        return TakePlain(field, kMaxRefusalMessageBytes, parsed_text) ? "" : "the message is malformed";
      default:
        return {};
    }
  });
  if (wrong.empty()) {
    refusal = parsed_refusal;
    text = std::move(parsed_text);
  }
  return wrong;
}

size_t StreamHeaderBuffer::OnBytes(ByteView bytes) {
  size_t taken = 0;
  while (state_ == State::kReading && taken < bytes.size()) {
    if (head_bytes_ < kSizeBytes + kStart.size()) {
      OnHeadByte(bytes[taken++]);
    } else {
      const ByteView chunk = bytes.subspan(taken, std::min(size_ - message_.size(), bytes.size() - taken));
      message_.insert(message_.end(), chunk.begin(), chunk.end());
      taken += chunk.size();
      if (message_.size() == size_) state_ = State::kWhole;
    }
  }
  return taken;
}

void StreamHeaderBuffer::OnHeadByte(uint8_t byte) {
  const size_t index = head_bytes_++;
  if (index < kSizeBytes) {
    size_ = size_ << 8 | byte;
    if (index + 1 == kSizeBytes && (size_ < kStart.size() || size_ > kMaxStreamHeaderBytes)) state_ = State::kForeign;
    return;
  }
  if (byte != kStart[index - kSizeBytes]) {
    state_ = State::kForeign;
    return;
  }
  if (head_bytes_ < kSizeBytes + kStart.size()) return;
  message_.reserve(size_);
  message_.assign(kStart.begin(), kStart.end());
  if (message_.size() == size_) state_ = State::kWhole;
}

size_t StreamAcceptReader::OnBytes(ByteView bytes) {
  if (state_ != State::kReading) return 0;
  const size_t taken = buffer_.OnBytes(bytes);
  if (buffer_.state() == StreamHeaderBuffer::State::kReading) return taken;
  std::string_view wrong = kNoMagic;
  if (buffer_.state() == StreamHeaderBuffer::State::kWhole) wrong = ParseStreamAccept(buffer_.message(), refusal_, message_);
  if (!wrong.empty()) {
    state_ = State::kMalformed;
    refusal_ = Refusal::kMalformed;
    message_ = wrong;
  } else {
    state_ = refusal_ == Refusal::kNone ? State::kAccepted : State::kRefused;
  }
  buffer_.Free();
  return taken;
}

std::unique_ptr<Door> CreateAddressedDoor() { return std::make_unique<AddressedDoor>(); }

}  // namespace culvert::frontdoor
