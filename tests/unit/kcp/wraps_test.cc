// Every counter of the wire across its wrap: segment numbers at 2^31 and 2^32 in each part and in a whole connection.
// (Timestamps and days: tests/sim/kcp_wrap_test.cc. Counters of headers: tests/unit/camouflage.)
#include <gtest/gtest.h>

#include <array>
#include <set>
#include <vector>

#include "tests/unit/kcp/lone_connection.h"

namespace culvert::kcp {
namespace {

using std::chrono::milliseconds;

constexpr uint32_t kStarts[] = {0xffffffffu, 0xffffff9cu /* 2^32 - 100 */, 0x7fffffffu, 0x7fffff9cu};

class Wraps : public testing::TestWithParam<uint32_t> {
 protected:
  const SerialNumber first_{GetParam()};
  TimePoint now_{std::chrono::seconds(10)};
};

TEST_P(Wraps, ReceiveWindowPutsReversedSegmentsInOrder) {
  ReceivePools pools;
  ReceiveWindow window(pools, 300, 300);
  window.StartAt(first_);
  EXPECT_EQ(window.edge(), first_.Plus(300));
  EXPECT_EQ(window.Insert(first_.Plus(300), AsBytes("x")), ReceiveWindow::Arrival::kBeyondWindow);
  EXPECT_EQ(window.Insert(first_.Plus(-1), AsBytes("x")), ReceiveWindow::Arrival::kBelowWindow);
  for (uint32_t i = 299; i > 0; --i) {
    const uint8_t byte = static_cast<uint8_t>(i);
    ASSERT_EQ(window.Insert(first_.Plus(i), {&byte, 1}), ReceiveWindow::Arrival::kOutOfOrder) << i;
    ASSERT_EQ(window.Insert(first_.Plus(i), {&byte, 1}), ReceiveWindow::Arrival::kDuplicate) << i;
  }
  const uint8_t zero = 0;
  ASSERT_EQ(window.Insert(first_, {&zero, 1}), ReceiveWindow::Arrival::kInOrder);
  ASSERT_EQ(window.unread_bytes(), 300u);
  for (uint32_t i = 0; i < 300; ++i) {
    std::array<ByteView, 1> view;
    ASSERT_EQ(window.Peek(view), 1u);
    ASSERT_EQ(view[0][0], static_cast<uint8_t>(i));
    ASSERT_EQ(window.Consume(1), 1u);
    ASSERT_EQ(window.next(), first_.Plus(i + 1));
  }
  EXPECT_FALSE(window.has_hole());
}

TEST_P(Wraps, SendWindowAcknowledgesOneByOneAndAllAtOnce) {
  for (const bool one_by_one : {true, false}) {
    BlockPool pool(1);
    SendWindow window(pool, 1, 1000, 24);
    window.StartAt(first_);
    ASSERT_EQ(window.Append(std::vector<uint8_t>(300, 7), 1), 300u);
    for (uint32_t i = 0; i < 300; ++i) {
      SerialNumber number;
      ASSERT_NE(window.NextQueued(number), nullptr);
      ASSERT_EQ(number, first_.Plus(i));
      window.OnSent(number, now_ + milliseconds(i), 1000 + i, {});
    }
    AckOutcome outcome;
    // Of what was never sent, on either side.
    window.Acknowledge(first_.Plus(300), now_, 0, {}, outcome);
    window.Acknowledge(first_.Plus(-1), now_, 0, {}, outcome);
    window.AcknowledgeBelow(first_.Plus(301), outcome);
    ASSERT_EQ(outcome.segments, 0u);
    for (uint32_t i = 299; one_by_one && i < 300; --i) {
      window.Acknowledge(first_.Plus(i), now_ + milliseconds(400), 0, {}, outcome);
      ASSERT_EQ(window.first_unacked(), i == 0 ? first_.Plus(300) : first_) << i;
    }
    if (!one_by_one) window.AcknowledgeBelow(first_.Plus(300), outcome);
    EXPECT_EQ(outcome.segments, 300u);
    EXPECT_TRUE(window.empty());
    EXPECT_EQ(window.first_unacked(), first_.Plus(300));
    EXPECT_EQ(window.bytes_in_flight(), 0u);
  }
}

TEST_P(Wraps, LossDetectionGoesByTimeNotByNumber) {
  BlockPool pool(1);
  SendWindow window(pool, 1, 1000, 24);
  window.StartAt(first_);
  ASSERT_EQ(window.Append(std::vector<uint8_t>(200, 7), 1), 200u);
  for (uint32_t i = 0; i < 200; ++i) window.OnSent(first_.Plus(i), now_ + milliseconds(i), 1000 + i, {});
  AckOutcome outcome;
  window.Acknowledge(first_.Plus(199), now_ + milliseconds(210), 0, {}, outcome);
  // A round trip of 10 ms and 1 ms of patience after it: all but the last few are lost.
  const SendWindow::LossOutcome losses = window.DetectLosses(now_ + milliseconds(210), milliseconds(10), milliseconds(1));
  EXPECT_EQ(losses.segments, 199u);
  for (uint32_t i = 0; i < 199; ++i) {
    SerialNumber number;
    ASSERT_NE(window.NextLost(number), nullptr);
    ASSERT_EQ(number, first_.Plus(i));
    window.OnSent(number, now_ + milliseconds(220), 2000, {});
  }
}

TEST_P(Wraps, AckListListsRepeatsAndForgets) {
  AckList acks;
  acks.StartAt(first_);
  std::set<uint32_t> listed;
  for (uint32_t i = 0; i < 200; ++i) {
    acks.OnData(now_, first_.Plus(i), 5000 + i, false);
    if (i % 16 != 15) continue;
    const AckList::Content content = acks.Peek();
    ASSERT_TRUE(content.has_fresh);
    EXPECT_EQ(content.lowest_fresh, first_.Plus(i - 15));
    EXPECT_EQ(content.timestamp, 5000 + i);
    for (uint32_t k = 0; k < content.count; ++k) listed.insert(content.numbers[k]);
    acks.OnSent(now_, milliseconds(100), 8);
    EXPECT_NE(acks.due_at(), kInfiniteFuture) << "repeated until the peer has moved on";
    acks.OnPeerProgress(first_.Plus(i + 1));
    EXPECT_EQ(acks.due_at(), kInfiniteFuture) << "the peer has seen it";
  }
  EXPECT_EQ(listed.size(), 192u);
  for (uint32_t i = 0; i < 192; ++i) EXPECT_TRUE(listed.contains(first_.Plus(i).value())) << i;
}

TEST_P(Wraps, AConnectionCrossesInBothDirections) {
  for (const bool outgoing : {true, false}) {
    LoneConnection bench(outgoing, first_);
    bench.Establish();
    SerialNumber peer_next = first_.Plus(1);  // Establish took one number each way
    SerialNumber our_next = first_.Plus(1);
    for (uint32_t i = 0; i < 300; ++i) {
      const std::vector<uint8_t> in(3, static_cast<uint8_t>(i));
      bench.sent.clear();
      bench.ReceiveData(peer_next, in);
      ++peer_next;
      ASSERT_EQ(bench.ReadAll(), in) << i;
      ASSERT_EQ(bench.connection().receiving_next(), peer_next);

      ASSERT_EQ(bench.connection().Write(in), in.size());
      bench.Settle();
      bench.Advance(milliseconds(6));
      size_t data = 0;
      bool listed = false;
      for (const SentSegment& sent : bench.sent) {
        if (const auto* segment = std::get_if<DataSegment>(&sent.segment)) {
          ++data;
          ASSERT_EQ(segment->number, our_next);
          ASSERT_EQ(segment->sending_next, our_next);
        } else if (const auto* ack = std::get_if<AckSegment>(&sent.segment)) {
          for (size_t k = 0; k < ack->count(); ++k) listed |= ack->number(k) == peer_next.Plus(-1);
          ASSERT_GE(ack->receiving_window.DistanceFrom(ack->receiving_next), 128u);
        }
      }
      ASSERT_EQ(data, 1u) << i;
      ASSERT_TRUE(listed) << i;
      ++our_next;
      bench.ReceiveFullAck();
    }
    const SessionStats stats = bench.connection().GetStats(bench.now());
    EXPECT_EQ(stats.retransmitted_segments, 0u);
    EXPECT_EQ(stats.duplicate_segments, 0u);
    EXPECT_EQ(stats.acknowledged_bytes, 901u);
  }
}

INSTANTIATE_TEST_SUITE_P(Starts, Wraps, testing::ValuesIn(kStarts));

}  // namespace
}  // namespace culvert::kcp
