// Every captured datagram, read and written.
#include <gtest/gtest.h>

#include <array>

#include "core/kcp/segment.h"
#include "tests/golden/vectors.h"

namespace culvert::golden {
namespace {

using kcp::AckSegment;
using kcp::CommandSegment;
using kcp::DataSegment;
using kcp::Segment;
using kcp::SegmentParser;

SerialNumber Serial(const Json& number) { return SerialNumber(number.get<uint32_t>()); }

// The numbers of an ack as they stand in the segment.
Bytes NumbersOf(const Json& fields) {
  Bytes bytes;
  for (const Json& number : fields.at("numbers")) {
    bytes.resize(bytes.size() + 4);
    StoreBigEndian32(bytes.data() + bytes.size() - 4, number.get<uint32_t>());
  }
  return bytes;
}

void ExpectFields(const DataSegment& segment, const Json& fields, ByteView plain) {
  ASSERT_EQ(Text(fields, "cmd"), "data");
  EXPECT_EQ(segment.timestamp, Number(fields, "timestamp"));
  EXPECT_EQ(segment.number, Serial(fields.at("number")));
  EXPECT_EQ(segment.sending_next, Serial(fields.at("sending_next")));
  ASSERT_EQ(segment.payload.size(), Number(fields, "length"));
  const size_t offset = fields.at("offset").get<size_t>() + fields.at("payload_offset").get<size_t>();
  EXPECT_EQ(segment.payload.data(), plain.data() + offset);
}

void ExpectFields(const AckSegment& segment, const Json& fields, ByteView) {
  ASSERT_EQ(Text(fields, "cmd"), "ack");
  EXPECT_EQ(segment.receiving_window, Serial(fields.at("receiving_window")));
  EXPECT_EQ(segment.receiving_next, Serial(fields.at("receiving_next")));
  EXPECT_EQ(segment.timestamp, Number(fields, "timestamp"));
  ASSERT_EQ(segment.count(), fields.at("numbers").size());
  for (size_t i = 0; i < segment.count(); ++i) EXPECT_EQ(segment.number(i), Serial(fields.at("numbers")[i]));
}

void ExpectFields(const CommandSegment& segment, const Json& fields, ByteView) {
  EXPECT_EQ(segment.command, Number(fields, "cmd_byte"));
  EXPECT_EQ(segment.is_terminate(), Text(fields, "cmd") == "terminate");
  EXPECT_EQ(segment.sending_next, Serial(fields.at("sending_next")));
  EXPECT_EQ(segment.receiving_next, Serial(fields.at("receiving_next")));
  EXPECT_EQ(segment.peer_rto, Number(fields, "peer_rto"));
}

// Writes the segment the fields describe to the front of `out` and returns its size.
size_t EncodeFields(const Json& fields, ByteView plain, ByteSpan out) {
  const uint16_t conversation_id = fields.at("conv");
  const uint8_t option = fields.at("option");
  const std::string command = fields.at("cmd");
  if (command == "data") {
    const size_t offset = fields.at("offset").get<size_t>() + fields.at("payload_offset").get<size_t>();
    return kcp::EncodeData({conversation_id, option, fields.at("timestamp"), Serial(fields.at("number")),
                            Serial(fields.at("sending_next")), plain.subspan(offset, fields.at("length"))},
                           out);
  }
  if (command == "ack") {
    const Bytes numbers = NumbersOf(fields);
    return kcp::EncodeAck({conversation_id, option, Serial(fields.at("receiving_window")),
                           Serial(fields.at("receiving_next")), fields.at("timestamp"), numbers},
                          out);
  }
  return kcp::EncodeCommand({conversation_id, fields.at("cmd_byte"), option, Serial(fields.at("sending_next")),
                             Serial(fields.at("receiving_next")), fields.at("peer_rto")},
                            out);
}

TEST(GoldenDatagrams, DecodeToTheListedFields) {
  size_t datagrams = 0;
  for (const Capture& capture : LoadCaptures()) {
    for (size_t i = 0; i < capture.packets.size(); ++i) {
      SCOPED_TRACE(capture.name + " packet " + std::to_string(i));
      const Json& packet = capture.packets[i];
      Bytes bytes = FromHex(Text(packet, "hex"));
      ASSERT_GT(bytes.size(), HeaderSize(capture.header));
      const ByteSpan sealed = ByteSpan(bytes).subspan(HeaderSize(capture.header));
      if (capture.sealer->nonce_size() > 0) {
        EXPECT_EQ(ToHex(sealed.first(capture.sealer->nonce_size())), Text(packet, "nonce_hex"));
      }
      ByteSpan plain;
      ASSERT_EQ(capture.sealer->OpenInPlace(sealed, plain), DropReason::kNone);
      ASSERT_EQ(ToHex(plain), Text(packet, "plain_hex"));

      SegmentParser parser(plain);
      for (const Json& fields : packet.at("segments")) {
        ASSERT_EQ(plain.size() - parser.rest().size(), Number(fields, "offset"));
        const size_t before = parser.rest().size();
        const auto segment = parser.Next();
        ASSERT_TRUE(segment.has_value());
        EXPECT_EQ(before - parser.rest().size(), Number(fields, "size"));
        EXPECT_EQ(kcp::ConversationId(*segment), Number(fields, "conv"));
        EXPECT_EQ(kcp::Option(*segment), Number(fields, "option"));
        std::visit([&](const auto& kind) { ExpectFields(kind, fields, plain); }, *segment);
      }
      EXPECT_TRUE(parser.rest().empty());
      EXPECT_EQ(parser.Next(), std::nullopt);
      ++datagrams;
    }
  }
  EXPECT_GT(datagrams, 0u);
  RecordProperty("datagrams", static_cast<int>(datagrams));
}

TEST(GoldenDatagrams, FieldsEncodeToTheSameBytes) {
  size_t datagrams = 0;
  for (const Capture& capture : LoadCaptures()) {
    for (size_t i = 0; i < capture.packets.size(); ++i) {
      SCOPED_TRACE(capture.name + " packet " + std::to_string(i));
      const Json& packet = capture.packets[i];
      const Bytes plain = FromHex(Text(packet, "plain_hex"));
      HeaderWriter header(capture.header, StateToWrite(capture.header, packet.value("header_fields", Json())));
      GivenBytes nonce(FromHex(packet.value("nonce_hex", "")));

      Bytes bytes(header.size() + plain.size() + capture.sealer->overhead());
      const ByteSpan sealed = ByteSpan(bytes).subspan(header.size());
      size_t at = capture.sealer->prefix_size();
      for (const Json& fields : packet.at("segments")) at += EncodeFields(fields, plain, sealed.subspan(at));
      ASSERT_EQ(at + capture.sealer->suffix_size(), sealed.size());
      header.WriteNext(bytes);
      capture.sealer->SealInPlace(sealed, nonce);

      EXPECT_EQ(nonce.left(), 0u);
      EXPECT_EQ(ToHex(bytes), Text(packet, "hex"));
      ++datagrams;
    }
  }
  EXPECT_GT(datagrams, 0u);
}

}  // namespace
}  // namespace culvert::golden
