#include "proto/manifest/utf8.h"
#include "gtest/gtest.h"

namespace culvert::manifest {
namespace {

TEST(DecodeUtf8, TakesWellFormedText) {
  EXPECT_EQ(DecodeUtf8("a").value, U'a');
  EXPECT_EQ(DecodeUtf8("\xc3\xa9").value, 0xe9u);
  EXPECT_EQ(DecodeUtf8("\xe2\x82\xac").length, 3u);
  EXPECT_EQ(DecodeUtf8("\xf0\x9f\x98\x80").value, 0x1f600u);
}

TEST(DecodeUtf8, RefusesTheRest) {
  for (const char* text :
       {"\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "\xf0\x9f\x98", ""}) {
    EXPECT_EQ(DecodeUtf8(text).length, 0u);
  }
}

TEST(IsUnsafeToPrint, NamesControlsAndBidirectionalMarks) {
  for (const char32_t value : {0x00u, 0x1bu, 0x7fu, 0x9bu, 0x200eu, 0x202eu, 0x2028u, 0x2066u, 0xfeffu}) {
    EXPECT_TRUE(IsUnsafeToPrint(value)) << static_cast<uint32_t>(value);
  }
  for (const char32_t value : {U'a', U' ', char32_t{0xe9}, char32_t{0x4e2d}, char32_t{0x1f600}})
    EXPECT_FALSE(IsUnsafeToPrint(value));
}

}  // namespace
}  // namespace culvert::manifest
