#include "core/quic/stream_buffer.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/base/random.h"

namespace culvert::quic {
namespace {

uint8_t At(uint64_t offset) { return static_cast<uint8_t>(offset * 7 + offset / 251); }

std::vector<uint8_t> Bytes(uint64_t offset, size_t size) {
  std::vector<uint8_t> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = At(offset + i);
  return bytes;
}

// What the queue shows from `offset` on must be what was appended there.
void ExpectContent(const BlockQueue& queue, uint64_t offset) {
  std::vector<ByteView> views(1024);
  const size_t count = queue.Show(offset, views);
  for (size_t i = 0; i < count; ++i) {
    for (const uint8_t byte : views[i]) ASSERT_EQ(byte, At(offset++));
  }
  EXPECT_EQ(offset, queue.end());
}

TEST(BlockQueueTest, KeepsBytesUntilTheyAreTaken) {
  BlockPool pool;
  BlockQueue queue(pool);
  queue.Append(Bytes(0, 3 * kBlockSize + 100));
  ExpectContent(queue, 0);
  ExpectContent(queue, kBlockSize + 1);
  queue.TakeUntil(kBlockSize - 1);
  EXPECT_EQ(pool.in_use(), 4u);
  queue.TakeUntil(kBlockSize);
  EXPECT_EQ(pool.in_use(), 3u);
  ExpectContent(queue, kBlockSize);
  queue.TakeUntil(queue.end());
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(BlockQueueTest, GoesOnAfterItWasEmpty) {
  BlockPool pool;
  BlockQueue queue(pool);
  queue.Append(Bytes(0, 10));
  queue.TakeUntil(10);
  queue.Append(Bytes(10, 2 * kBlockSize));
  EXPECT_EQ(queue.begin(), 10u);
  ExpectContent(queue, 10);
  EXPECT_EQ(pool.in_use(), 2u);
}

TEST(BlockQueueTest, ShowsNoMoreThanThereIsRoomFor) {
  BlockPool pool;
  BlockQueue queue(pool);
  queue.Append(Bytes(0, 5 * kBlockSize));
  std::vector<ByteView> views(2);
  EXPECT_EQ(queue.Show(0, views), 2u);
  EXPECT_EQ(views[0].size() + views[1].size(), 2 * kBlockSize);
}

TEST(BlockQueueTest, AnyOrderOfAppendAndTake) {
  BlockPool pool;
  SeededRandom random(11);
  for (int run = 0; run < 20; ++run) {
    BlockQueue queue(pool);
    for (int step = 0; step < 300; ++step) {
      queue.Append(Bytes(queue.end(), random.NextInRange(0, 40'000)));
      queue.TakeUntil(queue.begin() + random.NextInRange(0, static_cast<uint32_t>(queue.size())));
      if (step % 50 == 0) ExpectContent(queue, queue.begin());
      ASSERT_LE(pool.in_use(), queue.size() / kBlockSize + 2);
    }
    ExpectContent(queue, queue.begin());
  }
  EXPECT_EQ(pool.in_use(), 0u);
}

}  // namespace
}  // namespace culvert::quic
