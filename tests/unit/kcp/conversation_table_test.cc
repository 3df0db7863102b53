#include "core/kcp/conversation_table.h"

#include <gtest/gtest.h>

#include "core/kcp/replay_filter.h"

namespace culvert::kcp {
namespace {

using std::chrono::seconds;
constexpr TimePoint kNow{seconds(100)};

TEST(ConversationTable, AConversationStaysBuriedForAWhile) {
  SeededRandom random(1);
  const KeyedHash hash(random);
  ConversationTable table(hash);
  const ConversationKey key{*SocketAddress::Parse("10.0.0.1:99"), 7};
  table.Insert(key, {3, 1});
  EXPECT_EQ(table.Find(key), (SlotHandle{3, 1}));
  table.Bury(kNow, key, SerialNumber(5), SerialNumber(6));
  EXPECT_EQ(table.Find(key), std::nullopt);
  ASSERT_NE(table.FindTombstone(kNow + seconds(14), key), nullptr);
  EXPECT_EQ(table.FindTombstone(kNow + seconds(14), key)->sending_next, SerialNumber(5));
  EXPECT_EQ(table.FindTombstone(kNow + seconds(15), key), nullptr);
  EXPECT_TRUE(table.IsFree(kNow + seconds(15), key));
}

TEST(ConversationTable, PortAndConversationTellConnectionsApart) {
  SeededRandom random(1);
  const KeyedHash hash(random);
  ConversationTable table(hash);
  table.Insert({*SocketAddress::Parse("10.0.0.1:99"), 7}, {1, 1});
  EXPECT_FALSE(table.Find({*SocketAddress::Parse("10.0.0.1:98"), 7}).has_value());
  EXPECT_FALSE(table.Find({*SocketAddress::Parse("10.0.0.1:99"), 8}).has_value());
  EXPECT_FALSE(table.Find({*SocketAddress::Parse("[::1]:99"), 7}).has_value());
}

TEST(ReplayFilter, RemembersThroughOneGenerationChange) {
  SeededRandom random(1);
  const KeyedHash hash(random);
  ReplayFilter filter(hash);
  const std::array<uint8_t, 12> nonce = {1, 2, 3};
  EXPECT_TRUE(filter.Admit(kNow, nonce));
  EXPECT_FALSE(filter.Admit(kNow + seconds(1), nonce));
  EXPECT_FALSE(filter.Admit(kNow + seconds(130), nonce));
  // Two generations later it is forgotten.
  EXPECT_TRUE(filter.Admit(kNow + seconds(260), std::array<uint8_t, 12>{9}));
  EXPECT_TRUE(filter.Admit(kNow + seconds(390), nonce));
}

}  // namespace
}  // namespace culvert::kcp
