#include "core/congestion/queue_signal.h"

#include <gtest/gtest.h>

namespace culvert::congestion {
namespace {

using std::chrono::milliseconds;
constexpr Duration kLeast = milliseconds(100);

struct Signal {
  QueueSignal queue;
  TimePoint now{std::chrono::seconds(1)};
  void Answers(int count, Duration rtt) {
    for (int i = 0; i < count; ++i) queue.OnRtt(now += milliseconds(3), rtt, kLeast);
  }
};

TEST(QueueSignal, SaysNothingOnAQuietPath) {
  Signal signal;
  signal.Answers(100, milliseconds(101));
  signal.queue.OnRoundEnd(kLeast);
  EXPECT_FALSE(signal.queue.is_building());
  EXPECT_FALSE(signal.queue.stands());
}

TEST(QueueSignal, OneAnswerInTimeSpeaksForAllOthers) {
  Signal signal;
  for (int i = 0; i < 20; ++i) {
    signal.Answers(5, milliseconds(140));
    signal.Answers(1, milliseconds(100));
  }
  signal.queue.OnRoundEnd(kLeast);
  EXPECT_FALSE(signal.queue.is_building());
  EXPECT_FALSE(signal.queue.stands());
}

TEST(QueueSignal, AFewLateAnswersOnEndAreAQueueThatGrows) {
  Signal signal;
  signal.Answers(16, milliseconds(100));
  signal.Answers(16, milliseconds(109));
  EXPECT_TRUE(signal.queue.is_building());
  signal.Answers(16, milliseconds(101));
  EXPECT_FALSE(signal.queue.is_building());
}

TEST(QueueSignal, ALumpOfAnswersAtOneMomentIsOneAnswer) {
  QueueSignal queue;
  const TimePoint now{std::chrono::seconds(1)};
  for (int i = 0; i < 100; ++i) queue.OnRtt(now, milliseconds(150), kLeast);
  EXPECT_FALSE(queue.is_building());
}

TEST(QueueSignal, ARoundTripOfLateAnswersIsAQueueThatStands) {
  Signal signal;
  signal.Answers(30, milliseconds(104));
  signal.queue.OnRoundEnd(kLeast);
  EXPECT_TRUE(signal.queue.stands());
  // A round trip without any answer ends nothing and proves nothing.
  signal.queue.OnRoundEnd(kLeast);
  EXPECT_FALSE(signal.queue.stands());
}

}  // namespace
}  // namespace culvert::congestion
