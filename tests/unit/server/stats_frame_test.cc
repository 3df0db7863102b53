#include "server/services/stats_frame.h"

#include <gmock/gmock.h>

#include "server/stats_hub.h"
#include "tests/unit/server/fakes.h"

namespace culvert::server {
namespace {

ReportPtr ReportOf(std::vector<SessionSnapshot> sessions) {
  auto report = std::make_shared<MergedReport>();
  report->sessions = std::move(sessions);
  return report;
}

SessionSnapshot Session(const std::string& id, uint64_t rx_bytes = 0, const std::string& listener = "in") {
  SessionSnapshot session;
  session.id = id;
  session.listener = listener;
  session.stats.rx_bytes = rx_bytes;
  return session;
}

TEST(StatsFramesTest, AnEmptyFrameIsAFrameToo) {
  StatsFrames frames{v1::WatchStatsRequest()};
  v1::WatchStatsResponse message;
  EXPECT_FALSE(frames.Next(message));
  frames.Offer(ReportOf({}));
  ASSERT_TRUE(frames.Next(message));
  EXPECT_TRUE(message.end_of_frame());
  EXPECT_FALSE(frames.Next(message));
}

TEST(StatsFramesTest, LargeFramesAreSplit) {
  StatsFrames frames{v1::WatchStatsRequest()};
  std::vector<SessionSnapshot> sessions;
  for (int i = 0; i < 20000; ++i) sessions.push_back(Session("s" + std::to_string(i), 1));
  frames.Offer(ReportOf(std::move(sessions)));
  int messages = 0;
  int samples = 0;
  bool ended = false;
  for (v1::WatchStatsResponse message; frames.Next(message); message.Clear()) {
    EXPECT_FALSE(ended);
    EXPECT_LT(message.ByteSizeLong(), kMaxFrameMessageBytes + 64 * 1024);
    EXPECT_EQ(message.total_subjects(), 20000);
    ended = message.end_of_frame();
    samples += message.samples_size();
    ++messages;
  }
  EXPECT_TRUE(ended);
  EXPECT_EQ(samples, 20000);
  EXPECT_GT(messages, 1);
}

TEST(StatsFramesTest, ASlowReaderGetsTheLatestAndTheCountOfWhatItMissed) {
  StatsFrames frames{v1::WatchStatsRequest()};
  frames.Offer(ReportOf({Session("a", 1)}));
  frames.Offer(ReportOf({Session("a", 2)}));
  frames.Offer(ReportOf({Session("a", 3)}));
  v1::WatchStatsResponse message;
  ASSERT_TRUE(frames.Next(message));
  EXPECT_EQ(message.samples(0).counters().rx_bytes(), 3u);
  EXPECT_EQ(message.conflated_frames(), 2u);
  message.Clear();
  EXPECT_FALSE(frames.Next(message));
}

TEST(StatsFramesTest, OnlyChangedLeavesOutWhatDidNotMove) {
  v1::WatchStatsRequest request;
  request.set_only_changed(true);
  StatsFrames frames(request);
  v1::WatchStatsResponse message;
  frames.Offer(ReportOf({Session("a", 1), Session("b", 1)}));
  ASSERT_TRUE(frames.Next(message));
  EXPECT_EQ(message.samples_size(), 2);
  message.Clear();
  frames.Offer(ReportOf({Session("a", 1), Session("b", 2)}));
  ASSERT_TRUE(frames.Next(message));
  ASSERT_EQ(message.samples_size(), 1);
  EXPECT_EQ(message.samples(0).name(), "sessions/b");
  EXPECT_EQ(message.total_subjects(), 2);
}

TEST(StatsFramesTest, FiltersBySessionAndListener) {
  v1::WatchStatsRequest request;
  request.set_listener("in");
  StatsFrames frames(request);
  v1::WatchStatsResponse message;
  frames.Offer(ReportOf({Session("a", 1, "in"), Session("b", 1, "other")}));
  ASSERT_TRUE(frames.Next(message));
  EXPECT_EQ(message.samples_size(), 1);
  request.Clear();
  request.set_session("sessions/b");
  StatsFrames one(request);
  message.Clear();
  one.Offer(ReportOf({Session("a"), Session("b")}));
  ASSERT_TRUE(one.Next(message));
  ASSERT_EQ(message.samples_size(), 1);
  EXPECT_EQ(message.samples(0).name(), "sessions/b");
}

class Recorder final : public StatsWatcher {
 public:
  void OnReport(ReportPtr) override {
    if (++reports == 3) third.set_value();
  }
  void OnEnd(absl::Status why) override { end.set_value(std::move(why)); }
  int reports = 0;
  std::promise<void> third;
  std::promise<absl::Status> end;
};

TEST(StatsHubTest, ReportsAtTheIntervalAndEndsWhenStopped) {
  FakeWorker worker(0);
  ControlThread thread;
  ReportCollector collector(thread, {&worker});
  StatsHub hub(thread, collector);
  const auto recorder = std::make_shared<Recorder>();
  hub.Add(recorder, StatsHub::kMinInterval);
  recorder->third.get_future().wait();
  hub.BeginStop();
  EXPECT_EQ(ReasonOf(recorder->end.get_future().get()), "DAEMON_STOPPING");
  const auto late = std::make_shared<Recorder>();
  hub.Add(late, StatsHub::kMinInterval);
  EXPECT_EQ(ReasonOf(late->end.get_future().get()), "DAEMON_STOPPING");
  thread.Stop();
}

TEST(StatsHubTest, ReadersAreLimited) {
  FakeWorker worker(0);
  ControlThread thread;
  ReportCollector collector(thread, {&worker});
  StatsHub hub(thread, collector);
  std::vector<std::shared_ptr<Recorder>> recorders;
  for (size_t i = 0; i <= StatsHub::kMaxWatchers; ++i) {
    recorders.push_back(std::make_shared<Recorder>());
    hub.Add(recorders.back(), std::chrono::hours(1));
  }
  EXPECT_EQ(ReasonOf(recorders.back()->end.get_future().get()), "LIMIT_EXCEEDED");
  hub.Remove(recorders.front());
  const auto next = std::make_shared<Recorder>();
  hub.Add(next, StatsHub::kMinInterval);
  next->third.get_future().wait();
  thread.Stop();
}

}  // namespace
}  // namespace culvert::server
