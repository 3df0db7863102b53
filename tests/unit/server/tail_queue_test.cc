#include "server/services/tail_queue.h"

#include <gtest/gtest.h>

#include <string>

namespace culvert::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Queue = TailQueue<v1::TapRecord>;

constexpr TimePoint kStart{seconds(100)};
Queue::Moment At(Duration after) { return {kStart + after, Duration(seconds(1000) + after).count()}; }

std::vector<Queue::Ptr> Records(int first, int last) {
  std::vector<Queue::Ptr> records;
  for (int i = first; i <= last; ++i) {
    auto record = std::make_shared<v1::TapRecord>();
    record->set_reason(std::to_string(i));
    records.push_back(std::move(record));
  }
  return records;
}

// "1 2 lost(RATE_LIMIT 3) 9": all that there is to be taken.
std::string TakeAll(Queue& queue) {
  std::string text;
  while (auto item = queue.Take()) {
    text += (text.empty() ? "" : " ");
    if (item->lost) {
      text += "lost(" + v1::LostRecords::Cause_Name(item->lost->cause()).substr(6) + " " + std::to_string(item->lost->records()) + ")";
    } else {
      text += item->record->reason();
    }
  }
  return text;
}

TEST(TailQueue, GivesThePastAndThenWhatComes) {
  Queue queue(100);
  EXPECT_FALSE(queue.Take());
  queue.AddPast(Records(1, 3));
  queue.Add(At(seconds(0)), Records(4, 5), 0);
  EXPECT_EQ(TakeAll(queue), "1 2 3 4 5");
  queue.Add(At(seconds(1)), Records(6, 6), 0);
  EXPECT_EQ(TakeAll(queue), "6");
}

TEST(TailQueue, SaysWhatIsBeyondTheRateOnceASecond) {
  Queue queue(2);
  queue.Add(At(milliseconds(0)), Records(1, 5), 0);
  EXPECT_EQ(TakeAll(queue), "1 2 lost(RATE_LIMIT 3)");
  queue.Add(At(milliseconds(500)), Records(6, 7), 0);
  EXPECT_EQ(TakeAll(queue), "");
  queue.Add(At(milliseconds(1000)), Records(8, 8), 0);
  EXPECT_EQ(TakeAll(queue), "8 lost(RATE_LIMIT 2)");
  queue.Add(At(milliseconds(2500)), {}, 0);
  EXPECT_EQ(TakeAll(queue), "");
}

TEST(TailQueue, SaysWhenRecordsWereLost) {
  Queue queue(1);
  queue.Add(At(milliseconds(0)), Records(1, 2), 0);
  static_cast<void>(TakeAll(queue));
  queue.Add(At(milliseconds(200)), Records(3, 3), 0);
  queue.Add(At(milliseconds(700)), Records(4, 4), 0);
  queue.Add(At(milliseconds(1100)), {}, 0);
  const auto item = queue.Take();
  ASSERT_TRUE(item && item->lost);
  EXPECT_EQ(item->lost->records(), 2u);
  EXPECT_EQ(item->lost->first_time().nanos(), 200'000'000);
  EXPECT_EQ(item->lost->last_time().nanos(), 700'000'000);
}

TEST(TailQueue, PassesOnWhatNobodySaw) {
  Queue queue(100);
  queue.Add(At(seconds(0)), Records(1, 1), 7);
  EXPECT_EQ(TakeAll(queue), "1 lost(OVERWRITTEN 7)");
}

TEST(TailQueue, DropsTheOldestForASlowReaderAndSaysSoInFront) {
  constexpr int kMost = static_cast<int>(Queue::kMaxQueued);
  Queue queue(1'000'000);
  queue.Add(At(seconds(0)), Records(1, kMost + 10), 0);
  const auto first = queue.Take();
  ASSERT_TRUE(first && first->lost);
  EXPECT_EQ(first->lost->cause(), v1::LostRecords::CAUSE_SLOW_READER);
  EXPECT_EQ(first->lost->records(), 10u);
  EXPECT_EQ(queue.Take()->record->reason(), "11");
}

// However long nobody reads, nothing grows, and in the end every record is either given or counted.
TEST(TailQueue, AccountsForEveryRecord) {
  Queue queue(300);
  uint64_t added = 0, given = 0, lost = 0, most = 0;
  const auto take = [&] {
    uint64_t items = 0;
    while (const auto item = queue.Take()) {
      ++items;
      (item->lost ? lost : given) += item->lost ? item->lost->records() : 1;
    }
    most = std::max(most, items);
  };
  for (int tick = 0; tick < 1000; ++tick) {
    queue.Add(At(milliseconds(100) * tick), Records(1, 97), tick % 10 == 0 ? 3 : 0);
    added += 97 + (tick % 10 == 0 ? 3 : 0);
    if (tick % 333 == 332) take();
  }
  queue.Add(At(seconds(1000)), {}, 0);
  take();
  EXPECT_EQ(given + lost, added);
  EXPECT_GT(given, 1000u);
  EXPECT_LE(most, Queue::kMaxQueued + 3);
}

}  // namespace
}  // namespace culvert::server
