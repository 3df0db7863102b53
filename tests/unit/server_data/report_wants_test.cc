#include <gtest/gtest.h>

#include "server/worker.h"

namespace culvert::server {
namespace {

TEST(ReportWantsTest, EverythingCoversWhateverElseIsWanted) {
  const ReportWants everything = ReportWants::Everything(/*sessions=*/true);
  EXPECT_TRUE(everything.Covers({}));
  EXPECT_TRUE(everything.Covers({.listeners = {.names = {"a"}}, .sessions = true}));
  EXPECT_TRUE(everything.Covers(ReportWants::Everything(false)));
  EXPECT_FALSE(ReportWants::Everything(false).Covers(everything));
}

TEST(ReportWantsTest, NamesAreCoveredByThemselvesOrByAll) {
  const ReportWants two{.dialers = {.names = {"a", "b"}}};
  EXPECT_TRUE(two.Covers({.dialers = {.names = {"b"}}}));
  EXPECT_FALSE(two.Covers({.dialers = {.names = {"c"}}}));
  EXPECT_FALSE(two.Covers({.forwards = {.names = {"b"}}})) << "of another kind";
  EXPECT_FALSE(two.Covers({.dialers = {.all = true}}));
  EXPECT_TRUE((ReportWants{.dialers = {.all = true}}.Covers(two)));
}

TEST(ReportWantsTest, SumsHoldWhatEitherWanted) {
  ReportWants sum{.listeners = {.names = {"a"}}, .dialers = {.all = true}};
  const ReportWants other{.listeners = {.names = {"b"}}, .dialers = {.names = {"x"}}, .forwards = {.all = true}, .sessions = true};
  sum.Add(other);
  EXPECT_TRUE(sum.Covers(other));
  EXPECT_TRUE(sum.Covers({.listeners = {.names = {"a", "b"}}, .dialers = {.all = true}}));
  EXPECT_FALSE(sum.Covers({.listeners = {.all = true}}));
  EXPECT_FALSE(sum.totals);
  EXPECT_TRUE(sum.dialers.Has("anything") && sum.listeners.Has("b") && !sum.listeners.Has("c"));
}

}  // namespace
}  // namespace culvert::server
