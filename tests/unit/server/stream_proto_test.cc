// The hand-written StreamOpen and StreamAccept (core/frontdoor/stream_header.h) beside Protocol Buffers: each reads what the other wrote.
#include <gtest/gtest.h>

#include "core/base/random.h"
#include "core/frontdoor/stream_header.h"
#include "culvert/v1/stream.pb.h"

namespace culvert::frontdoor {
namespace {

std::string Text(SeededRandom& random, size_t most) {
  // With characters of one, two and three bytes.
  constexpr std::string_view kPieces[] = {"a", "Z", "0", ".", "-", " ", "\xc3\xa9", "\xe6\xb0\xb4"};
  std::string text;
  for (uint32_t count = random.NextInRange(0, static_cast<uint32_t>(most / 3)); count > 0; --count) {
    text += kPieces[random.NextInRange(0, std::size(kPieces) - 1)];
  }
  return text;
}

Request RandomRequest(SeededRandom& random) {
  Request request;
  request.network = random.NextInRange(0, 1) == 0 ? Network::kTcp : Network::kUdp;
  if (random.NextInRange(0, 3) != 0) request.destination = {"host-" + std::to_string(random.NextU32()) + ".example", static_cast<uint16_t>(random.NextInRange(1, 65535))};
  if (random.NextInRange(0, 1) == 0) request.source = "192.0.2.1:" + std::to_string(random.NextInRange(1, 65535));
  request.forward = Text(random, 60);
  request.reverse = Text(random, 60);
  if (random.NextInRange(0, 1) == 0) {
    request.trace_id.resize(kTraceIdBytes);
    random.Fill(ByteSpan(reinterpret_cast<uint8_t*>(request.trace_id.data()), kTraceIdBytes));
  }
  request.addressed_datagrams = request.network == Network::kUdp && random.NextInRange(0, 1) == 0;
  return request;
}

std::string_view Message(const std::vector<uint8_t>& bytes) {
  EXPECT_EQ(LoadBigEndian16(bytes.data()), bytes.size() - 2);
  return AsText(ByteView(bytes).subspan(2));
}

TEST(StreamProto, StreamOpenBothWays) {
  SeededRandom random(7);
  for (int i = 0; i < 2000; ++i) {
    const Request request = RandomRequest(random);
    std::vector<uint8_t> ours;
    AppendStreamOpen(request, ours);
    v1::StreamOpen read;
    ASSERT_TRUE(read.ParseFromString(std::string(Message(ours))));
    EXPECT_EQ(read.magic(), kStreamMagic);
    EXPECT_EQ(read.network() == v1::NETWORK_UDP, request.network == Network::kUdp);
    EXPECT_EQ(read.destination(), request.destination.host.empty() ? "" : request.destination.ToString());
    EXPECT_EQ(read.source(), request.source);
    EXPECT_EQ(read.forward(), request.forward);
    EXPECT_EQ(read.reverse(), request.reverse);
    EXPECT_EQ(read.trace_id(), request.trace_id);
    EXPECT_EQ(read.addressed_datagrams(), request.addressed_datagrams);
    // What protobuf makes of it, and with the fields of a later version behind.
    std::string theirs = read.SerializeAsString();
    for (const std::string_view more : {"", "\x7a\x03new", "\xf8\x07\x2a", "\xbd\x06\x01\x02\x03\x04"}) {
      theirs += more;
      Request again;
      ASSERT_EQ(ParseStreamOpen(AsBytes(theirs), again), "") << read.ShortDebugString();
      EXPECT_EQ(again, request);
    }
  }
}

TEST(StreamProto, StreamAcceptBothWays) {
  SeededRandom random(8);
  for (int i = 0; i < 500; ++i) {
    const auto refusal = static_cast<Refusal>(random.NextInRange(0, kRefusalCount - 1));
    const std::string text = Text(random, 500);
    std::vector<uint8_t> ours;
    AppendStreamAccept(refusal, text, ours);
    v1::StreamAccept read;
    ASSERT_TRUE(read.ParseFromString(std::string(Message(ours))));
    EXPECT_EQ(read.magic(), kStreamMagic);
    EXPECT_EQ(static_cast<int>(read.reason()), static_cast<int>(refusal));
    EXPECT_EQ(read.message(), text);
    Refusal again = Refusal::kInternal;
    std::string message;
    ASSERT_EQ(ParseStreamAccept(AsBytes(read.SerializeAsString()), again, message), "");
    EXPECT_EQ(again, refusal);
    EXPECT_EQ(message, text);
  }
}

TEST(StreamProto, ReasonsHaveOneNumber) {
  for (size_t i = 0; i < kRefusalCount; ++i) {
    const std::string name = v1::RefusalReason_Name(static_cast<v1::RefusalReason>(i));
    const std::string_view ours = RefusalName(static_cast<Refusal>(i));
    EXPECT_EQ(name, i == 0 ? "REFUSAL_REASON_UNSPECIFIED" : "REFUSAL_REASON_" + std::string(ours));
  }
  EXPECT_FALSE(v1::RefusalReason_IsValid(static_cast<int>(kRefusalCount))) << "a reason that Refusal does not have";
}

}  // namespace
}  // namespace culvert::frontdoor
