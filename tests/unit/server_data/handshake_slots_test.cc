#include "server/handshake_slots.h"

#include <gtest/gtest.h>

namespace culvert::server {
namespace {

constexpr size_t kSlots = HandshakeSlots::kSlots;
constexpr size_t kShare = HandshakeSlots::kShare;

// Takes up to `count` and returns how many it got.
size_t TakeMany(HandshakeSlots& slots, const IpAddress& peer, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (!slots.Take(peer)) return i;
  }
  return count;
}
IpAddress Network(uint8_t number) { return IpAddress::V4({10, 0, number, 1}); }

TEST(HandshakeSlotsTest, OnePeerAloneMayTakeHalf) {
  HandshakeSlots slots;
  EXPECT_EQ(TakeMany(slots, Network(1), kSlots), kSlots / 2);
  EXPECT_FALSE(slots.Take(IpAddress::V4({10, 0, 1, 200}))) << "another address of the same network";
}

TEST(HandshakeSlotsTest, OthersThenHaveTheirShares) {
  HandshakeSlots slots;
  ASSERT_EQ(TakeMany(slots, Network(1), kSlots), kSlots / 2);
  for (uint8_t other = 2; other < 6; ++other) EXPECT_EQ(TakeMany(slots, Network(other), kSlots), kShare);
  EXPECT_EQ(slots.taken(), kSlots);
  EXPECT_FALSE(slots.Take(Network(6)));
}

TEST(HandshakeSlotsTest, WhatIsGivenBackCanBeTaken) {
  HandshakeSlots slots;
  const IpAddress v6 = *IpAddress::Parse("2001:db8::1");
  ASSERT_EQ(TakeMany(slots, v6, kSlots), kSlots / 2);
  slots.Give(v6);
  EXPECT_EQ(TakeMany(slots, v6, kSlots), 1u);
  slots.GiveAll();
  EXPECT_EQ(slots.taken(), 0u);
  EXPECT_EQ(TakeMany(slots, Network(1), kSlots), kSlots / 2);
}

TEST(HandshakeSlotsTest, ARefusalTakesNothing) {
  HandshakeSlots slots;
  for (uint8_t network = 0; network < 8; ++network) ASSERT_EQ(TakeMany(slots, Network(network), kShare), kShare);
  EXPECT_FALSE(slots.Take(Network(100)));
  for (size_t i = 0; i < kShare; ++i) slots.Give(Network(0));
  EXPECT_EQ(TakeMany(slots, Network(100), kSlots), kShare);
}

}  // namespace
}  // namespace culvert::server
