#include "server/event_log.h"

#include <gmock/gmock.h>

namespace culvert::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<std::string> Messages(const std::vector<EventPtr>& events) {
  std::vector<std::string> messages;
  for (const EventPtr& event : events) messages.push_back(event->message);
  return messages;
}

TEST(EventLogTest, KeepsWhatHappenedInOrder) {
  EventLog log;
  log.Add(EventType::kNormal, "Created", "dialer/d", "by manager api", 100);
  const EventPtr second = log.Add(EventType::kWarning, "DialFailed", "dialer/d", "refused", 200);
  EXPECT_EQ(second->revision, 2);
  EXPECT_EQ(second->count, 1u);
  EXPECT_EQ(second->first_unix_ns, 200);
  EXPECT_EQ(second->last_unix_ns, 200);
  const std::vector<EventPtr> all = log.Select({});
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0]->revision, 1);
  EXPECT_EQ(all[0]->reason, "Created");
  EXPECT_EQ(all[0]->subject, "dialer/d");
  EXPECT_EQ(all[0]->type, EventType::kNormal);
  EXPECT_EQ(all[1], second);
}

TEST(EventLogTest, TheSameCountsUpAndMovesToTheEnd) {
  EventLog log;
  const EventPtr before = log.Add(EventType::kWarning, "DialFailed", "dialer/d", "refused", 100);
  log.Add(EventType::kWarning, "DialFailed", "dialer/e", "refused", 110);
  log.Add(EventType::kWarning, "DialFailed", "dialer/d", "refused", 120);
  const EventPtr again = log.Add(EventType::kWarning, "DialFailed", "dialer/d", "refused", 130);
  EXPECT_EQ(again->revision, 4);
  EXPECT_EQ(again->count, 3u);
  EXPECT_EQ(again->first_unix_ns, 100);
  EXPECT_EQ(again->last_unix_ns, 130);
  EXPECT_EQ(before->count, 1u) << "an event that somebody holds does not change";
  const std::vector<EventPtr> all = log.Select({});
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0]->subject, "dialer/e");
  EXPECT_EQ(all[1], again);
}

TEST(EventLogTest, AnyDifferenceIsAnotherEvent) {
  EventLog log;
  log.Add(EventType::kNormal, "A", "b", "c", 1);
  log.Add(EventType::kWarning, "A", "b", "c", 1);
  log.Add(EventType::kNormal, "Ab", "", "c", 1);
  log.Add(EventType::kNormal, "", "Ab", "c", 1);
  log.Add(EventType::kNormal, "A", "b", "", 1);
  EXPECT_EQ(log.size(), 5u);
  for (const EventPtr& event : log.Select({})) EXPECT_EQ(event->count, 1u);
}

TEST(EventLogTest, TheOldestGoesWhenItIsFull) {
  EventLog log;
  for (size_t i = 0; i < EventLog::kCapacity; ++i) log.Add(EventType::kNormal, "R", "s", std::to_string(i), 1);
  log.Add(EventType::kNormal, "R", "s", "0", 2);  // the same again pushes nothing out, and is now the latest
  EXPECT_EQ(log.size(), EventLog::kCapacity);
  log.Add(EventType::kNormal, "R", "s", "new", 3);
  EXPECT_EQ(log.size(), EventLog::kCapacity);
  std::vector<EventPtr> all = log.Select({});
  EXPECT_EQ(all.front()->message, "2");
  EXPECT_THAT(Messages({all.end() - 2, all.end()}), ElementsAre("0", "new"));
  // What went is forgotten altogether.
  EXPECT_EQ(log.Add(EventType::kNormal, "R", "s", "1", 4)->count, 1u);
  EXPECT_EQ(log.Add(EventType::kNormal, "R", "s", "0", 5)->count, 3u);
  for (size_t i = 0; i < 3 * EventLog::kCapacity; ++i) log.Add(EventType::kNormal, "R", "t", std::to_string(i), 6);
  EXPECT_THAT(log.Select({.subject = "s"}), IsEmpty());
  EXPECT_EQ(log.Select({})[0]->revision + static_cast<int64_t>(EventLog::kCapacity) - 1, log.Select({}).back()->revision);
}

TEST(EventLogTest, FiltersBySubjectTypeTimeAndNumber) {
  EventLog log;
  log.Add(EventType::kNormal, "R", "dialer/a", "1", 10);
  log.Add(EventType::kWarning, "R", "dialer/a", "2", 20);
  log.Add(EventType::kWarning, "R", "dialer/ab", "3", 30);
  log.Add(EventType::kNormal, "R", "dialer/a", "4", 40);
  EXPECT_THAT(Messages(log.Select({.subject = "dialer/a"})), ElementsAre("1", "2", "4"));
  EXPECT_THAT(Messages(log.Select({.type = EventType::kWarning})), ElementsAre("2", "3"));
  EXPECT_THAT(Messages(log.Select({.since_unix_ns = 30})), ElementsAre("3", "4"));
  EXPECT_THAT(Messages(log.Select({.last = 2})), ElementsAre("3", "4"));
  EXPECT_THAT(Messages(log.Select({.subject = "dialer/a", .last = 2})), ElementsAre("2", "4"));
  EXPECT_THAT(log.Select({.last = 100}), SizeIs(4));
  EXPECT_THAT(log.Select({.subject = "dialer"}), IsEmpty());
  // A repetition is recent, however old the first was.
  log.Add(EventType::kNormal, "R", "dialer/a", "1", 50);
  EXPECT_THAT(Messages(log.Select({.since_unix_ns = 45})), ElementsAre("1"));
}

TEST(EventLogTest, TextsAreCutAndCleaned) {
  EventLog log;
  const EventPtr event = log.Add(EventType::kWarning, std::string(1000, 'R'), std::string(1000, 's'), std::string(1000, 'm'), 1);
  EXPECT_EQ(event->reason.size(), EventLog::kMaxNameBytes);
  EXPECT_EQ(event->subject.size(), EventLog::kMaxNameBytes);
  EXPECT_EQ(event->message.size(), EventLog::kMaxMessageBytes);
  EXPECT_EQ(log.Add(EventType::kNormal, "R", "s", "a\nb\x1b[31m\x7f" "c", 1)->message, "a?b?[31m?c");
  EXPECT_EQ(log.Add(EventType::kNormal, "R", "s", "\xff\xc3( \xc3\xa9", 1)->message, "?" "?( \xc3\xa9");
  // No code point is cut in two.
  const EventPtr wide = log.Add(EventType::kNormal, "R", "s", std::string(511, 'x') + "\xc3\xa9", 1);
  EXPECT_EQ(wide->message, std::string(511, 'x'));
  // What is the same after all that is the same.
  EXPECT_EQ(log.Add(EventType::kNormal, "R", "s", std::string(511, 'x') + "\xc3\xa9", 2)->count, 2u);
}

}  // namespace
}  // namespace culvert::server
