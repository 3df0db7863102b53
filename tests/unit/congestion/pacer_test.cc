#include "core/congestion/pacer.h"

#include <gtest/gtest.h>

namespace culvert::congestion {
namespace {

// Sends whenever the pacer allows, waking only when it says; returns bytes sent in a second and the largest burst but the first.
std::pair<uint64_t, uint64_t> OneSecond(uint64_t rate) {
  Pacer pacer;
  pacer.SetRate(rate, 1200);
  TimePoint now{std::chrono::seconds(5)};
  const TimePoint end = now + std::chrono::seconds(1);
  uint64_t total = 0;
  uint64_t largest = 0;
  while (now < end) {
    uint64_t burst = 0;
    while (pacer.MaySend(now)) {
      pacer.OnSent(now, 1200);
      burst += 1200;
    }
    if (total > 0) largest = std::max(largest, burst);
    total += burst;
    now = std::max(now + std::chrono::nanoseconds(1), pacer.NextStepAt());
  }
  return {total, largest};
}

TEST(Pacer, KeepsTheRateInStepsOfAtMostOneTrain) {
  for (const uint64_t rate : {100'000ull, 1'000'000ull, 6'250'000ull, 125'000'000ull}) {
    const auto [total, largest] = OneSecond(rate);
    EXPECT_NEAR(static_cast<double>(total), static_cast<double>(rate), 0.1 * static_cast<double>(rate) + 5000) << rate;
    EXPECT_LE(largest, Pacer::kMaxStepBytes + 2 * 1200) << rate;
  }
}

// A driver with much else to do comes back later than a step takes at this rate.
TEST(Pacer, TurnsLongerThanAStepKeepTheRate) {
  constexpr uint64_t kRate = 500'000'000;
  Pacer pacer;
  pacer.SetRate(kRate, 1200);
  TimePoint now{std::chrono::seconds(5)};
  uint64_t total = 0;
  for (int turn = 0; turn < 1000; ++turn) {
    while (pacer.MaySend(now)) {
      pacer.OnSent(now, 1200);
      total += 1200;
    }
    now += std::chrono::microseconds(900);
  }
  EXPECT_NEAR(static_cast<double>(total), 0.9 * kRate, 0.01 * kRate);
}

TEST(Pacer, IdleTimeIsWorthAMillisecondNotABurst) {
  for (const uint64_t rate : {1'000'000ull, 500'000'000ull}) {
    Pacer pacer;
    pacer.SetRate(rate, 1200);
    TimePoint now{std::chrono::seconds(5)};
    pacer.OnSent(now, 1200);
    now += std::chrono::seconds(60);
    uint64_t burst = 0;
    while (pacer.MaySend(now)) {
      pacer.OnSent(now, 1200);
      burst += 1200;
    }
    EXPECT_LE(burst, rate / 1000 + 4u * 1200);
  }
}

TEST(Pacer, NoRateMeansNoPacing) {
  Pacer pacer;
  EXPECT_TRUE(pacer.MaySend(TimePoint{}));
}

}  // namespace
}  // namespace culvert::congestion
