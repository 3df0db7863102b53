#include "server/timer_queue.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace culvert::server {
namespace {

using std::chrono::seconds;
constexpr TimePoint kStart{};

struct Recorder final : TimerHandler {
  std::vector<TimePoint> fired;
  std::unique_ptr<Timer>* to_destroy = nullptr;
  void OnTimer(TimePoint now) override {
    fired.push_back(now);
    if (to_destroy != nullptr) to_destroy->reset();
  }
};

TEST(TimerQueue, FiresWhatIsDueOnce) {
  TimerQueue queue;
  Recorder recorder;
  Timer timer(queue, recorder);
  EXPECT_FALSE(queue.Next());
  timer.Set(kStart + seconds(2));
  EXPECT_EQ(queue.Next(), kStart + seconds(2));
  queue.RunDue(kStart + seconds(1), 10);
  EXPECT_TRUE(recorder.fired.empty());
  queue.RunDue(kStart + seconds(3), 10);
  queue.RunDue(kStart + seconds(4), 10);
  EXPECT_EQ(recorder.fired.size(), 1u);
}

TEST(TimerQueue, MovesAndCancels) {
  TimerQueue queue;
  Recorder recorder;
  Timer timer(queue, recorder);
  timer.Set(kStart + seconds(1));
  timer.Set(kStart + seconds(5));
  queue.RunDue(kStart + seconds(2), 10);
  EXPECT_TRUE(recorder.fired.empty());
  timer.Cancel();
  queue.RunDue(kStart + seconds(9), 10);
  EXPECT_TRUE(recorder.fired.empty());
}

TEST(TimerQueue, AHandlerMayDestroyATimerThatIsDueToo) {
  TimerQueue queue;
  Recorder first, second;
  Timer timer(queue, first);
  auto doomed = std::make_unique<Timer>(queue, second);
  first.to_destroy = &doomed;
  timer.Set(kStart + seconds(1));
  doomed->Set(kStart + seconds(2));
  queue.RunDue(kStart + seconds(3), 10);
  EXPECT_EQ(first.fired.size(), 1u);
  EXPECT_TRUE(second.fired.empty());
}

TEST(TimerQueue, WorkOfOneCallIsBounded) {
  TimerQueue queue;
  Recorder recorder;
  std::vector<std::unique_ptr<Timer>> timers;
  for (int i = 0; i < 5; ++i) {
    timers.push_back(std::make_unique<Timer>(queue, recorder));
    timers.back()->Set(kStart);
  }
  queue.RunDue(kStart, 3);
  EXPECT_EQ(recorder.fired.size(), 3u);
  queue.RunDue(kStart, 3);
  EXPECT_EQ(recorder.fired.size(), 5u);
}

}  // namespace
}  // namespace culvert::server
