#include "tests/bench/compare/report/plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace culvert::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Plot, OfNothingIsNothing) {
  const Results results;
  EXPECT_EQ(Plot(results, "p", {"a"}), "");
}

TEST(Plot, TheLargestBarFillsThePanelAndTheOthersAreInProportion) {
  Results results;
  results.Add(1, "p", "culvert", Metric::kUp, 100);
  results.Add(1, "p", "other", Metric::kUp, 25);
  const std::string svg = Plot(results, "p", {"culvert", "other"});
  EXPECT_THAT(svg, HasSubstr("width=\"240.0\" height=\"12\" fill=\"#1f6f8b\""));
  EXPECT_THAT(svg, HasSubstr("width=\"60.0\" height=\"12\" fill=\"#b9c4c9\""));
  EXPECT_THAT(svg, HasSubstr("up Mbit/s"));
  EXPECT_THAT(svg, Not(HasSubstr("<line"))) << "one round has no spread";
}

TEST(Plot, ShowsTheSpreadOfTheRounds) {
  Results results;
  for (const double value : {50.0, 100.0, 75.0}) results.Add(1, "p", "a", Metric::kUp, value);
  const std::string svg = Plot(results, "p", {"a"});
  EXPECT_THAT(svg, HasSubstr("width=\"180.0\"")) << "the bar is the median";
  EXPECT_THAT(svg, HasSubstr("<line x1=\"290.0\" y1=\"69.0\" x2=\"410.0\" y2=\"69.0\""));
  EXPECT_THAT(svg, HasSubstr("75.0 (50.0-100.0)"));
}

TEST(Plot, AFailureHasNoBarButIsNamed) {
  Results results;
  results.Add(1, "p", "a", Metric::kUp, 1);
  results.AddFailure(1, "p", "b", {Metric::kUp}, "why");
  EXPECT_THAT(Plot(results, "p", {"a", "b"}), HasSubstr(">failed<"));
}

TEST(Plot, TextIsEscaped) {
  Results results;
  results.Add(1, "a<b&c", "x", Metric::kUp, 1);
  EXPECT_THAT(Plot(results, "a<b&c", {"x"}), HasSubstr("a&lt;b&amp;c"));
}

}  // namespace
}  // namespace culvert::bench
