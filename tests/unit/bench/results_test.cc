#include "tests/bench/compare/report/results.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace culvert::bench {
namespace {

TEST(Results, KeepsWhatBelongsTogether) {
  Results results;
  results.Add(1, "p", "a", Metric::kUp, 10);
  results.Add(2, "p", "a", Metric::kUp, 20);
  results.Add(1, "p", "b", Metric::kDown, 5);
  ASSERT_NE(results.Find("p", "a", Metric::kUp), nullptr);
  EXPECT_EQ(results.Find("p", "a", Metric::kUp)->values, (std::vector<double>{10, 20}));
  EXPECT_EQ(results.Find("p", "a", Metric::kDown), nullptr);
  EXPECT_EQ(results.Find("q", "a", Metric::kUp), nullptr);
  EXPECT_EQ(results.Find("p", "c", Metric::kUp), nullptr);
  EXPECT_TRUE(results.Has("p", Metric::kDown));
  EXPECT_FALSE(results.Has("p", Metric::kIdleMib));
  EXPECT_FALSE(results.Has("q", Metric::kUp));
}

TEST(Results, FailuresAreCountedAndNamed) {
  Results results;
  results.AddFailure(3, "p", "a", {Metric::kUp, Metric::kUpSteady}, "up: the stream ended");
  EXPECT_EQ(results.Find("p", "a", Metric::kUp)->failures, 1);
  EXPECT_TRUE(results.Find("p", "a", Metric::kUpSteady)->values.empty());
  EXPECT_EQ(results.failures(), std::vector<std::string>{"round 3, p, a: up: the stream ended"});
}

TEST(Results, TheFileHasALinePerFigure) {
  Results results;
  results.Add(1, "p", "a", Metric::kUp, 46.25);
  results.AddFailure(2, "p", "a", {Metric::kUp}, "why");
  EXPECT_EQ(results.ToTsv(),
            "round\tprofile\tsubject\tmetric\tunit\tvalue\n"
            "1\tp\ta\tgoodput_up\tMbit/s\t46.25\n"
            "2\tp\ta\tgoodput_up\tMbit/s\tfailed\n");
}

TEST(Results, EveryMetricIsDescribedOnce) {
  std::set<Metric> metrics;
  std::set<std::string> keys;
  for (const MetricInfo& info : Metrics()) {
    EXPECT_TRUE(metrics.insert(info.metric).second) << info.key;
    EXPECT_TRUE(keys.insert(info.key).second) << info.key;
  }
  EXPECT_EQ(metrics.size(), static_cast<size_t>(Metric::kPeakMib) + 1);
}

}  // namespace
}  // namespace culvert::bench
