#include "core/transport/limit_clock.h"

#include <gtest/gtest.h>

#include <random>

namespace culvert {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr TimePoint kBegin{seconds(1000)};

TimePoint At(int64_t ms) { return kBegin + milliseconds(ms); }

TEST(LimitClock, BeginsWithNothingToSend) {
  const LimitClock clock(kBegin);
  EXPECT_EQ(clock.current(), SendLimit::kApplication);
  EXPECT_EQ(clock.Totals(kBegin), TimeInLimit{});
  EXPECT_EQ(clock.Totals(At(7))[SendLimit::kApplication], milliseconds(7));
}

TEST(LimitClock, EachLimitHasTheTimeItWasInForce) {
  LimitClock clock(kBegin);
  clock.Enter(SendLimit::kPacing, At(10));
  clock.Enter(SendLimit::kCongestion, At(30));
  clock.Enter(SendLimit::kPacing, At(31));
  const TimeInLimit totals = clock.Totals(At(35));
  EXPECT_EQ(totals[SendLimit::kApplication], milliseconds(10));
  EXPECT_EQ(totals[SendLimit::kPacing], milliseconds(24));
  EXPECT_EQ(totals[SendLimit::kCongestion], milliseconds(1));
  EXPECT_EQ(totals.Sum(), milliseconds(35));
  EXPECT_EQ(clock.current(), SendLimit::kPacing);
}

TEST(LimitClock, LookingAndRepeatingChangeNothing) {
  LimitClock clock(kBegin);
  clock.Enter(SendLimit::kBuffer, At(5));
  for (int ms = 6; ms < 20; ++ms) {
    clock.Enter(SendLimit::kBuffer, At(ms));
    EXPECT_EQ(clock.Totals(At(ms)), clock.Totals(At(ms)));
  }
  EXPECT_EQ(clock.Totals(At(20))[SendLimit::kBuffer], milliseconds(15));
}

TEST(LimitClock, WhatLastsNoTimeCountsForNothing) {
  LimitClock clock(kBegin);
  clock.Enter(SendLimit::kPathDown, At(5));
  clock.Enter(SendLimit::kApplication, At(5));
  EXPECT_EQ(clock.Totals(At(9))[SendLimit::kPathDown], Duration::zero());
  EXPECT_EQ(clock.Totals(At(9))[SendLimit::kApplication], milliseconds(9));
}

TEST(StreamLimitClock, HasItsOwnLimitOrItsSessions) {
  LimitClock session(kBegin);
  StreamLimitClock stream(session, At(3));  // younger than its session
  EXPECT_EQ(stream.Totals(session, At(3)), TimeInLimit{});
  session.Enter(SendLimit::kCongestion, At(5));
  EXPECT_EQ(stream.Current(session), SendLimit::kApplication);
  stream.Enter({.own = std::nullopt, .is_in_flight = true}, session, At(10));
  EXPECT_EQ(stream.Current(session), SendLimit::kCongestion);
  session.Enter(SendLimit::kPacing, At(14));
  session.Enter(SendLimit::kCongestion, At(15));
  EXPECT_EQ(stream.Current(session), SendLimit::kCongestion);
  stream.Enter({.own = SendLimit::kPeerWindow, .is_in_flight = true}, session, At(20));
  EXPECT_EQ(stream.Current(session), SendLimit::kPeerWindow);
  const TimeInLimit totals = stream.Totals(session, At(21));
  EXPECT_EQ(totals[SendLimit::kApplication], milliseconds(7));
  EXPECT_EQ(totals[SendLimit::kCongestion], milliseconds(9));
  EXPECT_EQ(totals[SendLimit::kPacing], milliseconds(1));
  EXPECT_EQ(totals[SendLimit::kPeerWindow], milliseconds(1));
  EXPECT_EQ(totals.Sum(), milliseconds(18));
}

TEST(StreamLimitClock, AnOutageIsOfThoseWithDataInFlight) {
  LimitClock session(kBegin);
  StreamLimitClock idle(session, kBegin);
  StreamLimitClock waiting(session, kBegin);
  waiting.Enter({.own = SendLimit::kPeerWindow, .is_in_flight = true}, session, kBegin);
  session.Enter(SendLimit::kPathDown, At(10));
  EXPECT_EQ(idle.Current(session), SendLimit::kApplication);
  EXPECT_EQ(waiting.Current(session), SendLimit::kPathDown);
  session.Enter(SendLimit::kPeerWindow, At(40));
  EXPECT_EQ(idle.Totals(session, At(50))[SendLimit::kApplication], milliseconds(50));
  EXPECT_EQ(waiting.Totals(session, At(50))[SendLimit::kPathDown], milliseconds(30));
  EXPECT_EQ(waiting.Totals(session, At(50))[SendLimit::kPeerWindow], milliseconds(20));
}

// The rule that everything rests on: whatever happens when, the six add up to the age.
TEST(LimitClocks, SumsAreExactlyTheAge) {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    TimePoint now = kBegin;
    LimitClock session(now);
    now += nanoseconds(random() % 1000);
    const TimePoint stream_began = now;
    StreamLimitClock stream(session, now);
    TimeInLimit before = stream.Totals(session, now);
    for (int i = 0; i < 2000; ++i) {
      now += nanoseconds(random() % 3 == 0 ? 0 : random() % 10'000'000);
      const auto limit = static_cast<SendLimit>(random() % kSendLimitCount);
      if (random() % 2 == 0) {
        session.Enter(limit, now);
      } else {
        stream.Enter({.own = random() % 2 == 0 ? std::optional(limit) : std::nullopt, .is_in_flight = random() % 2 == 0}, session, now);
      }
      ASSERT_EQ(session.Totals(now).Sum(), now - kBegin);
      const TimeInLimit after = stream.Totals(session, now);
      ASSERT_EQ(after.Sum(), now - stream_began);
      for (size_t each = 0; each < kSendLimitCount; ++each) ASSERT_GE(after.spent[each], before.spent[each]);
      before = after;
    }
  }
}

TEST(LimitClocks, EveryLimitHasAName) {
  for (size_t i = 0; i < kSendLimitCount; ++i) EXPECT_FALSE(SendLimitName(static_cast<SendLimit>(i)).empty());
}

}  // namespace
}  // namespace culvert
