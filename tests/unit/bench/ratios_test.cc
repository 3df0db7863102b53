#include "tests/bench/compare/report/ratios.h"

#include <gtest/gtest.h>

namespace culvert::bench {
namespace {

TEST(Ratios, AreOfMediansPerDirection) {
  Results results;
  for (const double value : {10.0, 30.0, 20.0}) results.Add(1, "p", "a", Metric::kUpSteady, value);
  results.Add(1, "p", "b", Metric::kUpSteady, 8);
  results.Add(1, "p", "a", Metric::kDownSteady, 5);
  results.Add(1, "p", "b", Metric::kDownSteady, 10);
  EXPECT_EQ(Ratios(results, {"p"}, {{"a", "b"}}), "p  a / b  up 2.50x  down 0.50x\n");
}

TEST(Ratios, LeaveOutWhatHasNoFigureOrFailed) {
  Results results;
  results.Add(1, "p", "a", Metric::kUpSteady, 10);
  results.Add(1, "p", "zero", Metric::kUpSteady, 0);
  results.AddFailure(1, "p", "failed", {Metric::kUpSteady}, "why");
  EXPECT_EQ(Ratios(results, {"p", "q"}, {{"a", "failed"}, {"a", "zero"}, {"a", "absent"}}), "");
}

}  // namespace
}  // namespace culvert::bench
