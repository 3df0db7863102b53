#include "core/quic/connection_id.h"

#include <gtest/gtest.h>

#include <set>

namespace culvert::quic {
namespace {

TEST(ConnectionIdTest, CarriesTheWorker) {
  SeededRandom random(1);
  std::array<uint8_t, 32> key;
  random.Fill(key);
  const uint8_t key_byte = WorkerKeyByte(key);
  for (int worker = 0; worker < 256; ++worker) {
    std::array<uint8_t, kConnectionIdSize> id;
    MakeConnectionId(id, static_cast<uint8_t>(worker), key_byte, random);
    EXPECT_EQ(WorkerOf(id, key_byte), worker);
  }
}

TEST(ConnectionIdTest, HidesTheWorkerFromWhoLacksTheKey) {
  SeededRandom random(2);
  std::set<uint8_t> last_bytes;
  for (int i = 0; i < 512; ++i) {
    std::array<uint8_t, kConnectionIdSize> id;
    MakeConnectionId(id, 3, 0x42, random);
    last_bytes.insert(id[11]);
  }
  EXPECT_GT(last_bytes.size(), 150u);
}

TEST(ConnectionIdTest, KeyBytesDifferBetweenKeys) {
  SeededRandom random(3);
  std::set<uint8_t> bytes;
  for (int i = 0; i < 512; ++i) {
    std::array<uint8_t, 32> key;
    random.Fill(key);
    bytes.insert(WorkerKeyByte(key));
  }
  EXPECT_GT(bytes.size(), 150u);
}

TEST(ConnectionIdTest, ComparesByContentAndLength) {
  const std::array<uint8_t, 4> bytes = {1, 2, 3, 4};
  EXPECT_EQ(ConnectionId(bytes), ConnectionId(bytes));
  EXPECT_NE(ConnectionId(bytes), ConnectionId(ByteView(bytes).first(3)));
  const std::array<uint8_t, 32> long_bytes{};
  EXPECT_EQ(ConnectionId(long_bytes).size, kMaxConnectionIdSize);
}

}  // namespace
}  // namespace culvert::quic
