#include "core/base/deadline_heap.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "core/base/random.h"

namespace culvert {
namespace {

TimePoint At(int64_t nanoseconds) { return TimePoint(Duration(nanoseconds)); }

TEST(DeadlineHeap, IsEmptyAtFirst) {
  DeadlineHeap heap;
  EXPECT_EQ(heap.Next(), std::nullopt);
  EXPECT_EQ(heap.PopDue(At(1000)), std::nullopt);
  heap.Cancel(5);
  EXPECT_EQ(heap.size(), 0u);
}

TEST(DeadlineHeap, FiresInOrderAndNotBefore) {
  DeadlineHeap heap;
  heap.Set(1, At(30));
  heap.Set(2, At(10));
  heap.Set(3, At(20));
  EXPECT_EQ(heap.Next(), At(10));
  EXPECT_EQ(heap.PopDue(At(9)), std::nullopt);
  EXPECT_EQ(heap.PopDue(At(10)), 2u);
  EXPECT_EQ(heap.PopDue(At(10)), std::nullopt);
  EXPECT_EQ(heap.PopDue(At(100)), 3u);
  EXPECT_EQ(heap.PopDue(At(100)), 1u);
  EXPECT_EQ(heap.PopDue(At(100)), std::nullopt);
}

TEST(DeadlineHeap, AKeyHasOneDeadline) {
  DeadlineHeap heap;
  heap.Set(1, At(10));
  heap.Set(1, At(50));
  EXPECT_EQ(heap.size(), 1u);
  EXPECT_EQ(heap.Next(), At(50));
  heap.Set(1, At(5));
  EXPECT_EQ(heap.Next(), At(5));
}

TEST(DeadlineHeap, TheInfiniteFutureCancels) {
  DeadlineHeap heap;
  heap.Set(1, At(10));
  heap.Set(1, kInfiniteFuture);
  EXPECT_EQ(heap.size(), 0u);
  heap.Set(7, kInfiniteFuture);
  EXPECT_EQ(heap.Next(), std::nullopt);
}

TEST(DeadlineHeap, BehavesLikeASortedSetUnderRandomOperations) {
  SeededRandom random(5);
  DeadlineHeap heap;
  std::map<uint32_t, TimePoint> deadlines;
  TimePoint now{};
  for (int step = 0; step < 50000; ++step) {
    const uint32_t key = random.NextInRange(0, 60);
    switch (random.NextInRange(0, 4)) {
      case 0:
      case 1:
      case 2: {
        // Few distinct times, so that equal deadlines occur often.
        const TimePoint when = now + Duration(random.NextInRange(0, 40));
        heap.Set(key, when);
        deadlines[key] = when;
        break;
      }
      case 3:
        heap.Cancel(key);
        deadlines.erase(key);
        break;
      case 4: {
        now += Duration(random.NextInRange(0, 8));
        std::set<uint32_t> due;
        for (const auto& [k, when] : deadlines) {
          if (when <= now) due.insert(k);
        }
        TimePoint last{};
        while (const auto popped = heap.PopDue(now)) {
          ASSERT_EQ(due.erase(*popped), 1u) << "key " << *popped << " is not due, or came twice";
          ASSERT_LE(last, deadlines[*popped]) << "out of order";
          last = deadlines[*popped];
          deadlines.erase(*popped);
        }
        ASSERT_TRUE(due.empty()) << due.size() << " due keys did not come";
        break;
      }
    }
    ASSERT_EQ(heap.size(), deadlines.size());
    std::optional<TimePoint> next;
    for (const auto& [k, when] : deadlines) {
      if (!next || when < *next) next = when;
    }
    ASSERT_EQ(heap.Next(), next);
  }
}

}  // namespace
}  // namespace culvert
