#include "core/kcp/segment.h"

#include "core/base/check.h"

namespace culvert::kcp {
namespace {

// What v2ray demands behind the head of a data segment. One more than the fixed fields have, so an empty data segment
// parses only when something follows it (section 4.1).
constexpr size_t kDataBodyMinimum = 15;

void WriteHead(ByteWriter& writer, uint16_t conversation_id, uint8_t command, uint8_t option) {
  writer.WriteU16(conversation_id);
  writer.WriteU8(command);
  writer.WriteU8(option);
}

}  // namespace

std::optional<Segment> SegmentParser::Next() {
  ByteReader reader(rest_);
  const uint16_t conversation_id = reader.ReadU16();
  const uint8_t command = reader.ReadU8();
  const uint8_t option = reader.ReadU8();
  Segment segment;
  if (command == static_cast<uint8_t>(Command::kData)) {
    if (reader.remaining() < kDataBodyMinimum) return std::nullopt;
    DataSegment& data = segment.emplace<DataSegment>();
    data.conversation_id = conversation_id;
    data.option = option;
    data.timestamp = reader.ReadU32();
    data.number = SerialNumber(reader.ReadU32());
    data.sending_next = SerialNumber(reader.ReadU32());
    data.payload = reader.ReadBytes(reader.ReadU16());
    // Section 4.1: more than a segment can hold is cut, though all of it is taken off the datagram.
    if (data.payload.size() > kMaxSegmentPayload) data.payload = data.payload.first(kMaxSegmentPayload);
  } else if (command == static_cast<uint8_t>(Command::kAck)) {
    AckSegment& ack = segment.emplace<AckSegment>();
    ack.conversation_id = conversation_id;
    ack.option = option;
    ack.receiving_window = SerialNumber(reader.ReadU32());
    ack.receiving_next = SerialNumber(reader.ReadU32());
    ack.timestamp = reader.ReadU32();
    ack.numbers = reader.ReadBytes(size_t{4} * reader.ReadU8());
  } else {
    CommandSegment& other = segment.emplace<CommandSegment>();
    other.conversation_id = conversation_id;
    other.command = command;
    other.option = option;
    other.sending_next = SerialNumber(reader.ReadU32());
    other.receiving_next = SerialNumber(reader.ReadU32());
    other.peer_rto = reader.ReadU32();
  }
  if (!reader.ok()) return std::nullopt;
  rest_ = rest_.subspan(reader.offset());
  return segment;
}

uint16_t ConversationId(const Segment& segment) {
  return std::visit([](const auto& kind) { return kind.conversation_id; }, segment);
}

uint8_t Option(const Segment& segment) {
  return std::visit([](const auto& kind) { return kind.option; }, segment);
}

size_t EncodeDataHead(const DataSegment& segment, size_t payload_size, ByteSpan out) {
  CULVERT_CHECK(payload_size <= kMaxSegmentPayload);
  ByteWriter writer(out);
  WriteHead(writer, segment.conversation_id, static_cast<uint8_t>(Command::kData), segment.option);
  writer.WriteU32(segment.timestamp);
  writer.WriteU32(segment.number.value());
  writer.WriteU32(segment.sending_next.value());
  writer.WriteU16(static_cast<uint16_t>(payload_size));
  CULVERT_CHECK(writer.ok());
  return writer.written();
}

size_t EncodeData(const DataSegment& segment, ByteSpan out) {
  const size_t head = EncodeDataHead(segment, segment.payload.size(), out);
  ByteWriter writer(out.subspan(head));
  writer.WriteBytes(segment.payload);
  CULVERT_CHECK(writer.ok());
  return head + writer.written();
}

size_t EncodeAck(const AckSegment& segment, ByteSpan out) {
  CULVERT_CHECK(segment.count() <= kMaxAckNumbersParsed && segment.numbers.size() % 4 == 0);
  ByteWriter writer(out);
  WriteHead(writer, segment.conversation_id, static_cast<uint8_t>(Command::kAck), segment.option);
  writer.WriteU32(segment.receiving_window.value());
  writer.WriteU32(segment.receiving_next.value());
  writer.WriteU32(segment.timestamp);
  writer.WriteU8(static_cast<uint8_t>(segment.count()));
  writer.WriteBytes(segment.numbers);
  CULVERT_CHECK(writer.ok());
  return writer.written();
}

size_t EncodeCommand(const CommandSegment& segment, ByteSpan out) {
  ByteWriter writer(out);
  WriteHead(writer, segment.conversation_id, segment.command, segment.option);
  writer.WriteU32(segment.sending_next.value());
  writer.WriteU32(segment.receiving_next.value());
  writer.WriteU32(segment.peer_rto);
  CULVERT_CHECK(writer.ok());
  return writer.written();
}

}  // namespace culvert::kcp
