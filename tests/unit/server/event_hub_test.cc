#include "server/event_hub.h"

#include <gmock/gmock.h>

#include <future>

#include "server/error_builder.h"

namespace culvert::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Recorder final : public EventReader {
 public:
  void OnSnapshot(std::vector<EventPtr> events) override {
    for (const EventPtr& event : events) messages.push_back("old " + event->message);
  }
  void OnEvent(EventPtr event) override { messages.push_back(event->message); }
  void OnEnd(absl::Status why) override { end.set_value(std::move(why)); }

  std::vector<std::string> messages;  // the control thread's, until that has stopped
  std::promise<absl::Status> end;
};

EventPtr Numbered(int64_t revision) {
  auto event = std::make_shared<Event>();
  event->revision = revision;
  return event;
}

std::vector<int64_t> Revisions(const std::vector<EventPtr>& events) {
  std::vector<int64_t> revisions;
  for (const EventPtr& event : events) revisions.push_back(event->revision);
  return revisions;
}

TEST(EventHubTest, AReaderGetsWhatThereIsAndThenWhatComes) {
  ControlThread thread;
  RevisionClock revisions(0);
  EventHub hub(thread, revisions);
  hub.Post(EventType::kNormal, "R", "dialer/a", "1");
  hub.Post(EventType::kNormal, "R", "dialer/b", "2");
  const auto all = std::make_shared<Recorder>();
  const auto some = std::make_shared<Recorder>();
  const auto once = std::make_shared<Recorder>();
  hub.Add(all, {}, /*follow=*/true);
  hub.Add(some, {.subject = "dialer/b", .type = EventType::kWarning, .last = 1}, /*follow=*/true);
  hub.Add(once, {}, /*follow=*/false);
  EXPECT_TRUE(once->end.get_future().get().ok());
  hub.Post(EventType::kWarning, "R", "dialer/a", "3");
  hub.Post(EventType::kWarning, "R", "dialer/b", "4");
  hub.Post(EventType::kWarning, "R", "dialer/b", "5");
  hub.Post(EventType::kNormal, "R", "dialer/b", "2");
  thread.Stop();
  EXPECT_THAT(all->messages, ElementsAre("old 1", "old 2", "3", "4", "5", "2"));
  EXPECT_THAT(some->messages, ElementsAre("4", "5"));
  EXPECT_THAT(once->messages, ElementsAre("old 1", "old 2"));
}

TEST(EventHubTest, NothingComesAfterRemoval) {
  ControlThread thread;
  RevisionClock revisions(0);
  EventHub hub(thread, revisions);
  const auto reader = std::make_shared<Recorder>();
  hub.Remove(reader);  // overtakes
  hub.Add(reader, {}, /*follow=*/true);
  hub.Post(EventType::kNormal, "R", "s", "1");
  thread.Stop();
  EXPECT_THAT(reader->messages, IsEmpty());
}

TEST(EventHubTest, ReadersAreLimited) {
  ControlThread thread;
  RevisionClock revisions(0);
  EventHub hub(thread, revisions);
  std::vector<std::shared_ptr<Recorder>> readers;
  for (size_t i = 0; i <= EventHub::kMaxReaders; ++i) {
    readers.push_back(std::make_shared<Recorder>());
    hub.Add(readers.back(), {}, /*follow=*/true);
  }
  EXPECT_EQ(ReasonOf(readers.back()->end.get_future().get()), "LIMIT_EXCEEDED");
  hub.Remove(readers.front());
  const auto next = std::make_shared<Recorder>();
  hub.Add(next, {}, /*follow=*/true);
  hub.Post(EventType::kNormal, "R", "s", "1");
  thread.Stop();
  EXPECT_THAT(next->messages, ElementsAre("1"));
  EXPECT_THAT(readers.front()->messages, IsEmpty());
}

TEST(EventHubTest, StreamsEndWhenTheDaemonDoes) {
  ControlThread thread;
  RevisionClock revisions(0);
  EventHub hub(thread, revisions);
  const auto reader = std::make_shared<Recorder>();
  hub.Add(reader, {}, /*follow=*/true);
  std::promise<void> added;
  ASSERT_TRUE(thread.Post([&added] { added.set_value(); }));
  added.get_future().wait();
  hub.BeginStop();
  EXPECT_EQ(ReasonOf(reader->end.get_future().get()), "DAEMON_STOPPING");
  const auto late = std::make_shared<Recorder>();
  hub.Add(late, {}, /*follow=*/true);
  EXPECT_EQ(ReasonOf(late->end.get_future().get()), "DAEMON_STOPPING");
}

TEST(EventHubTest, AStormLeavesRoomForRequests) {
  ControlThread thread;
  RevisionClock revisions(0);
  EventHub hub(thread, revisions);
  const auto reader = std::make_shared<Recorder>();
  hub.Add(reader, {}, /*follow=*/true);
  std::promise<void> go;
  ASSERT_TRUE(thread.Post([gate = go.get_future().share()] { gate.wait(); }));
  for (int i = 0; i < 5000; ++i) hub.Post(EventType::kWarning, "R", "s", std::to_string(i));
  bool is_served = false;
  EXPECT_TRUE(thread.Post([&is_served] { is_served = true; }));
  go.set_value();
  thread.Stop();
  EXPECT_TRUE(is_served);
  ASSERT_EQ(reader->messages.size(), EventHub::kMaxWaiting);
  EXPECT_EQ(reader->messages.back(), std::to_string(EventHub::kMaxWaiting - 1));
}

TEST(EventHubTest, WhatThePlaceForWaitingEventsHoldsIsFreedAgain) {
  ControlThread thread;
  RevisionClock revisions(0);
  EventHub hub(thread, revisions);
  const auto reader = std::make_shared<Recorder>();
  hub.Add(reader, {}, /*follow=*/true);
  for (size_t round = 0; round < 3; ++round) {
    for (size_t i = 0; i < EventHub::kMaxWaiting; ++i) hub.Post(EventType::kNormal, "R", "s", std::to_string(i));
    std::promise<void> done;
    ASSERT_TRUE(thread.Post([&done] { done.set_value(); }));
    done.get_future().wait();
  }
  thread.Stop();
  EXPECT_EQ(reader->messages.size(), 3 * EventHub::kMaxWaiting);
}

TEST(EventQueueTest, GivesTheSnapshotThenWhatCameInPieces) {
  EventQueue queue;
  EXPECT_THAT(queue.Take(10), IsEmpty());
  queue.Begin({Numbered(1), Numbered(2), Numbered(3)});
  queue.Offer(Numbered(4));
  EXPECT_THAT(Revisions(queue.Take(2)), ElementsAre(1, 2));
  EXPECT_THAT(Revisions(queue.Take(2)), ElementsAre(3, 4));
  queue.Offer(Numbered(5));
  EXPECT_THAT(Revisions(queue.Take(2)), ElementsAre(5));
  EXPECT_THAT(queue.Take(2), IsEmpty());
  EXPECT_EQ(queue.missed(), 0u);
}

TEST(EventQueueTest, ASlowReaderMissesTheOldestAndIsTold) {
  EventQueue queue;
  queue.Begin({Numbered(1)});
  const auto most = static_cast<int64_t>(EventQueue::kMaxQueued);
  for (int64_t i = 2; i < most + 7; ++i) queue.Offer(Numbered(i));
  EXPECT_EQ(queue.missed(), 5u);
  const std::vector<int64_t> taken = Revisions(queue.Take(1'000'000));
  ASSERT_EQ(taken.size(), EventQueue::kMaxQueued + 1);
  EXPECT_EQ(taken[0], 1) << "what the snapshot held is not dropped";
  EXPECT_EQ(taken[1], 7);
  EXPECT_EQ(taken.back(), most + 6);
}

}  // namespace
}  // namespace culvert::server
