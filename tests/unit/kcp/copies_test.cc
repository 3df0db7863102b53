// Copies of what a sender of little has in flight, on a path that loses much.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "tests/unit/kcp/lone_connection.h"

namespace culvert::kcp {
namespace {

using std::chrono::milliseconds;

constexpr std::array<uint8_t, 4> kWord = {'w', 'o', 'r', 'd'};

size_t DataSent(const LoneConnection& bench) {
  return static_cast<size_t>(std::count_if(bench.sent.begin(), bench.sent.end(), [](const SentSegment& sent) {
    return std::holds_alternative<DataSegment>(sent.segment);
  }));
}

void Write(LoneConnection& bench, size_t segments) {
  for (size_t i = 0; i < segments; ++i) {
    ASSERT_EQ(bench.connection().Write(kWord), kWord.size());
    bench.Settle();
  }
}

TEST(Copies, NoneOnAGoodPath) {
  LoneConnection bench(/*outgoing=*/true);
  bench.Establish();
  bench.sent.clear();
  Write(bench, 1);
  bench.Advance(milliseconds(30));
  EXPECT_EQ(DataSent(bench), 1u);
}

TEST(Copies, OneMomentLaterWhereMuchIsLost) {
  LoneConnection bench(/*outgoing=*/true);
  bench.Establish();
  bench.paths().Note(bench.now(), IpAddress::V4({10, 0, 0, 2}), milliseconds(100), milliseconds(5), 1000, 20);
  bench.sent.clear();
  Write(bench, 1);
  EXPECT_EQ(DataSent(bench), 1u);
  bench.Advance(milliseconds(12));
  EXPECT_EQ(DataSent(bench), 2u);
  EXPECT_GE(bench.sent.back().at - bench.sent.front().at, milliseconds(5));
  EXPECT_EQ(std::get<DataSegment>(bench.sent.back().segment).number, std::get<DataSegment>(bench.sent.front().segment).number);
  // Both count for what the path carried, neither as a loss.
  EXPECT_EQ(bench.connection().GetStats(bench.now()).lost_segments, 0u);
  EXPECT_EQ(bench.connection().GetStats(bench.now()).retransmitted_segments, 1u);
}

TEST(Copies, TwoWhereOneWouldOftenBeLostAsWell) {
  LoneConnection bench(/*outgoing=*/true);
  bench.Establish();
  bench.paths().Note(bench.now(), IpAddress::V4({10, 0, 0, 2}), milliseconds(100), milliseconds(5), 1000, 100);
  bench.sent.clear();
  Write(bench, 2);
  bench.Advance(milliseconds(60));
  EXPECT_EQ(DataSent(bench), 6u);
}

TEST(Copies, NoneOfAFlightThatRevealsItsLosses) {
  LoneConnection bench(/*outgoing=*/true);
  bench.Establish();
  bench.paths().Note(bench.now(), IpAddress::V4({10, 0, 0, 2}), milliseconds(100), milliseconds(5), 1000, 20);
  bench.sent.clear();
  Write(bench, 6);
  const size_t sent = DataSent(bench);
  bench.Advance(milliseconds(4));
  EXPECT_EQ(DataSent(bench), sent);
}

TEST(Copies, WhatAFullWindowWaitsForGoesTwice) {
  LoneConnection bench(/*outgoing=*/true);
  bench.peer_window_segments = 32;
  bench.Establish();
  bench.paths().Note(bench.now(), IpAddress::V4({10, 0, 0, 2}), milliseconds(100), milliseconds(5), 1000, 20);
  bench.sent.clear();
  const std::vector<uint8_t> much(2'000'000, 'x');
  ASSERT_GT(bench.connection().Write(much), 0u);
  bench.Settle();
  const auto first = std::get<DataSegment>(bench.sent.front().segment);
  // The window stays where it was; only a later segment arrived.
  bench.Advance(milliseconds(40));
  std::array<uint8_t, 4> number;
  StoreBigEndian32(number.data(), first.number.value() + 20);
  const auto later = std::find_if(bench.sent.begin(), bench.sent.end(), [&](const SentSegment& sent) {
    const auto* data = std::get_if<DataSegment>(&sent.segment);
    return data != nullptr && data->number == first.number.Plus(20);
  });
  ASSERT_NE(later, bench.sent.end());
  bench.Receive(AckSegment{.conversation_id = first.conversation_id,
                           .receiving_window = first.number.Plus(32),
                           .receiving_next = first.number,
                           .timestamp = std::get<DataSegment>(later->segment).timestamp,
                           .numbers = number});
  bench.Advance(milliseconds(60));
  const auto times = std::count_if(bench.sent.begin(), bench.sent.end(), [&](const SentSegment& sent) {
    const auto* data = std::get_if<DataSegment>(&sent.segment);
    return data != nullptr && data->number == first.number;
  });
  EXPECT_EQ(times, 3);  // sent, lost and sent again, and a copy of that
}

TEST(Copies, WhatTheCopySavedCountsAsLost) {
  LoneConnection bench(/*outgoing=*/true);
  bench.Establish();
  bench.paths().Note(bench.now(), IpAddress::V4({10, 0, 0, 2}), milliseconds(100), milliseconds(5), 1000, 20);
  Write(bench, 1);
  bench.Advance(milliseconds(30));
  const auto& original = std::get<DataSegment>(bench.sent.front().segment);
  const auto& copy = std::get<DataSegment>(bench.sent.back().segment);
  ASSERT_EQ(original.number, copy.number);
  std::array<uint8_t, 4> number;
  StoreBigEndian32(number.data(), copy.number.value());
  bench.Receive(AckSegment{.conversation_id = copy.conversation_id,
                           .receiving_window = copy.number.Plus(100),
                           .receiving_next = copy.number,
                           .timestamp = copy.timestamp,
                           .numbers = number});
  EXPECT_EQ(bench.connection().GetStats(bench.now()).lost_segments, 1u);
  EXPECT_EQ(bench.connection().GetStats(bench.now()).spurious_retransmits, 0u);
}

}  // namespace
}  // namespace culvert::kcp
