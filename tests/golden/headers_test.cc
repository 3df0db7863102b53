// Disguise headers of whole captures: one writer, started from the first header seen, writes all that follow.
#include <gtest/gtest.h>

#include <map>
#include <utility>
#include <vector>

#include "tests/golden/vectors.h"

namespace culvert::golden {
namespace {

TEST(GoldenHeaders, EvolveAsCaptured) {
  size_t datagrams = 0;
  std::vector<VectorFile> files = LoadVectors("mkcp");
  for (VectorFile& file : LoadVectors("quic-outer")) files.push_back(std::move(file));
  for (const VectorFile& file : files) {
    const Capture capture = MakeCapture(file.name, file.content);
    if (HeaderSize(capture.header) == 0) continue;
    std::map<std::string, HeaderWriter> writers;
    for (size_t i = 0; i < capture.packets.size(); ++i) {
      SCOPED_TRACE(capture.name + " packet " + std::to_string(i));
      const Json& packet = capture.packets[i];
      HeaderWriter& writer =
          writers
              .try_emplace(WriterOf(packet), capture.header, StateToWrite(capture.header, packet.at("header_fields")))
              .first->second;
      Bytes bytes(writer.size());
      writer.WriteNext(bytes);
      ASSERT_EQ(ToHex(bytes), Text(packet, "header_hex"));
      ++datagrams;
    }
  }
  EXPECT_GT(datagrams, 0u);
}

}  // namespace
}  // namespace culvert::golden
