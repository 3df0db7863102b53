// Order, read mask and pages of lists.
#include "server/query/listing.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "core/base/random.h"
#include "culvert/v1/session.pb.h"
#include "server/error_builder.h"

namespace culvert::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

v1::Session Make(const std::string& name, const std::string& dialer, uint64_t tx, int64_t rtt_ms = -1) {
  v1::Session session;
  session.set_name(name);
  session.set_dialer(dialer);
  session.mutable_counters()->set_tx_bytes(tx);
  if (rtt_ms >= 0) session.mutable_path()->mutable_smoothed_rtt()->set_nanos(static_cast<int32_t>(rtt_ms * 1000000));
  return session;
}

class ListingTest : public testing::Test {
 protected:
  ListingTest() { request_.set_page_size(1000); }
  absl::StatusOr<v1::ListSessionsResponse> List() {
    v1::ListSessionsResponse response;
    absl::StatusOr<ListQuery> query = ParseListQuery(request_, *v1::Session::descriptor(), "sessions");
    if (!query.ok()) return query.status();
    std::vector<v1::Session> items = items_;
    const absl::Status status = FillList(tokens_, *query, items, [](const v1::Session& one) { return one.name(); },
                                         [&](v1::Session& one) { *response.add_sessions() = one; }, response);
    if (!status.ok()) return status;
    return response;
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    const auto response = List();
    EXPECT_TRUE(response.ok()) << response.status();
    if (response.ok()) {
      for (const v1::Session& session : response->sessions()) names.push_back(session.name());
    }
    return names;
  }

  SeededRandom random_{1};
  PageTokens tokens_{random_};
  v1::ListSessionsRequest request_;
  std::vector<v1::Session> items_ = {Make("d", "x", 5, 20), Make("a", "y", 100, 3), Make("c", "x", 5), Make("b", "y", 70000, 300)};
};

TEST_F(ListingTest, IsByNameUnlessAskedOtherwise) { EXPECT_THAT(Names(), ElementsAre("a", "b", "c", "d")); }

TEST_F(ListingTest, OrdersByNumbersAndBreaksTiesByName) {
  request_.set_order_by("tx_bytes");
  EXPECT_THAT(Names(), ElementsAre("c", "d", "a", "b"));
  request_.set_order_by("counters.tx_bytes desc");
  EXPECT_THAT(Names(), ElementsAre("b", "a", "c", "d"));
}

TEST_F(ListingTest, OrdersBySeveralFields) {
  request_.set_order_by("dialer desc, tx_bytes desc");
  EXPECT_THAT(Names(), ElementsAre("b", "a", "c", "d"));
  request_.set_order_by("dialer, name desc");
  EXPECT_THAT(Names(), ElementsAre("d", "c", "b", "a"));
}

TEST_F(ListingTest, WhatIsAbsentComesFirst) {
  request_.set_order_by("smoothed_rtt");
  EXPECT_THAT(Names(), ElementsAre("c", "a", "d", "b"));
  request_.set_order_by("smoothed_rtt desc");
  EXPECT_THAT(Names(), ElementsAre("b", "d", "a", "c"));
}

TEST_F(ListingTest, ATextThatBeginsAnotherComesBeforeIt) {
  items_ = {Make("1", "ab", 0), Make("2", "a", 9), Make("3", "abc", 0), Make("4", "", 0)};
  request_.set_order_by("dialer,tx_bytes");
  EXPECT_THAT(Names(), ElementsAre("4", "2", "1", "3"));
}

TEST_F(ListingTest, PagesOfAnOrderedListHaveEveryItemOnce) {
  items_.clear();
  for (int i = 0; i < 250; ++i) items_.push_back(Make("s" + std::to_string(i), i % 2 == 0 ? "x" : "y", static_cast<uint64_t>(i * 37 % 50)));
  request_.set_page_size(33);
  request_.set_order_by("tx_bytes desc, dialer");
  request_.set_filter("dialer=x OR tx_bytes>=25");
  std::vector<std::string> seen;
  uint64_t last = UINT64_MAX;
  size_t pages = 0;
  const auto matching = std::ranges::count_if(
      items_, [](const v1::Session& one) { return one.dialer() == "x" || one.counters().tx_bytes() >= 25; });
  ASSERT_GT(matching, 100);
  do {
    const auto page = List();
    ASSERT_TRUE(page.ok()) << page.status();
    for (const v1::Session& session : page->sessions()) {
      EXPECT_LE(session.counters().tx_bytes(), last);
      last = session.counters().tx_bytes();
      seen.push_back(session.name());
    }
    EXPECT_EQ(page->total_size(), matching);
    request_.set_page_token(page->next_page_token());
    ASSERT_LT(++pages, 20u);
  } while (!request_.page_token().empty());
  EXPECT_EQ(static_cast<long>(seen.size()), matching);
  std::ranges::sort(seen);
  EXPECT_TRUE(std::ranges::unique(seen).empty());
}

TEST_F(ListingTest, ATokenBelongsToItsFilterAndOrder) {
  request_.set_page_size(2);
  const auto page = List();
  ASSERT_TRUE(page.ok());
  request_.set_page_token(page->next_page_token());
  EXPECT_TRUE(List().ok());
  request_.set_filter("dialer=x");
  EXPECT_EQ(ReasonOf(List().status()), "PAGE_TOKEN_INVALID");
  request_.clear_filter();
  request_.set_order_by("tx_bytes");
  EXPECT_EQ(ReasonOf(List().status()), "PAGE_TOKEN_INVALID");
}

TEST_F(ListingTest, AMaskTrimsWhatIsSentAndNotWhatIsCompared) {
  request_.set_filter("dialer=x");
  request_.mutable_read_mask()->add_paths("counters.tx_bytes");
  request_.mutable_read_mask()->add_paths("name");
  const auto response = List();
  ASSERT_TRUE(response.ok());
  ASSERT_EQ(response->sessions_size(), 2);
  EXPECT_EQ(response->sessions(0).name(), "c");
  EXPECT_EQ(response->sessions(0).counters().tx_bytes(), 5u);
  EXPECT_EQ(response->sessions(0).dialer(), "");
  request_.mutable_read_mask()->clear_paths();
  request_.mutable_read_mask()->add_paths("*");
  EXPECT_EQ(List()->sessions(0).dialer(), "x");
}

TEST_F(ListingTest, FaultsNameTheirField) {
  const auto fault = [this](const std::string& order) {
    request_.set_order_by(order);
    const absl::Status status = List().status();
    EXPECT_EQ(ReasonOf(status), "INVALID_FIELD") << order;
    return std::string(status.message());
  };
  EXPECT_THAT(fault("tx_byte"), HasSubstr("order_by: \"tx_byte\" is no field of Session (did you mean tx_bytes?)"));
  EXPECT_THAT(fault("name upwards"), HasSubstr("asc or desc"));
  EXPECT_THAT(fault("name,,dialer"), HasSubstr("between commas"));
  EXPECT_THAT(fault("path"), HasSubstr("no single value"));
  EXPECT_THAT(fault("name,name,name,name,name"), HasSubstr("at most 4 fields"));
  request_.clear_order_by();
  request_.mutable_read_mask()->add_paths("nothing.like.it");
  EXPECT_THAT(std::string(List().status().message()), HasSubstr("read_mask"));
  // An empty path is not everything, and an empty part is not nothing.
  for (const char* path : {"", ".", "counters.", ".counters", "counters..tx_bytes"}) {
    request_.mutable_read_mask()->set_paths(0, path);
    EXPECT_THAT(std::string(List().status().message()), HasSubstr("read_mask")) << path;
  }
}

}  // namespace
}  // namespace culvert::server
