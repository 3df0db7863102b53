#include "core/kcp/segment.h"

#include <gtest/gtest.h>

#include <array>

namespace culvert::kcp {
namespace {

TEST(Segment, DataRoundTrip) {
  std::array<uint8_t, 64> out;
  const DataSegment data{.conversation_id = 0xa21f,
                         .option = kOptionClose,
                         .timestamp = 5,
                         .number = SerialNumber(7),
                         .sending_next = SerialNumber(3),
                         .payload = AsBytes("hello")};
  const size_t size = EncodeData(data, out);
  ASSERT_EQ(size, kDataHeadSize + 5);
  SegmentParser parser(ByteView(out).first(size));
  const std::optional<Segment> segment = parser.Next();
  ASSERT_TRUE(segment.has_value());
  const DataSegment& parsed = std::get<DataSegment>(*segment);
  EXPECT_EQ(parsed.conversation_id, 0xa21f);
  EXPECT_EQ(parsed.option, kOptionClose);
  EXPECT_EQ(parsed.timestamp, 5u);
  EXPECT_EQ(parsed.number, SerialNumber(7));
  EXPECT_EQ(parsed.sending_next, SerialNumber(3));
  EXPECT_EQ(AsText(parsed.payload), "hello");
  EXPECT_FALSE(parser.Next().has_value());
}

TEST(Segment, WhatParsedBeforeABadOneIsKept) {
  std::array<uint8_t, 64> out{};
  const size_t size = EncodeCommand({.conversation_id = 1, .peer_rto = 100}, out);
  SegmentParser parser(ByteView(out).first(size + 9));
  EXPECT_TRUE(parser.Next().has_value());
  EXPECT_FALSE(parser.Next().has_value());
}

TEST(Segment, AnUnknownCommandIsACommand) {
  std::array<uint8_t, 64> out;
  const size_t size = EncodeCommand({.conversation_id = 1, .command = 200, .sending_next = SerialNumber(4)}, out);
  SegmentParser parser(ByteView(out).first(size));
  EXPECT_EQ(std::get<CommandSegment>(*parser.Next()).sending_next, SerialNumber(4));
}

TEST(Segment, EveryTruncationIsRefused) {
  std::array<uint8_t, 64> out;
  const std::array<uint8_t, 8> numbers = {0, 0, 0, 1, 0, 0, 0, 2};
  const size_t ack = EncodeAck({.conversation_id = 1, .numbers = numbers}, out);
  for (size_t size = 0; size < ack; ++size) EXPECT_FALSE(SegmentParser(ByteView(out).first(size)).Next().has_value());
  const size_t data = EncodeData({.conversation_id = 1, .payload = AsBytes("ab")}, out);
  for (size_t size = 0; size < data; ++size) EXPECT_FALSE(SegmentParser(ByteView(out).first(size)).Next().has_value());
}

TEST(Segment, AnEmptyDataSegmentParsesOnlyWhenSomethingFollows) {
  std::array<uint8_t, 64> out;
  const size_t data = EncodeData({.conversation_id = 1}, out);
  EXPECT_FALSE(SegmentParser(ByteView(out).first(data)).Next().has_value());
  const size_t ping = EncodeCommand({.conversation_id = 1}, ByteSpan(out).subspan(data));
  SegmentParser parser(ByteView(out).first(data + ping));
  EXPECT_TRUE(std::holds_alternative<DataSegment>(*parser.Next()));
  EXPECT_TRUE(std::holds_alternative<CommandSegment>(*parser.Next()));
}

}  // namespace
}  // namespace culvert::kcp
