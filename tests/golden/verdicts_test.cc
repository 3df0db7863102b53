// Good and bad datagrams as a v2ray listener judged them: which open a connection.
#include <gtest/gtest.h>

#include "core/kcp/segment.h"
#include "tests/golden/vectors.h"

namespace culvert::golden {
namespace {

// A datagram opens a connection when it opens, its first segment parses, and that is no terminate (spec/mkcp.md
// sections 1.1 and 15).
bool CreatesConnection(const Capture& capture, Bytes bytes) {
  if (bytes.size() <= HeaderSize(capture.header)) return false;
  ByteSpan plain;
  if (capture.sealer->OpenInPlace(ByteSpan(bytes).subspan(HeaderSize(capture.header)), plain) != DropReason::kNone) {
    return false;
  }
  const auto first = kcp::SegmentParser(plain).Next();
  if (!first) return false;
  const auto* command = std::get_if<kcp::CommandSegment>(&*first);
  return command == nullptr || !command->is_terminate();
}

TEST(GoldenVerdicts, AgreeWithTheListener) {
  size_t datagrams = 0;
  for (const VectorFile& file : LoadVectors("mkcp-listener-verdicts")) {
    for (const Json& group : file.content.at("groups")) {
      const Capture capture = MakeCapture(file.name, group);
      for (const Json& entry : group.at("cases")) {
        EXPECT_EQ(CreatesConnection(capture, FromHex(Text(entry, "hex"))), entry.at("creates_connection").get<bool>())
            << group.at("security") << " " << entry.at("name") << ": " << entry.at("why");
        ++datagrams;
      }
    }
  }
  EXPECT_GT(datagrams, 0u);
}

}  // namespace
}  // namespace culvert::golden
