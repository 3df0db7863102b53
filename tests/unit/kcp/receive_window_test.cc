#include "core/kcp/receive_window.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace culvert::kcp {
namespace {

using Arrival = ReceiveWindow::Arrival;

class ReceiveWindowTest : public testing::Test {
 protected:
  Arrival Insert(uint32_t number, std::string_view text) { return window_.Insert(SerialNumber(number), AsBytes(text)); }
  std::string ReadAll() {
    std::string text;
    std::array<ByteView, 3> views;
    while (const size_t count = window_.Peek(views)) {
      size_t size = 0;
      for (size_t i = 0; i < count; ++i) {
        text.append(AsText(views[i]));
        size += views[i].size();
      }
      window_.Consume(size);
    }
    return text;
  }

  ReceivePools pools_;
  ReceiveWindow window_{pools_, 64, 512};
};

TEST_F(ReceiveWindowTest, PutsSegmentsInOrder) {
  EXPECT_EQ(Insert(2, "c"), Arrival::kOutOfOrder);
  EXPECT_EQ(Insert(1, "b"), Arrival::kOutOfOrder);
  EXPECT_EQ(ReadAll(), "");
  EXPECT_EQ(Insert(0, "a"), Arrival::kInOrder);
  EXPECT_EQ(ReadAll(), "abc");
  EXPECT_EQ(window_.next(), SerialNumber(3));
}

TEST_F(ReceiveWindowTest, TellsDuplicatesFromWhatWasReadAndWhatIsTooFar) {
  (void)Insert(0, "a");
  EXPECT_EQ(Insert(0, "a"), Arrival::kDuplicate);
  EXPECT_EQ(ReadAll(), "a");
  EXPECT_EQ(Insert(0, "a"), Arrival::kBelowWindow);
  EXPECT_EQ(Insert(65, "x"), Arrival::kBeyondWindow);
  EXPECT_EQ(Insert(64, "x"), Arrival::kOutOfOrder);
}

TEST_F(ReceiveWindowTest, NextMovesOnlyWhenRead) {
  for (uint32_t n = 0; n < 10; ++n) (void)Insert(n, "x");
  EXPECT_EQ(window_.next(), SerialNumber(0));
  EXPECT_EQ(window_.contiguous(), SerialNumber(10));
  window_.Consume(4);
  EXPECT_EQ(window_.next(), SerialNumber(4));
  EXPECT_EQ(window_.edge(), SerialNumber(4 + 64));
}

TEST_F(ReceiveWindowTest, PartOfASegmentMayBeConsumed) {
  (void)Insert(0, "hello");
  (void)Insert(1, "world");
  window_.Consume(3);
  EXPECT_EQ(window_.next(), SerialNumber(0));
  EXPECT_EQ(ReadAll(), "loworld");
}

TEST_F(ReceiveWindowTest, AnEmptySegmentTakesItsNumberAndDeliversNothing) {
  EXPECT_EQ(Insert(0, ""), Arrival::kInOrder);
  EXPECT_EQ(window_.next(), SerialNumber(1));
  (void)Insert(2, "b");
  (void)Insert(1, "");
  EXPECT_EQ(ReadAll(), "b");
  EXPECT_EQ(window_.next(), SerialNumber(3));
}

TEST_F(ReceiveWindowTest, GrowsWhenToldUpToItsMaximum) {
  for (int i = 0; i < 10; ++i) window_.Grow();
  EXPECT_EQ(window_.window_segments(), 512u);
  EXPECT_EQ(Insert(511, "x"), Arrival::kOutOfOrder);
  EXPECT_EQ(Insert(512, "x"), Arrival::kBeyondWindow);
}

TEST_F(ReceiveWindowTest, NeitherAHoleNorASlowReaderMakesItGrow) {
  for (uint32_t n = 1; n < 64; ++n) (void)Insert(n, "x");
  EXPECT_EQ(window_.window_segments(), 64u);
  (void)Insert(0, "x");
  EXPECT_EQ(Insert(64, "x"), Arrival::kBeyondWindow);
  EXPECT_EQ(window_.window_segments(), 64u);
}

TEST_F(ReceiveWindowTest, ALimitedWindowNeverExceedsItsMaximum) {
  ReceiveWindow small(pools_, 16, 16);
  small.LimitWindow(256);
  small.Grow();
  EXPECT_EQ(small.window_segments(), 16u);
  small.AllowFullWindow();
  EXPECT_EQ(small.window_segments(), 16u);
}

TEST_F(ReceiveWindowTest, LargePayloadsAndMemory) {
  const std::string large(2048, 'L');
  (void)Insert(1, large);
  (void)Insert(0, "s");
  EXPECT_EQ(window_.buffered_bytes(), 2049u);
  EXPECT_EQ(ReadAll(), "s" + large);
  EXPECT_EQ(pools_.small.in_use() + pools_.usual.in_use() + pools_.large.in_use(), 0u);
  (void)Insert(5, large);
  window_.Clear();
  EXPECT_EQ(pools_.large.in_use(), 0u);
  EXPECT_EQ(window_.next(), SerialNumber(2));  // what was not consumed was not received
}

}  // namespace
}  // namespace culvert::kcp
