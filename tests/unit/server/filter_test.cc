#include "server/query/filter.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <limits>
#include <random>
#include <string>

#include "culvert/v1/config.pb.h"
#include "culvert/v1/session.pb.h"
#include "google/protobuf/text_format.h"
#include "google/rpc/error_details.pb.h"
#include "server/error_builder.h"
#include "server/query/literal.h"

namespace culvert::server {
namespace {

using testing::HasSubstr;

template <typename Message>
Message Parsed(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

v1::Session TheSession() {
  return Parsed<v1::Session>(R"(
    name: "sessions/k3f9" transport: TRANSPORT_QUIC dialer: "far" state: STATE_ACTIVE remote_address: "10.1.2.3:4000"
    local_address: "[2001:db8::7]:53" validated: true
    path { smoothed_rtt { nanos: 250000000 } congestion_window_bytes: 65536 waste_ratio: 1.25 limited_by: LIMITED_BY_PACING }
    counters { tx_bytes: 2000000 rx_bytes: 18446744073709551615 }
    open_time { seconds: 1780000000 })");
}

v1::Listener TheListener() {
  return Parsed<v1::Listener>(R"(
    metadata { name: "quic-in" labels { key: "app" value: "web" } labels { key: "example.com/tier" value: "front" } generation: 3 }
    spec { transport: TRANSPORT_QUIC bind: "0.0.0.0:4433" tls { alpn: "h2" alpn: "http/1.1" } kcp { seed: "swordfish" } }
    status { state: STATE_ACTIVE bound_addresses: "10.0.0.5:4433" counters { active: 7 } })");
}

bool Session(const std::string& filter) {
  const absl::StatusOr<Filter> parsed = Filter::Parse(filter, *v1::Session::descriptor());
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return parsed.ok() && parsed->Matches(TheSession());
}

bool Listener(const std::string& filter) {
  const absl::StatusOr<Filter> parsed = Filter::Parse(filter, *v1::Listener::descriptor());
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return parsed.ok() && parsed->Matches(TheListener());
}

std::string MessageOf(const std::string& filter, const google::protobuf::Descriptor& type = *v1::Session::descriptor()) {
  const absl::StatusOr<Filter> parsed = Filter::Parse(filter, type);
  EXPECT_FALSE(parsed.ok()) << filter;
  EXPECT_EQ(ReasonOf(parsed.status()), "INVALID_FILTER") << filter;
  return std::string(parsed.status().message());
}

TEST(Filter, WhatWasSentComesBackInOneLine) {
  const std::string message = MessageOf("name=x AND \"\x1b[2J\nfilter: all is well\"=1");
  EXPECT_EQ(std::count(message.begin(), message.end(), '\n'), 2) << message;
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
  EXPECT_THAT(message, HasSubstr("\n             ^"));
}

TEST(Filter, AnEmptyOneMatchesEverything) {
  EXPECT_TRUE(Session(""));
  EXPECT_TRUE(Session("  \t"));
  EXPECT_TRUE(Filter().Matches(TheSession()));
}

TEST(Filter, ComparesTextsEnumsNumbersAndBooleans) {
  EXPECT_TRUE(Session("dialer=far"));
  EXPECT_FALSE(Session("dialer!=far"));
  EXPECT_TRUE(Session("dialer = \"far\""));
  EXPECT_TRUE(Session("state=ACTIVE"));
  EXPECT_TRUE(Session("state=active"));
  EXPECT_TRUE(Session("state=STATE_ACTIVE"));
  EXPECT_FALSE(Session("state!=ACTIVE"));
  EXPECT_TRUE(Session("validated=true"));
  EXPECT_FALSE(Session("validated=false"));
  EXPECT_TRUE(Session("tx_bytes>1Mi"));
  EXPECT_TRUE(Session("tx_bytes>=2M"));
  EXPECT_TRUE(Session("tx_bytes=2000000"));
  EXPECT_FALSE(Session("tx_bytes<2M"));
  EXPECT_TRUE(Session("waste_ratio>1.2"));
  EXPECT_TRUE(Session("congestion_window_bytes<=64KiB"));
}

TEST(Filter, ComparesIntegersOf64BitsExactly) {
  EXPECT_TRUE(Session("rx_bytes=18446744073709551615"));
  EXPECT_FALSE(Session("rx_bytes=18446744073709551614"));
  EXPECT_TRUE(Session("rx_bytes>18446744073709551614"));
}

TEST(Filter, ComparesDurationsAndTimes) {
  EXPECT_TRUE(Session("smoothed_rtt=250ms"));
  EXPECT_TRUE(Session("rtt>100ms"));
  EXPECT_FALSE(Session("rtt>1s"));
  EXPECT_TRUE(Session("open_time>2026-01-01T00:00:00Z"));
  EXPECT_FALSE(Session("open_time<2026-01-01T00:00:00Z"));
}

TEST(Filter, WhatIsAbsentMatchesOnlyTheNegative) {
  EXPECT_FALSE(Session("min_rtt<10s"));
  EXPECT_FALSE(Session("min_rtt>=0s"));
  EXPECT_TRUE(Session("min_rtt!=10s"));
  EXPECT_TRUE(Session("NOT min_rtt:*"));
  EXPECT_TRUE(Session("smoothed_rtt:*"));
  EXPECT_FALSE(Session("tls:*"));
}

TEST(Filter, KnowsWhereAnAddressLies) {
  EXPECT_TRUE(Session("remote:10.0.0.0/8"));
  EXPECT_TRUE(Session("remote_address:10.1.2.3"));
  EXPECT_FALSE(Session("remote:10.1.2.30"));
  EXPECT_TRUE(Session("remote:10.1.2")) << "no address and no network, but part of the text";
  EXPECT_FALSE(Session("remote:192.168.0.0/16"));
  EXPECT_TRUE(Session("local:2001:db8::/32"));
  EXPECT_FALSE(Session("local:2001:db9::/32"));
  EXPECT_FALSE(Session("local:10.0.0.0/8")) << "another family";
  EXPECT_TRUE(Session("remote::4000"));
}

TEST(Filter, StarsStandForAnythingUnlessQuoted) {
  EXPECT_TRUE(Session("dialer=f*"));
  EXPECT_TRUE(Session("dialer=*a*"));
  EXPECT_FALSE(Session("dialer=g*"));
  EXPECT_TRUE(Session("dialer!=g*"));
  EXPECT_FALSE(Session("dialer=\"f*\""));
}

TEST(Filter, ReachesIntoObjects) {
  EXPECT_TRUE(Listener("name=quic-in"));
  EXPECT_TRUE(Listener("metadata.name=quic-in"));
  EXPECT_TRUE(Listener("transport=QUIC AND state=ACTIVE"));
  EXPECT_TRUE(Listener("active>5"));
  EXPECT_TRUE(Listener("status.counters.active=7"));
  EXPECT_TRUE(Listener("generation>2"));
  EXPECT_TRUE(Listener("spec.tls.alpn:h2"));
  EXPECT_TRUE(Listener("bound_addresses:10.0.0.0/8"));
  EXPECT_FALSE(Listener("bound_addresses!=10.0.0.5:4433"));
  EXPECT_TRUE(Listener("boundAddresses=10.0.0.5:4433")) << "protobuf JSON's names too";
}

TEST(Filter, ReadsMaps) {
  EXPECT_TRUE(Listener("labels.app=web"));
  EXPECT_TRUE(Listener("labels.app:we"));
  EXPECT_FALSE(Listener("labels.app=db"));
  EXPECT_TRUE(Listener("labels:app"));
  EXPECT_FALSE(Listener("labels:web"));
  EXPECT_TRUE(Listener("labels.\"example.com/tier\"=front"));
  EXPECT_TRUE(Listener("labels.example.com/tier=front"));
  EXPECT_FALSE(Listener("labels.none=x"));
  EXPECT_TRUE(Listener("labels.none!=x"));
  EXPECT_TRUE(Listener("labels.app:*"));
  EXPECT_FALSE(Listener("labels.none:*"));
  EXPECT_TRUE(Listener("labels:*"));
  EXPECT_FALSE(Listener("annotations:*"));
}

TEST(Filter, JoinsWithAndOrNotAndParentheses) {
  EXPECT_TRUE(Session("dialer=far AND state=ACTIVE AND tx_bytes>1"));
  EXPECT_FALSE(Session("dialer=far AND state=FAILED"));
  EXPECT_TRUE(Session("dialer=near OR dialer=far"));
  EXPECT_TRUE(Session("(dialer=near OR dialer=far) AND state=ACTIVE"));
  EXPECT_FALSE(Session("NOT (dialer=near OR dialer=far)"));
  EXPECT_TRUE(Session("NOT NOT dialer=far"));
  EXPECT_TRUE(Session("NOT(dialer=near)"));
}

TEST(Filter, FieldsMayBeCalledLikeWords) {
  // Nothing of ours is; but a value may be.
  EXPECT_FALSE(Session("dialer=AND"));
  EXPECT_TRUE(Session("dialer!=OR AND dialer!=NOT"));
}

TEST(Filter, ErrorsPointAtTheirPlace) {
  EXPECT_EQ(MessageOf("stat=ACTIVE"),
            "filter: \"stat\" is no field of Session (did you mean state?)\n  stat=ACTIVE\n  ^");
  EXPECT_EQ(MessageOf("dialer=far AND state=ACTIV"),
            "filter: \"ACTIV\" is no state (did you mean ACTIVE?); there are PENDING, ACTIVE, DEGRADED, DRAINING, FAILED, CLOSED\n"
            "  dialer=far AND state=ACTIV\n                       ^");
  EXPECT_THAT(MessageOf("dialer=a AND state=ACTIVE OR state=FAILED"), HasSubstr("AND and OR side by side"));
  EXPECT_THAT(MessageOf("(dialer=a"), HasSubstr("not closed"));
  EXPECT_THAT(MessageOf("dialer=a)"), HasSubstr("none opened"));
  EXPECT_THAT(MessageOf("dialer"), HasSubstr("is expected"));
  EXPECT_THAT(MessageOf("dialer="), HasSubstr("a value is expected"));
  EXPECT_THAT(MessageOf("dialer=\"far"), HasSubstr("quote is not closed"));
  EXPECT_THAT(MessageOf("tx_bytes=many"), HasSubstr("is not a number"));
  EXPECT_THAT(MessageOf("tx_bytes=nan"), HasSubstr("is not a number"));
  EXPECT_THAT(MessageOf("rtt>fast"), HasSubstr("is not a duration"));
  EXPECT_THAT(MessageOf("open_time>today"), HasSubstr("is not a time"));
  EXPECT_THAT(MessageOf("validated>true"), HasSubstr("only = and !="));
  EXPECT_THAT(MessageOf("state<ACTIVE"), HasSubstr("only = and !="));
  EXPECT_THAT(MessageOf("validated=yes"), HasSubstr("is not true or false"));
  EXPECT_THAT(MessageOf("path=x"), HasSubstr("has fields of its own"));
  EXPECT_THAT(MessageOf("dialer.x=1"), HasSubstr("has no fields of its own"));
  EXPECT_THAT(MessageOf("labels=x", *v1::Listener::descriptor()), HasSubstr("is a map"));
  EXPECT_THAT(MessageOf("AND"), HasSubstr("\"AND\" is no field"));
}

TEST(Filter, TellsProgramsThePosition) {
  const absl::Status status = Filter::Parse("dialer=far AND x=1", *v1::Session::descriptor()).status();
  EXPECT_EQ(DetailOf<google::rpc::ErrorInfo>(status).metadata().at("position"), "15");
  EXPECT_EQ(DetailOf<google::rpc::BadRequest>(status).field_violations(0).field(), "filter");
}

TEST(Filter, SecretsDoNotExist) {
  EXPECT_THAT(MessageOf("spec.kcp.seed:sword", *v1::Listener::descriptor()), HasSubstr("is no field"));
  EXPECT_THAT(MessageOf("kcp.seed=swordfish", *v1::Listener::descriptor()), HasSubstr("is no field"));
  EXPECT_THAT(MessageOf("spec.quic.outer.key:*", *v1::Listener::descriptor()), HasSubstr("is no field"));
}

TEST(Filter, IsBounded) {
  EXPECT_THAT(MessageOf(std::string(kMaxFilterBytes + 1, ' ')), HasSubstr("longer than"));
  std::string deep;
  for (size_t i = 0; i <= kMaxFilterDepth; ++i) deep += "(";
  EXPECT_THAT(MessageOf(deep + "dialer=a"), HasSubstr("too many levels"));
  std::string nots;
  for (size_t i = 0; i <= kMaxFilterDepth; ++i) nots += "NOT ";
  EXPECT_THAT(MessageOf(nots + "dialer=a"), HasSubstr("too many levels"));
  std::string many = "dialer=a";
  for (size_t i = 0; i < kMaxFilterTerms; ++i) many += " AND dialer=a";
  EXPECT_THAT(MessageOf(many), HasSubstr("more than"));
}

TEST(Filter, MessagesAreFitForATerminal) {
  const std::string message = MessageOf("dialer=far AND \x1b[31m\x07=1");
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
  EXPECT_EQ(message.find('\x07'), std::string::npos);
}

// Whatever it is given, it answers, and what it takes it can apply.
TEST(Filter, TakesAnyBytes) {
  std::mt19937 random(1);
  const std::string pieces[] = {"dialer", "state", "tx_bytes", "path.smoothed_rtt", "=", "!=", ":", "<", ">=", "(", ")", " AND ", " OR ", "NOT ",
                                "ACTIVE", "10.0.0.0/8", "1Mi", "\"", "\\", "*", " ", "\xff", "250ms", "labels", "."};
  size_t taken = 0;
  for (int i = 0; i < 200000; ++i) {
    std::string text;
    for (unsigned n = random() % 9; n > 0; --n) text += pieces[random() % std::size(pieces)];
    const absl::StatusOr<Filter> filter = Filter::Parse(text, *v1::Session::descriptor());
    if (!filter.ok()) continue;
    ++taken;
    static_cast<void>(filter->Matches(TheSession()));
  }
  EXPECT_GT(taken, 1000u) << "most of the parser is never reached";
}

TEST(MatchesPattern, BacktracksOnlyToTheLastStar) {
  EXPECT_TRUE(MatchesPattern("a*b*c", "aXXbYYbZc"));
  EXPECT_FALSE(MatchesPattern("a*b*c", "aXXbYYbZ"));
  EXPECT_TRUE(MatchesPattern("*", ""));
  EXPECT_TRUE(MatchesPattern("spiffe://a/*/sa/ctl", "spiffe://a/ns/b/sa/ctl"));
  EXPECT_FALSE(MatchesPattern("", "a"));
  // A pattern that would take exponential time if it were tried naively.
  EXPECT_FALSE(MatchesPattern("*a*a*a*a*a*a*a*a*a*a*b", std::string(4000, 'a')));
}

}  // namespace
}  // namespace culvert::server
