#include "cli/objects/selector.h"

#include "gtest/gtest.h"

namespace culvert::cli {
namespace {

TEST(Selector, BecomesAFilter) {
  const std::pair<const char*, const char*> rows[] = {
      {"", ""},
      {" ", ""},
      {"tier=edge", R"(labels."tier"="edge")"},
      {"tier==edge", R"(labels."tier"="edge")"},
      {"site!=a", R"(labels."site"!="a")"},
      {"tier", R"(labels:"tier")"},
      {"!tier", R"(NOT labels:"tier")"},
      {" tier = edge , site != a,!old", R"(labels."tier"="edge" AND labels."site"!="a" AND NOT labels:"old")"},
      {"example.com/tier=", R"(labels."example.com/tier"="")"},
      // A star is a star, and a quote no end.
      {R"(a=*" OR name:\)", R"(labels."a"="*\" OR name:\\")"},
  };
  for (const auto& [selector, filter] : rows) EXPECT_EQ(FilterOfSelector(selector).value(), filter) << selector;
}

TEST(Selector, NamesWhatItCannotRead) {
  const std::pair<const char*, const char*> rows[] = {
      {"=a", R"("=a" is not KEY=VALUE, KEY!=VALUE, KEY or !KEY)"},
      {"a=b,", R"("" is not KEY=VALUE, KEY!=VALUE, KEY or !KEY)"},
      {"a b", R"("a b" is not KEY=VALUE, KEY!=VALUE, KEY or !KEY)"},
      {"tier in (a)", "\"tier in (a)\" is not KEY=VALUE, KEY!=VALUE, KEY or !KEY"},
      {"!", R"("!" is not KEY=VALUE, KEY!=VALUE, KEY or !KEY)"},
      {"!a=b", R"("!a=b" is not KEY=VALUE, KEY!=VALUE, KEY or !KEY)"},
      {"a\"=b", R"("a"=b" is not KEY=VALUE, KEY!=VALUE, KEY or !KEY)"},
  };
  for (const auto& [selector, message] : rows) EXPECT_EQ(FilterOfSelector(selector).status().message(), message) << selector;
}

TEST(Selector, JoinsFiltersThatMustBothHold) {
  EXPECT_EQ(Both("", ""), "");
  EXPECT_EQ(Both("a=1 OR b=2", ""), "a=1 OR b=2");
  EXPECT_EQ(Both(" ", "c=3"), "c=3");
  EXPECT_EQ(Both("a=1 OR b=2", "c=3"), "(a=1 OR b=2) AND (c=3)");
}

TEST(SortKeys, AreColumnsOrFields) {
  EXPECT_EQ(OrderOfKeys(Kind::kSession, "-tx").value(), "tx_bytes desc");
  EXPECT_EQ(OrderOfKeys(Kind::kSession, "STATE,-RTT").value(), "state,smoothed_rtt desc");
  EXPECT_EQ(OrderOfKeys(Kind::kSession, "LIMITED-BY").value(), "limited_by");
  EXPECT_EQ(OrderOfKeys(Kind::kSession, "streams").value(), "open_streams");
  EXPECT_EQ(OrderOfKeys(Kind::kForward, "streams").value(), "active");
  EXPECT_EQ(OrderOfKeys(Kind::kListener, "spec.transport, name").value(), "spec.transport,name");
  EXPECT_EQ(OrderOfKeys(Kind::kListener, "spec.maxSessions").value(), "spec.maxSessions");
  // The oldest has the earliest time.
  EXPECT_EQ(OrderOfKeys(Kind::kListener, "age").value(), "create_time desc");
  EXPECT_EQ(OrderOfKeys(Kind::kStream, "-age").value(), "open_time");
}

TEST(SortKeys, NameWhatCannotBe) {
  EXPECT_EQ(OrderOfKeys(Kind::kSession, "owner").status().message(), "sessions cannot be sorted by owner, which is no single field");
  EXPECT_EQ(OrderOfKeys(Kind::kSession, "-").status().message(), "\"-\" is not KEY or -KEY");
  EXPECT_EQ(OrderOfKeys(Kind::kSession, "tx,").status().message(), "\"tx,\" is not KEY or -KEY");
  EXPECT_EQ(OrderOfKeys(Kind::kSession, "tx desc").status().message(), "\"tx desc\" is not KEY or -KEY");
}

}  // namespace
}  // namespace culvert::cli
