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

// What the limit left out in one frame has still changed in the next.
TEST(StatsFramesTest, OnlyChangedForgetsNothingThatWasLeftOut) {
  v1::WatchStatsRequest request;
  request.set_only_changed(true);
  request.set_limit(1);
  StatsFrames frames(request);
  ASSERT_TRUE(frames.Parse(request).ok());
  std::vector<std::string> sent;
  for (int frame = 0; frame < 3; ++frame) {
    frames.Offer(ReportOf({Session("a", 1), Session("b", 1)}));
    v1::WatchStatsResponse message;
    ASSERT_TRUE(frames.Next(message));
    for (const v1::Session& session : message.samples()) sent.push_back(session.name());
  }
  EXPECT_THAT(sent, testing::ElementsAre("sessions/a", "sessions/b"));
}

TEST(StatsFramesTest, OnlyChangedIsForForwardsToo) {
  v1::WatchStatsRequest request;
  request.set_only_changed(true);
  request.set_scope(v1::WatchStatsRequest::SCOPE_FORWARDS);
  StatsFrames frames(request);
  const auto offer = [&frames](uint64_t bytes) {
    auto report = std::make_shared<MergedReport>();
    report->forwards["x"].rx_bytes = bytes;
    report->forwards["y"].rx_bytes = 1;
    frames.Offer(std::move(report));
    v1::WatchStatsResponse message;
    EXPECT_TRUE(frames.Next(message));
    return message.forwards_size();
  };
  EXPECT_EQ(offer(1), 2);
  EXPECT_EQ(offer(2), 1);
  EXPECT_EQ(offer(2), 0);
}

// Who has stalled in the middle of a frame must not hold the report that it is of for as long as it likes.
TEST(StatsFramesTest, AFrameThatIsNotTakenIsBrokenOff) {
  StatsFrames frames{v1::WatchStatsRequest()};
  const auto offer = [&frames](TimePoint taken_at, const std::string& first) {
    std::vector<SessionSnapshot> sessions{Session(first)};
    for (int i = 0; i < 20000; ++i) sessions.push_back(Session("s" + std::to_string(i)));
    auto report = std::make_shared<MergedReport>();
    report->taken_at = taken_at;
    report->sessions = std::move(sessions);
    const std::weak_ptr<MergedReport> watched = report;
    frames.Offer(std::move(report));
    return watched;
  };
  v1::WatchStatsResponse message;
  const std::weak_ptr<MergedReport> old = offer(TimePoint(), "old");
  ASSERT_TRUE(frames.Next(message));
  EXPECT_FALSE(message.end_of_frame());
  offer(TimePoint(kMaxFrameAge - std::chrono::milliseconds(1)), "later");
  EXPECT_FALSE(old.expired());
  offer(TimePoint(kMaxFrameAge), "new");
  EXPECT_TRUE(old.expired());
  message.Clear();
  ASSERT_TRUE(frames.Next(message));
  EXPECT_EQ(message.samples(0).name(), "sessions/new");
  EXPECT_EQ(message.conflated_frames(), 2u) << "the one that was broken off and the one that waited";
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
