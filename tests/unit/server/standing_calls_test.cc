// Streams of callers whose role changes while they are under way.
#include "server/access/standing_calls.h"

#include <gmock/gmock.h>

#include "culvert/v1/dialer.pb.h"
#include "culvert/v1/observe.pb.h"
#include "server/error_builder.h"

namespace culvert::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

AccessPolicy Policy(const std::string& rules) { return *AccessPolicy::Parse("rules: [" + rules + "]", "p.yaml"); }

Caller CallerWith(v1::Role role, const std::string& principal, v1::ControlChannel channel = v1::CONTROL_CHANNEL_TLS) {
  Caller caller;
  caller.principals = {principal};
  caller.role = role;
  caller.channel = channel;
  return caller;
}

class StandingCallsTest : public testing::Test {
 protected:
  using Ticket = std::unique_ptr<StandingCalls::Ticket>;
  // A stream of `request` by `caller`, who is told of by `name`.
  absl::StatusOr<Ticket> Enter(const std::string& name, const Caller& caller,
                               const google::protobuf::Descriptor& request = *v1::WatchRequest::descriptor()) {
    const FixedCaller source(caller);
    return book_.Enter(source, call_, request, [this, name](const absl::Status& why) { revoked_.push_back(name + " " + ReasonOf(why)); });
  }
  StandingCalls book_;
  grpc::CallbackServerContext call_;
  std::vector<std::string> revoked_;
};

TEST_F(StandingCallsTest, WhoLosesTheRoleIsRevokedAndNobodyElse) {
  const auto a = Enter("a", CallerWith(v1::ROLE_VIEWER, "dns:a"));
  const auto b = Enter("b", CallerWith(v1::ROLE_OPERATOR, "dns:b"));
  const auto c = Enter("c", CallerWith(v1::ROLE_OPERATOR, "dns:b"), *v1::ConnectRequest::descriptor());
  ASSERT_TRUE(a.ok() && b.ok() && c.ok());
  book_.LookAgain(Policy("{role: VIEWER, principals: ['dns:a']}, {role: OPERATOR, principals: ['dns:b']}"));
  EXPECT_THAT(revoked_, IsEmpty());
  // As a viewer b may go on watching, and not carry bytes.
  book_.LookAgain(Policy("{role: VIEWER, principals: ['dns:b']}"));
  EXPECT_THAT(revoked_, ElementsAre("a ROLE_REQUIRED", "c ROLE_REQUIRED"));
}

TEST_F(StandingCallsTest, WhatHasEndedIsForgotten) {
  auto a = Enter("a", CallerWith(v1::ROLE_VIEWER, "dns:a"));
  ASSERT_TRUE(a.ok());
  *a = nullptr;
  book_.LookAgain(Policy("{deny: true, principals: ['*']}"));
  EXPECT_THAT(revoked_, IsEmpty());
}

TEST_F(StandingCallsTest, WhoMayNotDoesNotEnter) {
  EXPECT_EQ(ReasonOf(Enter("a", CallerWith(v1::ROLE_UNSPECIFIED, "dns:a")).status()), "ROLE_REQUIRED");
  EXPECT_EQ(ReasonOf(Enter("b", CallerWith(v1::ROLE_VIEWER, "dns:b"), *v1::ConnectRequest::descriptor()).status()), "ROLE_REQUIRED");
  EXPECT_EQ(ReasonOf(Enter("c", Caller()).status()), "NO_CLIENT_IDENTITY");
  book_.LookAgain(Policy("{deny: true, principals: ['*']}"));
  EXPECT_THAT(revoked_, IsEmpty());
}

TEST_F(StandingCallsTest, TheDoorOfTheUnixSocketLooksAfterItsOwn) {
  const auto a = Enter("a", CallerWith(v1::ROLE_VIEWER, "uid:5", v1::CONTROL_CHANNEL_UNIX));
  ASSERT_TRUE(a.ok());
  book_.LookAgain(Policy("{deny: true, principals: ['*']}"));
  EXPECT_THAT(revoked_, IsEmpty());
}

TEST_F(StandingCallsTest, OneCallerHasAShareOfEachMethod) {
  const Caller a = CallerWith(v1::ROLE_OPERATOR, "dns:a");
  const size_t most = StandingCalls::MostOfOneCaller(*v1::WatchRequest::descriptor());
  std::vector<Ticket> tickets;
  for (size_t i = 0; i < most; ++i) {
    auto ticket = Enter("a", a);
    ASSERT_TRUE(ticket.ok()) << ticket.status();
    tickets.push_back(*std::move(ticket));
  }
  const absl::Status refused = Enter("a", a).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(refused), "LIMIT_EXCEEDED");
  EXPECT_EQ(DetailOf<google::rpc::QuotaFailure>(refused).violations_size(), 1);
  EXPECT_TRUE(Enter("a", a, *v1::WatchStatsRequest::descriptor()).ok()) << "another method";
  EXPECT_TRUE(Enter("b", CallerWith(v1::ROLE_OPERATOR, "dns:b")).ok()) << "another caller";
  tickets.pop_back();
  EXPECT_TRUE(Enter("a", a).ok()) << "what ends makes room";
  // Who has another role in the meantime is the same caller all the same.
  book_.LookAgain(Policy("{role: VIEWER, principals: ['dns:a']}"));
  tickets.clear();
  for (size_t i = 0; i < most; ++i) tickets.push_back(*Enter("a", a));
  EXPECT_FALSE(Enter("a", a).ok());
}

// A stream that ends while it is revoked leaves the book from inside.
TEST_F(StandingCallsTest, RevokingMayEndTheStream) {
  Ticket ticket;
  const FixedCaller source(CallerWith(v1::ROLE_VIEWER, "dns:a"));
  auto entered = book_.Enter(source, call_, *v1::WatchRequest::descriptor(), [&ticket](const absl::Status&) { ticket = nullptr; });
  ASSERT_TRUE(entered.ok());
  ticket = *std::move(entered);
  book_.LookAgain(Policy("{deny: true, principals: ['*']}"));
  EXPECT_EQ(ticket, nullptr);
}

}  // namespace
}  // namespace culvert::server
