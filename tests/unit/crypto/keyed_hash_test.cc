#include "core/crypto/keyed_hash.h"

#include <gtest/gtest.h>

#include <vector>

namespace culvert {
namespace {

// The first rows of the reference implementation's table: key 00..0f, input 00, 00 01, ...
TEST(KeyedHash, IsSipHash24) {
  const KeyedHash hash(std::array<uint64_t, 2>{0x0706050403020100, 0x0f0e0d0c0b0a0908});
  const uint64_t expected[] = {0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d};
  std::vector<uint8_t> input;
  for (uint64_t value : expected) {
    EXPECT_EQ(hash(input), value) << input.size();
    input.push_back(static_cast<uint8_t>(input.size()));
  }
}

TEST(KeyedHash, InstancesDiffer) {
  SeededRandom random(1);
  const KeyedHash a(random);
  const KeyedHash b(random);
  EXPECT_EQ(a(AsBytes("peer")), a(AsBytes("peer")));
  EXPECT_NE(a(AsBytes("peer")), b(AsBytes("peer")));
}

}  // namespace
}  // namespace culvert
