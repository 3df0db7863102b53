// The streams inside the captures: datagrams opened, segments put in order, digests compared.
#include <gtest/gtest.h>

#include <map>
#include <tuple>

#include "core/crypto/sha256.h"
#include "core/kcp/segment.h"
#include "tests/golden/vectors.h"

namespace culvert::golden {
namespace {

// Flow, conversation, direction.
using StreamKey = std::tuple<uint64_t, uint64_t, std::string>;
// Payload by number. The captures start at 0 and are far from the wrap.
using StreamSegments = std::map<uint32_t, Bytes>;

std::map<StreamKey, StreamSegments> Collect(const Capture& capture, size_t& datagrams) {
  std::map<StreamKey, StreamSegments> streams;
  for (const Json& packet : capture.packets) {
    Bytes bytes = FromHex(Text(packet, "hex"));
    ByteSpan plain;
    EXPECT_EQ(capture.sealer->OpenInPlace(ByteSpan(bytes).subspan(HeaderSize(capture.header)), plain),
              DropReason::kNone);
    ++datagrams;
    kcp::SegmentParser parser(plain);
    while (const auto segment = parser.Next()) {
      const auto* data = std::get_if<kcp::DataSegment>(&*segment);
      if (data == nullptr) continue;
      const StreamKey key(Number(packet, "flow"), data->conversation_id, Text(packet, "dir"));
      const Bytes payload(data->payload.begin(), data->payload.end());
      const auto [at, is_new] = streams[key].try_emplace(data->number.value(), payload);
      if (!is_new) {
        EXPECT_EQ(at->second, payload) << "a repeated segment differs";
      }
    }
  }
  return streams;
}

// A special capture may end before its streams do; a sequence is one connection from first datagram to last.
bool IsWhole(const VectorFile& file) { return file.name.find("-special-") == std::string::npos; }

TEST(GoldenStreams, ReassembleToTheListedDigests) {
  size_t datagrams = 0;
  size_t streams = 0;
  for (const VectorFile& file : LoadVectors("mkcp")) {
    const Capture capture = MakeCapture(file.name, file.content);
    if (capture.streams.is_null()) continue;
    SCOPED_TRACE(capture.name);
    auto collected = Collect(capture, datagrams);
    for (const Json& stream : capture.streams) {
      for (const std::string direction : {"c2s", "s2c"}) {
        if (!stream.contains(direction)) continue;
        const Json& listed = stream.at(direction);
        SCOPED_TRACE(direction + " of conversation " + std::to_string(Number(stream, "conv")));
        const StreamSegments& segments = collected[{Number(stream, "flow"), Number(stream, "conv"), direction}];
        Bytes bytes;
        uint32_t next = 0;
        for (const auto& [number, payload] : segments) {
          ASSERT_EQ(number, next++) << "a number is missing";
          bytes.insert(bytes.end(), payload.begin(), payload.end());
        }
        EXPECT_EQ(ToHex(ByteView(bytes).first(std::min<size_t>(48, bytes.size()))), Text(listed, "first_hex"));
        if (!IsWhole(file) && segments.size() < Number(listed, "segments")) continue;
        EXPECT_EQ(segments.size(), Number(listed, "segments"));
        ASSERT_EQ(bytes.size(), Number(listed, "length"));
        EXPECT_EQ(ToHex(Sha256(bytes)), Text(listed, "sha256"));
        EXPECT_EQ(ToHex(ByteView(bytes).last(std::min<size_t>(16, bytes.size()))), Text(listed, "last_hex"));
        ++streams;
      }
    }
  }
  EXPECT_GT(datagrams, 0u);
  EXPECT_GT(streams, 0u);
}

}  // namespace
}  // namespace culvert::golden
