#include "tests/testing/pattern.h"

#include <gtest/gtest.h>

#include <vector>

namespace culvert::testing {
namespace {

TEST(Pattern, IsTheSameWhereverItIsCut) {
  std::vector<uint8_t> whole(10'000);
  FillPattern(1, 0, whole);
  for (const size_t at : {0u, 1u, 7u, 8u, 4095u, 9999u}) {
    std::vector<uint8_t> part(whole.size() - at);
    FillPattern(1, at, part);
    EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + static_cast<std::ptrdiff_t>(at))) << at;
    EXPECT_EQ(FindMismatch(1, at, part), std::nullopt);
  }
}

TEST(Pattern, FindsTheFirstWrongByte) {
  std::vector<uint8_t> bytes(10'000);
  FillPattern(1, 500, bytes);
  bytes[5000] ^= 1;
  EXPECT_EQ(FindMismatch(1, 500, bytes), 5500u);
  EXPECT_TRUE(FindMismatch(2, 500, bytes).has_value());
}

TEST(Pattern, SeedsDiffer) {
  std::vector<uint8_t> a(64), b(64);
  FillPattern(1, 0, a);
  FillPattern(2, 0, b);
  EXPECT_NE(a, b);
}

}  // namespace
}  // namespace culvert::testing
