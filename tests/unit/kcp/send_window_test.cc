#include "core/kcp/send_window.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/base/random.h"

namespace culvert::kcp {
namespace {

using std::chrono::milliseconds;

class SendWindowTest : public testing::Test {
 protected:
  static constexpr uint32_t kOverhead = 50;
  void Append(size_t bytes) {
    const std::vector<uint8_t> data(bytes, 'a');
    ASSERT_EQ(window_.Append(data, 1000), bytes);
  }
  void SendAll() {
    SerialNumber number;
    while (window_.NextLost(number) || window_.NextQueued(number)) {
      window_.OnSent(number, now_, static_cast<uint32_t>(ToMilliseconds(now_.time_since_epoch())), {});
    }
  }
  AckOutcome Ack(std::initializer_list<uint32_t> numbers, uint32_t echo = 0) {
    AckOutcome outcome;
    for (const uint32_t n : numbers) window_.Acknowledge(SerialNumber(n), now_, echo, milliseconds(1), outcome);
    return outcome;
  }
  void Advance(Duration by) { now_ += by; }

  TimePoint now_{std::chrono::seconds(1)};
  BlockPool pool_{1000};
  SendWindow window_{pool_, 1000, 100, kOverhead};
};

TEST_F(SendWindowTest, WritesAreCutAtTheSegmentSizeAndTheLastQueuedOneIsFilled) {
  Append(1000);
  Append(300);
  Append(1000);
  EXPECT_EQ(window_.segments_held(), 3u);
  SerialNumber number;
  EXPECT_EQ(window_.NextQueued(number)->size, 1000);
  SendAll();
  EXPECT_EQ(window_.bytes_in_flight(), 2300 + 3 * kOverhead);
}

TEST_F(SendWindowTest, AnAckOfWhatWasNeverSentIsIgnored) {
  Append(3000);
  SendAll();
  EXPECT_EQ(Ack({3, 4, 100, 0x80000000u, 0xffffffffu}).segments, 0u);
  AckOutcome outcome;
  window_.AcknowledgeBelow(SerialNumber(4), outcome);  // K12
  EXPECT_EQ(outcome.segments, 0u);
  EXPECT_EQ(window_.segments_in_flight(), 3u);
}

TEST_F(SendWindowTest, AnAckOfWhatLeftMuchLaterShowsALossAtOnce) {
  Append(1000);
  SendAll();
  Advance(milliseconds(30));
  Append(1000);
  SendAll();
  Advance(milliseconds(5));
  (void)Ack({1});
  // By the clock the first would not be overdue for another 65 ms.
  EXPECT_EQ(window_.DetectLosses(now_, milliseconds(80), milliseconds(20)).segments, 1u);
}

TEST_F(SendWindowTest, OnlyOverdueSegmentsOfATrainAreLost) {
  Append(2000);
  SendAll();
  Advance(milliseconds(5));
  (void)Ack({1});
  const SendWindow::LossOutcome losses = window_.DetectLosses(now_, milliseconds(80), milliseconds(20));
  EXPECT_EQ(losses.segments, 0u);
  EXPECT_EQ(losses.retry_at, now_ + milliseconds(95));
}

TEST_F(SendWindowTest, AShorterPathIsLearnedFromARetransmissionToo) {
  Append(3000);
  SendAll();
  Advance(milliseconds(500));
  ASSERT_EQ(window_.DeclareOldestLost(1).segments, 1u);
  SerialNumber number;
  ASSERT_NE(window_.NextLost(number), nullptr);
  window_.OnSent(number, now_, 1500, {});
  // Faster than any round trip so far, and an echo of exactly this transmission.
  Advance(milliseconds(30));
  AckOutcome outcome;
  window_.Acknowledge(number, now_, 1500, /*min_rtt=*/milliseconds(80), outcome);
  EXPECT_EQ(outcome.spurious, 0u);
  ASSERT_TRUE(outcome.has_rtt_sample);
  EXPECT_EQ(outcome.rtt_sample, milliseconds(30));
  // What was sent half a second before it is lost, and need not wait for timeouts one by one.
  EXPECT_EQ(window_.DetectLosses(now_, milliseconds(80), milliseconds(20)).segments, 2u);
}

TEST_F(SendWindowTest, AcksInAnyOrderAndRepeated) {
  Append(5000);
  SendAll();
  EXPECT_EQ(Ack({4, 2, 2, 4}).segments, 2u);
  EXPECT_EQ(window_.first_unacked(), SerialNumber(0));
  EXPECT_EQ(Ack({0, 1}).segments, 2u);
  EXPECT_EQ(window_.first_unacked(), SerialNumber(3));
  EXPECT_EQ(Ack({3}).segments, 1u);
  EXPECT_TRUE(window_.empty());
  EXPECT_EQ(window_.bytes_in_flight(), 0u);
  EXPECT_EQ(pool_.in_use(), 0u);
}

TEST_F(SendWindowTest, WhatLeftLongBeforeSomethingThatArrivedIsLost) {
  Append(5000);
  SendAll();
  Advance(milliseconds(50));
  (void)Ack({4});
  // Within the reordering window nothing is lost yet, but it says when it would be.
  SendWindow::LossOutcome losses = window_.DetectLosses(now_, milliseconds(50), milliseconds(10));
  EXPECT_EQ(losses.segments, 0u);
  EXPECT_EQ(losses.retry_at, now_ + milliseconds(10));
  Advance(milliseconds(10));
  losses = window_.DetectLosses(now_, milliseconds(50), milliseconds(10));
  EXPECT_EQ(losses.segments, 4u);
  EXPECT_TRUE(window_.has_lost());
  EXPECT_EQ(window_.bytes_in_flight(), 0u);
  SerialNumber number;
  ASSERT_NE(window_.NextLost(number), nullptr);
  EXPECT_EQ(number, SerialNumber(0));
}

TEST_F(SendWindowTest, WhatLeftAfterwardsIsNotLost) {
  Append(2000);
  SendAll();
  Advance(milliseconds(5));
  Append(2000);
  SendAll();
  Advance(milliseconds(500));
  (void)Ack({1});
  EXPECT_EQ(window_.DetectLosses(now_, milliseconds(50), milliseconds(10)).segments, 1u);
  EXPECT_EQ(window_.segments_in_flight(), 2u);
}

TEST_F(SendWindowTest, AckOfADeclaredLossIsSpuriousAndFreesIt) {
  Append(3000);
  SendAll();
  Advance(milliseconds(100));
  (void)Ack({2});
  (void)window_.DetectLosses(now_, milliseconds(10), milliseconds(1));
  ASSERT_TRUE(window_.has_lost());
  EXPECT_EQ(Ack({0, 1}).spurious, 2u);
  EXPECT_FALSE(window_.has_lost());
  EXPECT_TRUE(window_.empty());
}

TEST_F(SendWindowTest, AnEchoOlderThanTheLastTransmissionMeansTheFirstOneArrived) {
  Append(2000);
  SendAll();
  const uint32_t first = static_cast<uint32_t>(ToMilliseconds(now_.time_since_epoch()));
  Advance(milliseconds(100));
  (void)window_.DeclareOldestLost(1);
  SendAll();
  Advance(milliseconds(50));
  const AckOutcome outcome = Ack({0}, first);
  EXPECT_EQ(outcome.spurious, 1u);
  EXPECT_FALSE(outcome.has_rtt_sample);
}

TEST_F(SendWindowTest, RttSampleOfTheLatestSegmentSentOnce) {
  Append(1000);
  SendAll();
  Advance(milliseconds(30));
  Append(1000);
  SendAll();
  Advance(milliseconds(40));
  const AckOutcome outcome = Ack({0, 1});
  ASSERT_TRUE(outcome.has_rtt_sample);
  EXPECT_EQ(outcome.rtt_sample, milliseconds(40));
}

TEST_F(SendWindowTest, ClearGivesEverythingBack) {
  Append(10000);
  SendAll();
  (void)window_.DeclareOldestLost(3);
  Append(5000);
  window_.Clear();
  EXPECT_TRUE(window_.empty());
  EXPECT_EQ(pool_.in_use(), 0u);
  EXPECT_EQ(window_.payload_bytes_held(), 0u);
}

TEST_F(SendWindowTest, TakesNoMoreThanItsSegments) {
  const std::vector<uint8_t> data(200'000, 'a');
  EXPECT_EQ(window_.Append(data, 1000), 100'000u);
  EXPECT_EQ(window_.Append(data, 1000), 0u);
}

TEST_F(SendWindowTest, RandomOperationsAgreeWithASimpleModel) {
  SeededRandom random(4);
  std::vector<char> state;  // q queued, f in flight, a acknowledged
  for (int step = 0; step < 100'000; ++step) {
    Advance(std::chrono::microseconds(100));
    switch (random.NextInRange(0, 3)) {
      case 0: {
        const std::vector<uint8_t> data(1000, 'a');
        if (window_.segments_held() < 90) {
          ASSERT_EQ(window_.Append(data, 1000), 1000u);
          state.push_back('q');
        }
        break;
      }
      case 1: {
        SerialNumber number;
        if (window_.NextLost(number) || window_.NextQueued(number)) {
          ASSERT_EQ(state[number.value()], 'q');
          window_.OnSent(number, now_, 1, {});
          state[number.value()] = 'f';
        }
        break;
      }
      case 2: {
        if (state.empty()) break;
        const uint32_t n = random.NextInRange(state.size() > 100 ? static_cast<uint32_t>(state.size()) - 100 : 0,
                                              static_cast<uint32_t>(state.size()) + 2);
        const AckOutcome outcome = Ack({n});
        const bool expected = n < state.size() && state[n] == 'f';
        ASSERT_EQ(outcome.segments, expected ? 1u : 0u) << n;
        if (expected) state[n] = 'a';
        break;
      }
      default: {
        if (random.NextInRange(0, 9) != 0) break;
        const uint32_t before = window_.segments_in_flight();
        const uint32_t count = window_.DeclareOldestLost(2).segments;
        ASSERT_EQ(count, std::min(before, 2u));
        ASSERT_EQ(window_.segments_in_flight(), before - count);
        // Which ones is the order of transmission; the model learns it by sending them again.
        SerialNumber number;
        while (window_.NextLost(number)) {
          ASSERT_EQ(state[number.value()], 'f');
          window_.OnSent(number, now_, 1, {});
        }
        break;
      }
    }
    size_t in_flight = 0;
    for (const char c : state) in_flight += c == 'f';
    if (step % 100 == 0) {
      ASSERT_EQ(window_.segments_in_flight(), in_flight);
      ASSERT_EQ(window_.bytes_in_flight(), in_flight * (1000 + kOverhead));
    }
  }
}

}  // namespace
}  // namespace culvert::kcp
