#include "core/kcp/ack_list.h"

#include <gtest/gtest.h>

namespace culvert::kcp {
namespace {

using std::chrono::milliseconds;
constexpr Duration kRto = milliseconds(100);

TEST(AckList, FirstDataAfterAPauseIsAcknowledgedAtOnceTheNextWaits) {
  AckList acks;
  const TimePoint start{std::chrono::seconds(10)};
  acks.OnData(start, SerialNumber(0), 7, false);
  EXPECT_LE(acks.due_at(), start);
  acks.OnSent(start, kRto, 8);
  acks.OnData(start + milliseconds(1), SerialNumber(1), 8, false);
  EXPECT_EQ(acks.due_at(), start + milliseconds(1) + AckList::kMaxAckDelay);
}

TEST(AckList, AHoleOrManyNumbersAreWorthAnAckAtOnce) {
  AckList acks;
  const TimePoint now{std::chrono::seconds(10)};
  acks.OnData(now, SerialNumber(0), 7, false);
  acks.OnSent(now, kRto, 8);
  acks.OnData(now, SerialNumber(2), 7, /*at_once=*/true);
  EXPECT_LE(acks.due_at(), now);
  acks.OnSent(now, kRto, 8);
  for (uint32_t n = 3; n < 3 + AckList::kNumbersPerAck; ++n) acks.OnData(now, SerialNumber(n), 7, false);
  EXPECT_LE(acks.due_at(), now);
}

TEST(AckList, CarriesNewNumbersFirstThenOldOnesAndEchoesTheLatest) {
  AckList acks;
  const TimePoint now{std::chrono::seconds(10)};
  acks.OnData(now, SerialNumber(0), 50, true);
  acks.OnSent(now, kRto, 8);
  acks.OnData(now, SerialNumber(2), 60, true);
  acks.OnData(now, SerialNumber(1), 55, true);
  const AckList::Content content = acks.Peek();
  ASSERT_EQ(content.count, 3u);
  EXPECT_EQ(content.numbers[0], 2u);
  EXPECT_EQ(content.numbers[1], 1u);
  EXPECT_EQ(content.numbers[2], 0u);
  EXPECT_EQ(content.timestamp, 60u);
  EXPECT_EQ(content.lowest_fresh, SerialNumber(1));
}

TEST(AckList, IsRepeatedAtGrowingGapsAndThenNoMore) {
  AckList acks;
  TimePoint now{std::chrono::seconds(10)};
  acks.OnData(now, SerialNumber(0), 50, true);
  acks.OnSent(now, kRto, AckList::kMaxRepeats);
  Duration gap{};
  uint32_t repeats = 0;
  while (acks.due_at() != kInfiniteFuture) {
    const Duration next = acks.due_at() - now;
    EXPECT_GE(next, gap);
    gap = next;
    now = acks.due_at();
    const AckList::Content content = acks.Peek();
    EXPECT_EQ(content.count, 1u);
    EXPECT_EQ(content.timestamp, 50u);  // the lost ack's echo may be what the peer waits for
    acks.OnSent(now, kRto, AckList::kMaxRepeats);
    ASSERT_LE(++repeats, AckList::kMaxRepeats);
  }
  EXPECT_EQ(repeats, AckList::kMaxRepeats);
}

TEST(AckList, ADuplicateIsSaidAgainAfterAWhileAndCheaply) {
  AckList acks;
  TimePoint now{std::chrono::seconds(10)};
  for (uint32_t n = 0; n < 60; ++n) acks.OnData(now, SerialNumber(n), 50, false);
  acks.OnSent(now, kRto, 8);
  now += std::chrono::seconds(1);
  for (int i = 0; i < 3; ++i) acks.OnDuplicate(now, SerialNumber(30), 50);
  EXPECT_FALSE(acks.has_new());
  EXPECT_LE(acks.Peek().count, 3 * AckList::kFillersPerArrival);
}

TEST(AckList, StopsWhenThePeerShowsProgress) {
  AckList acks;
  const TimePoint now{std::chrono::seconds(10)};
  acks.OnData(now, SerialNumber(0), 50, true);
  acks.OnSent(now, kRto, 8);
  EXPECT_NE(acks.due_at(), kInfiniteFuture);
  acks.OnPeerProgress(SerialNumber(1));
  EXPECT_EQ(acks.due_at(), kInfiniteFuture);
  EXPECT_EQ(acks.Peek().count, 0u);
}

TEST(AckList, NumbersAcrossTheWrap) {
  AckList acks;
  const TimePoint now{std::chrono::seconds(10)};
  acks.OnPeerProgress(SerialNumber(0x7fffffff));
  acks.OnPeerProgress(SerialNumber(0xfffffffe));
  acks.OnData(now, SerialNumber(0xffffffff), 1, true);
  acks.OnData(now, SerialNumber(0), 2, true);
  acks.OnSent(now, kRto, 8);
  acks.OnPeerProgress(SerialNumber(0xffffffff));
  EXPECT_NE(acks.due_at(), kInfiniteFuture);
  acks.OnPeerProgress(SerialNumber(1));
  EXPECT_EQ(acks.due_at(), kInfiniteFuture);
}

TEST(AckList, APeerWithATickGetsWhatArrivedInHalfOfIt) {
  AckList acks;
  acks.SetPeerTicks();
  TimePoint now{std::chrono::seconds(10)};
  acks.OnData(now, SerialNumber(0), 1, false);
  EXPECT_EQ(acks.due_at(), now);  // after a pause at once
  acks.OnSent(now, kRto, 8);
  for (uint32_t n = 1; n < 100; ++n) acks.OnData(now += std::chrono::microseconds(100), SerialNumber(n), 1, /*at_once=*/true);
  EXPECT_GT(acks.due_at(), now);
  EXPECT_LE(acks.due_at(), TimePoint(std::chrono::seconds(10)) + std::chrono::milliseconds(26));
  for (uint32_t n = 100; n < 130; ++n) acks.OnData(now, SerialNumber(n), n, false);
  EXPECT_LE(acks.due_at(), now);  // one ack is full
}

TEST(AckList, ThePeersTickIsReadFromItsTimestamps) {
  AckList acks;
  acks.SetPeerTicks();
  TimePoint now{std::chrono::seconds(10)};
  uint32_t number = 0;
  for (uint32_t burst = 0; burst < 5; ++burst) {
    now += std::chrono::milliseconds(20);
    for (int i = 0; i < 3; ++i) acks.OnData(now, SerialNumber(number++), 1000 + 20 * burst, false);
    acks.OnSent(now, kRto, 8);
  }
  acks.OnData(now + std::chrono::milliseconds(1), SerialNumber(number), 1100, false);
  EXPECT_EQ(acks.due_at(), now + std::chrono::milliseconds(11));
}

TEST(AckList, MoreThanOneAckWhenNumbersDoNotFit) {
  AckList acks;
  const TimePoint now{std::chrono::seconds(10)};
  for (uint32_t n = 0; n < 300; ++n) acks.OnData(now, SerialNumber(n), 1, false);
  size_t seen = 0;
  while (acks.has_new()) {
    ASSERT_LE(acks.due_at(), now);
    seen += std::min<size_t>(acks.Peek().count, kMaxAckNumbersSent);
    acks.OnSent(now, kRto, 8);
  }
  EXPECT_GE(seen, 300u);
}

}  // namespace
}  // namespace culvert::kcp
