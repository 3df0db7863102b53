#include "core/transport/packet_queue.h"

#include <gtest/gtest.h>

#include <deque>
#include <vector>

#include "core/base/random.h"

namespace culvert {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes Front(const PacketQueue& queue) { return {queue.front().begin(), queue.front().end()}; }

TEST(PacketQueue, FirstInFirstOut) {
  PacketQueue queue;
  EXPECT_TRUE(queue.empty());
  EXPECT_TRUE(queue.Push(Bytes{1, 2}, Bytes{3}));
  EXPECT_TRUE(queue.Push({}, {}));
  EXPECT_TRUE(queue.Push({}, Bytes{4}));
  EXPECT_EQ(queue.size(), 3u);
  EXPECT_EQ(queue.bytes(), 4u);
  EXPECT_EQ(Front(queue), (Bytes{1, 2, 3}));
  queue.Pop();
  EXPECT_EQ(Front(queue), Bytes{});
  queue.Pop();
  EXPECT_EQ(Front(queue), Bytes{4});
  queue.Pop();
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.dropped(), 0u);
}

TEST(PacketQueue, TheOldestMakesRoom) {
  PacketQueue queue({.packets = 2});
  for (uint8_t i = 0; i < 5; ++i) EXPECT_TRUE(queue.Push({}, Bytes{i}));
  EXPECT_EQ(queue.size(), 2u);
  EXPECT_EQ(queue.dropped(), 3u);
  EXPECT_EQ(Front(queue), Bytes{3});
}

TEST(PacketQueue, BytesAreLimitedToo) {
  PacketQueue queue({.packets = 100, .bytes = 1000});
  EXPECT_TRUE(queue.Push({}, Bytes(400)));
  EXPECT_TRUE(queue.Push({}, Bytes(400)));
  EXPECT_TRUE(queue.Push({}, Bytes(401)));  // both before cannot stay beside it with what each takes
  EXPECT_EQ(queue.dropped(), 1u);
  EXPECT_FALSE(queue.Push({}, Bytes(1000)));  // more than all there is
  EXPECT_EQ(queue.size(), 2u);
  EXPECT_EQ(queue.dropped(), 2u);
}

TEST(PacketQueue, ALargestDatagramFits) {
  PacketQueue queue;
  EXPECT_TRUE(queue.Push({}, Bytes(65507, 7)));
  EXPECT_EQ(Front(queue), Bytes(65507, 7));
}

// Against the obvious, through wraps, growth and being emptied.
TEST(PacketQueue, DoesWhatADequeDoes) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SeededRandom random(seed);
    const size_t most = 1 + random.NextInRange(0, 39);
    const size_t largest = 1 + random.NextInRange(0, 2999);
    PacketQueue queue({.packets = most, .bytes = 1 << 20});
    std::deque<Bytes> expected;
    uint64_t dropped = 0;
    for (int step = 0; step < 3000; ++step) {
      if (random.NextInRange(0, 99) < 52) {
        Bytes packet(random.NextInRange(0, static_cast<uint32_t>(largest - 1)));
        for (uint8_t& byte : packet) byte = static_cast<uint8_t>(random.NextU32());
        const size_t cut = packet.empty() ? 0 : random.NextInRange(0, static_cast<uint32_t>(packet.size() - 1));
        EXPECT_TRUE(queue.Push(ByteView(packet).first(cut), ByteView(packet).subspan(cut)));
        expected.push_back(packet);
        if (expected.size() > most) {
          expected.pop_front();
          ++dropped;
        }
      } else if (!expected.empty()) {
        queue.Pop();
        expected.pop_front();
      }
      if (random.NextInRange(0, 499) == 0) {
        queue.Clear();
        expected.clear();
      }
      ASSERT_EQ(queue.size(), expected.size()) << "seed " << seed << " step " << step;
      ASSERT_EQ(queue.empty(), expected.empty());
      ASSERT_EQ(queue.dropped(), dropped);
      if (!expected.empty()) {
        ASSERT_EQ(Front(queue), expected.front()) << "seed " << seed << " step " << step;
      }
    }
  }
}

}  // namespace
}  // namespace culvert
