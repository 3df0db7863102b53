#include "core/kcp/block_pool.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace culvert::kcp {
namespace {

TEST(BlockPool, GivesDistinctBlocksAndTakesThemBack) {
  BlockPool pool(100);
  std::set<uint8_t*> blocks;
  for (int i = 0; i < 1000; ++i) {
    uint8_t* block = pool.Take();
    block[99] = 1;
    EXPECT_TRUE(blocks.insert(block).second);
  }
  EXPECT_EQ(pool.in_use(), 1000u);
  for (uint8_t* block : blocks) pool.Give(block);
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(BlockPool, AnIdlePoolGivesABurstsMemoryBack) {
  BlockPool pool(100);
  for (int round = 0; round < 3; ++round) {
    std::vector<uint8_t*> blocks;
    for (int i = 0; i < 64 * 40; ++i) blocks.push_back(pool.Take());
    for (uint8_t* block : blocks) pool.Give(block);
    EXPECT_EQ(pool.in_use(), 0u);
  }
}

}  // namespace
}  // namespace culvert::kcp
