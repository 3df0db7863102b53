#include "core/base/bytes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace culvert {
namespace {

using ::testing::ElementsAre;

TEST(Bytes, TextAndBytesAreTwoViewsOfOneMemory) {
  const std::string_view text = "ab\0c";
  EXPECT_EQ(AsText(AsBytes(text)).data(), text.data());
  EXPECT_EQ(AsText(AsBytes(text)), text);
}

TEST(ByteReader, ReadsBigEndianFrontToBack) {
  const std::vector<uint8_t> bytes = {0x01, 0x02, 0x03, 0x84, 0x05, 0x06, 0x07, 0xaa, 0xbb, 0xcc};
  ByteReader reader(bytes);
  EXPECT_EQ(reader.ReadU8(), 0x01);
  EXPECT_EQ(reader.ReadU16(), 0x0203);
  EXPECT_EQ(reader.ReadU32(), 0x84050607u);
  EXPECT_THAT(reader.ReadBytes(2), ElementsAre(0xaa, 0xbb));
  EXPECT_EQ(reader.remaining(), 1u);
  EXPECT_EQ(reader.offset(), 9u);
  EXPECT_TRUE(reader.ok());
}

TEST(ByteReader, ReadingPastTheEndYieldsZerosForGood) {
  const std::vector<uint8_t> bytes = {0xff, 0xff, 0xff};
  ByteReader reader(bytes);
  EXPECT_EQ(reader.ReadU32(), 0u);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.ReadU8(), 0) << "a reader that failed must not go on with what is left";
  EXPECT_TRUE(reader.ReadBytes(0).empty());
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.offset(), 0u);
}

TEST(ByteReader, EmptyReadsAreFineAtTheEnd) {
  ByteReader reader({});
  EXPECT_TRUE(reader.ReadBytes(0).empty());
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(reader.ReadBytes(SIZE_MAX).size(), 0u);
  EXPECT_FALSE(reader.ok());
}

TEST(ByteWriter, WritesBigEndianFrontToBack) {
  std::array<uint8_t, 9> bytes{};
  ByteWriter writer(bytes);
  writer.WriteU8(0x01);
  writer.WriteU16(0x0203);
  writer.WriteU32(0x84050607);
  writer.WriteBytes(std::array<uint8_t, 2>{0xaa, 0xbb});
  EXPECT_THAT(bytes, ElementsAre(1, 2, 3, 0x84, 5, 6, 7, 0xaa, 0xbb));
  EXPECT_TRUE(writer.ok());
  EXPECT_EQ(writer.written(), 9u);
  EXPECT_EQ(writer.remaining(), 0u);
  writer.WriteBytes({});
  EXPECT_TRUE(writer.ok());
}

TEST(ByteWriter, WritingPastTheEndWritesNothing) {
  std::array<uint8_t, 4> bytes = {9, 9, 9, 9};
  ByteWriter writer(ByteSpan(bytes).first(3));
  writer.WriteU32(0x01020304);
  EXPECT_FALSE(writer.ok());
  writer.WriteU8(1);
  EXPECT_THAT(bytes, ElementsAre(9, 9, 9, 9));
  EXPECT_EQ(writer.written(), 0u);
}

}  // namespace
}  // namespace culvert
