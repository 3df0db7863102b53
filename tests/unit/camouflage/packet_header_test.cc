#include "core/camouflage/packet_header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <set>
#include <vector>

namespace culvert {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

constexpr HeaderType kAll[] = {HeaderType::kNone,        HeaderType::kSrtp, HeaderType::kUtp,
                               HeaderType::kWechatVideo, HeaderType::kDtls, HeaderType::kWireguard};

std::vector<uint8_t> Next(HeaderWriter& writer) {
  std::vector<uint8_t> bytes(writer.size());
  writer.WriteNext(bytes);
  return bytes;
}

TEST(PacketHeader, NamesAreV2rays) {
  for (HeaderType type : kAll) EXPECT_EQ(HeaderFromName(HeaderName(type)), type);
  EXPECT_EQ(HeaderName(HeaderType::kWechatVideo), "wechat-video");
  EXPECT_EQ(HeaderFromName("http"), std::nullopt);
  EXPECT_EQ(HeaderFromName(""), std::nullopt);
  EXPECT_EQ(HeaderFromName("SRTP"), std::nullopt);
}

TEST(PacketHeader, SizesAreFixed) {
  EXPECT_EQ(HeaderSize(HeaderType::kNone), 0u);
  EXPECT_EQ(HeaderSize(HeaderType::kSrtp), 4u);
  EXPECT_EQ(HeaderSize(HeaderType::kUtp), 4u);
  EXPECT_EQ(HeaderSize(HeaderType::kWechatVideo), 13u);
  EXPECT_EQ(HeaderSize(HeaderType::kDtls), 13u);
  EXPECT_EQ(HeaderSize(HeaderType::kWireguard), 4u);
}

TEST(HeaderWriter, WritesItsSizeAndNothingMore) {
  for (HeaderType type : kAll) {
    SeededRandom random(1);
    HeaderWriter writer(type, random);
    std::array<uint8_t, 20> bytes;
    bytes.fill(0xee);
    writer.WriteNext(bytes);
    for (size_t i = writer.size(); i < bytes.size(); ++i) EXPECT_EQ(bytes[i], 0xee) << HeaderName(type) << " at " << i;
  }
}

TEST(HeaderWriter, SrtpCountsBeforeItWritesAndWraps) {
  HeaderWriter writer(HeaderType::kSrtp, {.number = 0xfffe});
  EXPECT_THAT(Next(writer), ElementsAre(0xb5, 0xe8, 0xff, 0xff));
  EXPECT_THAT(Next(writer), ElementsAre(0xb5, 0xe8, 0x00, 0x00));
  EXPECT_THAT(Next(writer), ElementsAre(0xb5, 0xe8, 0x00, 0x01));
}

TEST(HeaderWriter, UtpIsConstant) {
  HeaderWriter writer(HeaderType::kUtp, {.constant = 0xe73c});
  for (int i = 0; i < 3; ++i) EXPECT_THAT(Next(writer), ElementsAre(0xe7, 0x3c, 0x01, 0x00));
}

TEST(HeaderWriter, WechatCountsIn32Bits) {
  HeaderWriter writer(HeaderType::kWechatVideo, {.number = 0xffff});
  EXPECT_THAT(Next(writer),
              ElementsAreArray({0xa1, 0x08, 0x00, 0x01, 0x00, 0x00, 0x00, 0x10, 0x11, 0x18, 0x30, 0x22, 0x30}));
  HeaderWriter last(HeaderType::kWechatVideo, {.number = 0xffffffff});
  EXPECT_THAT(Next(last),
              ElementsAreArray({0xa1, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x11, 0x18, 0x30, 0x22, 0x30}));
}

TEST(HeaderWriter, DtlsWalksThroughItsLengths) {
  HeaderWriter writer(HeaderType::kDtls, {.constant = 0xd81f});
  EXPECT_THAT(Next(writer), ElementsAreArray({0x17, 0xfe, 0xfd, 0xd8, 0x1f, 0, 0, 0, 0, 0, 0, 0x00, 0x11}));
  EXPECT_THAT(Next(writer), ElementsAreArray({0x17, 0xfe, 0xfd, 0xd8, 0x1f, 0, 0, 0, 0, 0, 1, 0x00, 0x22}));
  std::vector<int> lengths;
  for (int i = 2; i < 102; ++i) {
    const auto bytes = Next(writer);
    EXPECT_EQ(LoadBigEndian32(bytes.data() + 7), static_cast<uint32_t>(i));
    lengths.push_back(LoadBigEndian16(bytes.data() + 11));
  }
  EXPECT_THAT(std::vector<int>(lengths.begin(), lengths.begin() + 13),
              ElementsAre(51, 68, 85, 52, 69, 86, 53, 70, 87, 54, 71, 88, 55));
  for (int i = 0; i < 50; ++i) {
    EXPECT_GE(lengths[i], 51);
    EXPECT_LE(lengths[i], 100);
    EXPECT_EQ(lengths[i], lengths[i + 50]) << "the period is 50";
  }
}

TEST(HeaderWriter, WireguardIsConstant) {
  HeaderWriter writer(HeaderType::kWireguard, {});
  for (int i = 0; i < 3; ++i) EXPECT_THAT(Next(writer), ElementsAre(4, 0, 0, 0));
}

TEST(HeaderWriter, DrawsSixteenBits) {
  SeededRandom random(1);
  std::set<std::vector<uint8_t>> first_headers;
  for (int i = 0; i < 200; ++i) {
    HeaderWriter writer(HeaderType::kWechatVideo, random);
    const auto bytes = Next(writer);
    const uint32_t number = LoadBigEndian32(bytes.data() + 2);
    EXPECT_GE(number, 1u);
    EXPECT_LE(number, 0x10000u);
    first_headers.insert(bytes);
  }
  EXPECT_GT(first_headers.size(), 190u);
}

}  // namespace
}  // namespace culvert
