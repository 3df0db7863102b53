// The log of changes, the book of subjects, and the cursors of readers, in any order of writing, reading, leaving and coming back.
#include <gmock/gmock.h>

#include <map>
#include <random>
#include <string>

#include "server/watch/revision.h"
#include "server/watch/subject_book.h"
#include "server/watch/watch_cursor.h"
#include "server/watch/watch_log.h"

namespace culvert::server {
namespace {

constexpr uint32_t kAllKinds = 0x3e;  // every bit but that of UNSPECIFIED

WatchedSubject Listener(const std::string& name, const std::string& bind, uint64_t bytes = 0) {
  WatchedSubject subject;
  v1::Listener& listener = *subject.mutable_object()->mutable_listener();
  listener.mutable_metadata()->set_name(name);
  listener.mutable_spec()->set_bind(bind);
  listener.mutable_status()->mutable_counters()->set_rx_bytes(bytes);
  return subject;
}

WatchedSubject Session(const std::string& id, v1::State state) {
  WatchedSubject subject;
  subject.mutable_session()->set_name("sessions/" + id);
  subject.mutable_session()->set_state(state);
  return subject;
}

SubjectBook::Key KeyOf(const WatchedSubject& subject) {
  if (subject.has_session()) return {v1::WATCH_KIND_SESSION, subject.session().name()};
  if (subject.has_event()) return {v1::WATCH_KIND_EVENT, std::to_string(subject.event().revision())};
  return {v1::WATCH_KIND_LISTENER, subject.object().listener().metadata().name()};
}

class World {
 public:
  RevisionClock revisions{1'780'000'000'000'000'000};
  WatchLog log{revisions};
  SubjectBook book{log, revisions};
  std::vector<EventPtr> events;

  void AddEvent(const std::string& message) {
    auto event = std::make_shared<Event>();
    event->revision = revisions.Next();
    event->message = message;
    events.push_back(event);
    WatchRecord record;
    record.revision = event->revision;
    record.kind = v1::WATCH_KIND_EVENT;
    record.subject = KeptSubject::Of(SubjectOf(*event));
    log.Append(std::move(record));
  }
};

// What a client makes of a stream: a copy of the world.
class Replica {
 public:
  void Take(const std::vector<WatchItem>& items) {
    for (const WatchItem& item : items) {
      switch (item.kind) {
        case WatchItem::Kind::kInitial: {
          EXPECT_FALSE(is_complete_) << "a snapshot after its end";
          const SubjectBook::Key key = KeyOf(item.subject->Read());
          EXPECT_TRUE(subjects_.emplace(key, item.subject->encoded()).second) << "twice in a snapshot";
          seen_[key] = item.revision;
          break;
        }
        case WatchItem::Kind::kChange: {
          const SubjectBook::Key key = KeyOf(item.record->subject->Read());
          EXPECT_GT(item.revision, seen_[key]) << "repeated: " << key.name;
          EXPECT_GT(item.revision, last_);
          last_ = item.revision;
          seen_[key] = item.revision;
          if (item.record->is_gone) {
            EXPECT_EQ(subjects_.erase(key), 1u) << "gone, but was never there: " << key.name;
          } else {
            EXPECT_EQ(subjects_.contains(key), item.record->before != nullptr || false) << key.name;
            subjects_[key] = item.record->subject->encoded();
          }
          break;
        }
        case WatchItem::Kind::kSnapshotComplete:
          EXPECT_FALSE(is_complete_);
          is_complete_ = true;
          EXPECT_GE(item.revision, last_);
          last_ = item.revision;
          break;
        case WatchItem::Kind::kBookmark: break;
      }
    }
  }
  void ExpectIs(const World& world) const {
    std::map<SubjectBook::Key, std::string> expected;
    for (const auto& [key, subject] : world.book.subjects()) expected[KeyOf(subject.subject->Read())] = subject.subject->encoded();
    for (const EventPtr& event : world.events) {
      const WatchedSubject subject = SubjectOf(*event);
      expected[KeyOf(subject)] = subject.SerializeAsString();
    }
    EXPECT_EQ(subjects_, expected);
  }
  void Clear() { *this = Replica(); }
  [[nodiscard]] bool is_complete() const { return is_complete_; }
  [[nodiscard]] int64_t last() const { return last_; }
  [[nodiscard]] size_t size() const { return subjects_.size(); }

 private:
  std::map<SubjectBook::Key, std::string> subjects_;
  std::map<SubjectBook::Key, int64_t> seen_;
  bool is_complete_ = false;
  int64_t last_ = 0;
};

std::vector<WatchItem> Next(WatchCursor& cursor, World& world) {
  bool behind = false;
  std::vector<WatchItem> items = cursor.Next(world.book, world.log, world.revisions, world.events, behind);
  EXPECT_FALSE(behind);
  return items;
}

TEST(RevisionClock, TellsRunsApart) {
  RevisionClock first(1'780'000'000'000'000'000);
  RevisionClock second(1'780'000'000'001'000'000);  // a millisecond later
  for (int i = 0; i < 1000; ++i) first.Next();
  EXPECT_FALSE(second.IsOfThisRun(first.current()));
  EXPECT_FALSE(first.IsOfThisRun(second.Next()));
  EXPECT_TRUE(first.IsOfThisRun(first.first()));
  EXPECT_FALSE(first.IsOfThisRun(first.current() + 1)) << "not given yet";
}

TEST(SubjectBook, LiveFiguresAreNoChange) {
  World world;
  const SubjectBook::Key key{v1::WATCH_KIND_LISTENER, "a"};
  EXPECT_TRUE(world.book.Observe(key, Listener("a", "x", 1)));
  EXPECT_FALSE(world.book.Observe(key, Listener("a", "x", 2)));
  EXPECT_EQ(world.log.size(), 1u);
  EXPECT_TRUE(world.book.Observe(key, Listener("a", "y", 2)));
  EXPECT_EQ(world.log.size(), 2u);
}

TEST(SubjectBook, WhatIsGoneIsToldOnceAsItWasLast) {
  World world;
  const SubjectBook::Key key{v1::WATCH_KIND_LISTENER, "a"};
  world.book.Observe(key, Listener("a", "x"));
  const int64_t before = world.revisions.current();
  const WatchedSubject last = Listener("a", "x", 77);
  world.book.Forget(key, &last);
  world.book.Forget(key, &last);
  const WatchRecordPtr record = world.log.NextAfter(before);
  ASSERT_NE(record, nullptr);
  EXPECT_TRUE(record->is_gone);
  EXPECT_EQ(record->subject->Read().object().listener().status().counters().rx_bytes(), 77u);
  EXPECT_EQ(world.log.NextAfter(record->revision), nullptr);
}

TEST(WatchLog, ForgetsTheOldestAndSaysSo) {
  World world;
  const int64_t begin = world.revisions.current();
  for (size_t i = 0; i < WatchLog::kMaxRecords; ++i) {
    world.book.Observe({v1::WATCH_KIND_LISTENER, "a"}, Listener("a", std::to_string(i)));
  }
  EXPECT_TRUE(world.log.HasAllAfter(begin));
  world.book.Observe({v1::WATCH_KIND_LISTENER, "a"}, Listener("a", "last"));
  EXPECT_FALSE(world.log.HasAllAfter(begin));
  EXPECT_TRUE(world.log.HasAllAfter(world.log.oldest()));
  EXPECT_EQ(world.log.size(), WatchLog::kMaxRecords);
}

TEST(WatchLog, IsBoundedInBytes) {
  World world;
  const std::string large(1 << 20, 'x');
  for (int i = 0; i < 100; ++i) world.book.Observe({v1::WATCH_KIND_LISTENER, "a"}, Listener("a", large + std::to_string(i)));
  EXPECT_LE(world.log.size(), WatchLog::kMaxBytes >> 20);
  EXPECT_FALSE(world.log.HasAllAfter(world.revisions.first()));
}

TEST(WatchCursor, AReaderThatFallsBehindIsTold) {
  World world;
  WatchCursor cursor = WatchCursor::After(kAllKinds, world.revisions.current());
  for (size_t i = 0; i <= WatchLog::kMaxRecords; ++i) world.book.Observe({v1::WATCH_KIND_LISTENER, "a"}, Listener("a", std::to_string(i)));
  bool behind = false;
  EXPECT_TRUE(cursor.Next(world.book, world.log, world.revisions, {}, behind).empty());
  EXPECT_TRUE(behind);
}

TEST(WatchCursor, GivesOnlyTheKindsAskedFor) {
  World world;
  world.book.Observe({v1::WATCH_KIND_LISTENER, "a"}, Listener("a", "x"));
  world.book.Observe({v1::WATCH_KIND_SESSION, "s"}, Session("s", v1::STATE_ACTIVE));
  world.AddEvent("one");
  WatchCursor cursor = WatchCursor::FromSnapshot(1u << v1::WATCH_KIND_SESSION, world.revisions);
  const std::vector<WatchItem> items = Next(cursor, world);
  ASSERT_EQ(items.size(), 2u);
  EXPECT_TRUE(items[0].subject->Read().has_session());
  EXPECT_EQ(items[1].kind, WatchItem::Kind::kSnapshotComplete);
  world.AddEvent("two");
  EXPECT_TRUE(Next(cursor, world).empty());
  EXPECT_EQ(cursor.position(), world.revisions.current()) << "what it does not want is behind it too";
}

TEST(WatchCursor, AStepIsBounded) {
  World world;
  const std::string large(20 << 10, 'x');
  for (int i = 0; i < 100; ++i) world.book.Observe({v1::WATCH_KIND_LISTENER, std::to_string(i)}, Listener(std::to_string(i), large));
  WatchCursor cursor = WatchCursor::FromSnapshot(kAllKinds, world.revisions);
  for (int step = 0; step < 20; ++step) EXPECT_LE(Next(cursor, world).size(), WatchCursor::kMaxBytes / large.size() + 1);
}

// Anybody may write, read a step, leave, come back or begin anew at any moment; in the end all copies are the world.
TEST(WatchCursor, ReadersMissAndRepeatNothing) {
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    World world;
    struct Reader {
      WatchCursor cursor;
      Replica replica;
    };
    std::vector<Reader> readers;
    const auto begin = [&](Reader& reader) {
      reader.replica.Clear();
      reader.cursor = WatchCursor::FromSnapshot(kAllKinds, world.revisions);
    };
    const auto write = [&] {
      const std::string name = std::to_string(random() % 150);
      switch (random() % 6) {
        case 0: world.book.Forget({v1::WATCH_KIND_LISTENER, name}, nullptr); break;
        case 1: world.book.Observe({v1::WATCH_KIND_SESSION, name}, Session(name, static_cast<v1::State>(1 + random() % 5))); break;
        case 2: world.book.Forget({v1::WATCH_KIND_SESSION, name}, nullptr); break;
        case 3: world.AddEvent(name); break;
        default: world.book.Observe({v1::WATCH_KIND_LISTENER, name}, Listener(name, std::to_string(random() % 4))); break;
      }
    };
    for (int i = 0; i < 100; ++i) write();
    for (int i = 0; i < 4; ++i) begin(readers.emplace_back());
    for (int step = 0; step < 1500; ++step) {
      if (random() % 3 != 0) write();
      Reader& reader = readers[random() % readers.size()];
      switch (random() % 12) {
        case 0: begin(reader); break;
        case 1:  // it left and comes back: from its last bookmark or change, once it has one that is safe
          if (reader.replica.is_complete()) reader.cursor = WatchCursor::After(kAllKinds, reader.replica.last());
          break;
        default: reader.replica.Take(Next(reader.cursor, world)); break;
      }
      if (testing::Test::HasFailure()) return;
    }
    for (Reader& reader : readers) {
      for (int step = 0; step < 100; ++step) reader.replica.Take(Next(reader.cursor, world));
      EXPECT_TRUE(reader.replica.is_complete());
      reader.replica.ExpectIs(world);
      EXPECT_GT(reader.replica.size(), 20u);
    }
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace culvert::server
