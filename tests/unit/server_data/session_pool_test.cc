// What a pool does for those who want streams: which session, how many handshakes, when another, and what they are told.
#include "server/session_pool.h"

#include <future>
#include <set>

#include "tests/unit/server_data/pool_fixture.h"

namespace culvert::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class SessionPoolTest : public PoolFixture {
 protected:
  // Lets the handshake that began last be done.
  SessionHandle EstablishLast() {
    const SessionHandle session = quic().Live().back();
    quic().Establish(session);
    Settle();
    return session;
  }
  size_t Granted() const {
    size_t granted = 0;
    for (const auto& client : clients) granted += client->grant.stream != nullptr;
    return granted;
  }
  // From now on its answer is at hand.
  void LookUp(const std::string& host) {
    std::promise<void> done;
    ASSERT_TRUE(resolver->Resolve(host, [&done](const absl::StatusOr<Resolver::Addresses>&) { done.set_value(); }));
    done.get_future().wait();
  }
};

TEST_F(SessionPoolTest, AStreamIsGivenOnceASessionIsEstablishedAndThenAtOnce) {
  Begin();
  Client& first = Ask();
  EXPECT_FALSE(first.is_answered);
  ASSERT_EQ(quic().all.size(), 1u);
  EXPECT_EQ(quic().At(quic().all[0]).options.peer.ToString(), "192.0.2.9:443");
  EXPECT_EQ(quic().At(quic().all[0]).options.server_name, kQuicServerName);
  EstablishLast();
  ASSERT_NE(first.grant.stream, nullptr);
  EXPECT_FALSE(first.grant.session.is_null());
  EXPECT_EQ(worker().tally.counters.opened, 1u);
  Client& second = Ask();
  EXPECT_NE(second.grant.stream, nullptr);
  EXPECT_EQ(quic().all.size(), 1u);
}

TEST_F(SessionPoolTest, TheLeastLoadedSessionIsChosen) {
  Begin();
  for (int i = 0; i < 33; ++i) Ask();
  ASSERT_EQ(quic().all.size(), 2u);
  quic().Establish(quic().all[0]);
  quic().Establish(quic().all[1]);
  Settle();
  EXPECT_EQ(Granted(), 33u);
  const SessionHandle emptier = quic().At(quic().all[0]).open < quic().At(quic().all[1]).open ? quic().all[0] : quic().all[1];
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Ask().grant.carrier, emptier);
}

TEST_F(SessionPoolTest, ThoseWhoWaitShareHandshakesUpToTheirExpectedCredit) {
  Begin();
  for (int i = 0; i < 32; ++i) Ask();
  EXPECT_EQ(quic().all.size(), 1u);
  Ask();
  EXPECT_EQ(quic().all.size(), 2u);
  for (int i = 0; i < 1000; ++i) Ask();
  EXPECT_EQ(quic().all.size(), SessionPool::kMaxHandshakes);
}

TEST_F(SessionPoolTest, WhatAPeerGrantsIsExpectedOfItsNextSession) {
  Begin();
  Ask();
  quic().At(quic().all[0]).limit = 100;
  EstablishLast();
  EXPECT_EQ(quic().all.size(), 1u);
  for (int i = 0; i < 199; ++i) Ask();
  EXPECT_EQ(Granted(), 100u);
  Advance(milliseconds(40));
  EXPECT_EQ(quic().all.size(), 2u);  // 100 wait, one session will do
}

TEST_F(SessionPoolTest, WhenAllAreFullOneRoundTripIsWaitedBeforeAnother) {
  Begin();
  Ask();
  const SessionHandle first = EstablishLast();
  for (int i = 0; i < 31; ++i) Ask();
  Client& late = Ask();
  EXPECT_FALSE(late.is_answered);
  Advance(milliseconds(39));
  EXPECT_EQ(quic().all.size(), 1u);
  // A stream comes back: it is given, and no other session is begun.
  clients[0]->grant.stream->Close();
  Settle();
  EXPECT_EQ(late.grant.carrier, first);
  Advance(seconds(1));
  EXPECT_EQ(quic().all.size(), 1u);

  Client& later = Ask();
  Advance(milliseconds(40));
  EXPECT_EQ(quic().all.size(), 2u);
  EstablishLast();
  EXPECT_NE(later.grant.stream, nullptr);
  EXPECT_NE(later.grant.carrier, first);
}

TEST_F(SessionPoolTest, TheWaitForCreditHasBounds) {
  for (const auto& [rtt, least, most] : {std::tuple(seconds(2), milliseconds(99), milliseconds(100)),
                                         std::tuple(seconds(0), milliseconds(9), milliseconds(10))}) {
    clients.clear();
    workers.clear();
    Begin();
    Ask();
    quic().At(EstablishLast()).smoothed_rtt = rtt;
    for (int i = 0; i < 32; ++i) Ask();
    Advance(least);
    EXPECT_EQ(quic().all.size(), 1u);
    Advance(most - least);
    EXPECT_EQ(quic().all.size(), 2u);
  }
}

TEST_F(SessionPoolTest, BlackHoledDialsDelayNobodyElse) {
  Begin();
  SessionPool& good = worker().AddPool("192.0.2.10:443");
  for (int i = 0; i < 100; ++i) Ask();
  const size_t before = quic().all.size();
  Client& client = Ask(good, seconds(10));
  ASSERT_EQ(quic().all.size(), before + 1);
  EXPECT_EQ(quic().At(quic().all.back()).options.peer.ToString(), "192.0.2.10:443");
  EstablishLast();
  EXPECT_NE(client.grant.stream, nullptr);
}

TEST_F(SessionPoolTest, AddressesRaceAndTheFirstEstablishedWins) {
  Begin();
  LookUp("two.example");
  SessionPool& two = worker().AddPool("two.example:443");
  Client& client = Ask(two, seconds(10));
  ASSERT_EQ(quic().all.size(), 1u);
  EXPECT_EQ(quic().At(quic().all[0]).options.server_name, "two.example");
  Advance(milliseconds(249));
  EXPECT_EQ(quic().all.size(), 1u);
  Advance(milliseconds(1));
  ASSERT_EQ(quic().all.size(), 2u);
  EXPECT_EQ(quic().At(quic().all[1]).options.peer.ToString(), "192.0.2.2:443");
  quic().Establish(quic().all[1]);
  Settle();
  EXPECT_EQ(client.grant.carrier, quic().all[1]);
  EXPECT_TRUE(quic().At(quic().all[0]).is_aborted);
  EXPECT_EQ(two.session_count(), 1u);
  EXPECT_EQ(worker().targets.back().addresses, (std::vector<std::string>{"192.0.2.1", "192.0.2.2"}));
}

TEST_F(SessionPoolTest, AnAddressThatFailsMakesRoomAtOnce) {
  Begin();
  LookUp("two.example");
  Client& client = Ask(worker().AddPool("two.example:443"), seconds(10));
  quic().EndSession(quic().all[0], "CONNECTION_REFUSED");
  Settle();
  ASSERT_EQ(quic().all.size(), 2u);
  EXPECT_FALSE(client.is_answered);
  quic().EndSession(quic().all[1], "TLS_ALERT");
  Settle();
  EXPECT_TRUE(client.is_answered);
  EXPECT_EQ(client.reason, "TLS_ALERT");
}

TEST(TakeTurns, FamiliesAlternate) {
  const IpAddress a = IpAddress::V4({192, 0, 2, 1});
  const IpAddress b = IpAddress::V4({192, 0, 2, 2});
  const IpAddress c = IpAddress::V4({192, 0, 2, 3});
  const IpAddress x = *IpAddress::Parse("2001:db8::1");
  EXPECT_EQ(TakeTurns({x, a, b, c}), (std::vector<IpAddress>{x, a, b, c}));
  EXPECT_EQ(TakeTurns({a, b, c, x}), (std::vector<IpAddress>{a, x, b, c}));
  EXPECT_TRUE(TakeTurns({}).empty());
}

TEST_F(SessionPoolTest, ANameThatCannotBeResolvedIsTold) {
  Begin();
  Client& client = Ask(worker().AddPool("nowhere.example:443"), seconds(10));
  const auto deadline = std::chrono::steady_clock::now() + seconds(30);
  while (!client.is_answered && std::chrono::steady_clock::now() < deadline) Settle();
  EXPECT_EQ(client.reason, "RESOLVE_FAILED");
  EXPECT_EQ(worker().targets.back().error_reason, "RESOLVE_FAILED");
}

TEST_F(SessionPoolTest, ANameIsLookedUpAnewAfterItsInterval) {
  config.resolve_interval = seconds(5);  // less than the resolver keeps answers
  Begin();
  LookUp("two.example");
  SessionPool& two = worker().AddPool("two.example:443");
  const auto ask_and_lose = [&] {
    Ask(two, seconds(100));
    const auto deadline = std::chrono::steady_clock::now() + seconds(30);
    while (quic().Live().empty() && std::chrono::steady_clock::now() < deadline) Settle();
    ASSERT_EQ(quic().Live().size(), 1u);
    quic().EndSession(EstablishLast(), "IDLE_TIMEOUT");
    Settle();
  };
  ask_and_lose();
  Advance(seconds(4));
  ask_and_lose();
  EXPECT_EQ(lookups, 1);
  Advance(seconds(2));
  ask_and_lose();
  EXPECT_EQ(lookups, 2);
}

TEST_F(SessionPoolTest, ALookupWithoutAnAnswerIsGivenUpThoughNobodyWaitsAnyMore) {
  Begin();
  SessionPool& silent = worker().AddPool("silent.example:443");
  Client& client = Ask(silent, seconds(5));
  Settle();
  client.request.reset();  // it left
  Advance(config.dial_timeout + milliseconds(1));
  // No timer is due again and again.
  const auto next = worker().context.timers.Next();
  EXPECT_TRUE(!next || *next > now);
  Client& later = Ask(silent, seconds(5));
  EXPECT_FALSE(later.is_answered);
}

TEST_F(SessionPoolTest, OldAddressesAreUsedOnWhileANameIsLookedUp) {
  config.resolve_interval = seconds(5);
  Begin();
  LookUp("two.example");
  SessionPool& two = worker().AddPool("two.example:443");
  Ask(two, seconds(100));
  ASSERT_EQ(quic().Live().size(), 1u);
  quic().EndSession(EstablishLast(), "IDLE_TIMEOUT");
  Settle();
  names_are_silent = true;
  Advance(seconds(120));  // the resolver's own memory is over too
  Ask(two, seconds(100));
  EXPECT_EQ(quic().Live().size(), 0u) << "a quick answer is waited for";
  Advance(SessionPool::kLookupPatience);
  EXPECT_EQ(quic().Live().size(), 1u);
}

TEST_F(SessionPoolTest, AFailureIsToldToAllWhoWaitAndGoesIntoTheStatus) {
  Begin();
  Client& one = Ask();
  Client& two = Ask();
  quic().EndSession(quic().all[0], "TLS_ALERT");
  Settle();
  EXPECT_EQ(one.reason, "TLS_ALERT");
  EXPECT_EQ(two.reason, "TLS_ALERT");
  EXPECT_EQ(target().error_reason, "TLS_ALERT");
  EXPECT_GT(target().skip_until, now);
  EXPECT_EQ(quic().all.size(), 1u) << "nobody waits: nothing is begun";
}

TEST_F(SessionPoolTest, PausesGrowWithJitterAndEndWithASuccess) {
  Begin();
  Duration expected = config.backoff_min;
  std::set<Duration> seen;
  for (int i = 0; i < 12; ++i) {
    Ask();
    quic().EndSession(quic().all.back(), "NO_ANSWER");
    Settle();
    const Duration pause = pool().backoff().until() - now;
    EXPECT_GE(pause, std::max(config.backoff_min, expected * 3 / 4));
    EXPECT_LE(pause, std::min(config.backoff_max, expected * 5 / 4));
    seen.insert(pause);
    expected = std::min(config.backoff_max, expected * 2);
    Advance(pause);
  }
  EXPECT_GT(seen.size(), 6u);
  Ask();
  EstablishLast();
  Advance(seconds(1));  // it was not refused after all
  EXPECT_EQ(pool().backoff().failures(), 0u);
  EXPECT_EQ(target().error_reason, "");
}

TEST_F(SessionPoolTest, InAPauseExplicitRequestsAreTriedOneHandshakeAtATime) {
  Begin();
  Ask();
  quic().EndSession(quic().all[0], "NO_ANSWER");
  Settle();
  for (int i = 0; i < 100; ++i) Ask();
  EXPECT_EQ(quic().all.size(), 2u);
}

TEST_F(SessionPoolTest, ARequestFailsAtItsDeadlineWithTheLastReason) {
  Begin();
  Client& hanging = Ask(seconds(3));
  Advance(seconds(3));
  EXPECT_EQ(hanging.reason, "HANDSHAKE_TIMEOUT");
  EXPECT_TRUE(quic().At(quic().all[0]).is_aborted) << "nobody waits for it any more";

  Ask();
  EstablishLast();
  for (int i = 0; i < 31; ++i) Ask();
  Client& full = Ask(seconds(3));
  Advance(milliseconds(40));
  quic().EndSession(quic().Live().back(), "CONNECTION_REFUSED");
  Settle();
  EXPECT_FALSE(full.is_answered) << "a stream may still come back";
  Advance(milliseconds(2960));
  EXPECT_EQ(full.reason, "CONNECTION_REFUSED");
}

TEST_F(SessionPoolTest, CancellingFreesThePlaceAndAbortsTheHandshakeAtOnce) {
  Begin();
  for (int i = 0; i < 1000; ++i) Ask();
  EXPECT_EQ(pool().waiting_count(), 1000u);
  for (const auto& client : clients) client->request.reset();
  EXPECT_EQ(pool().waiting_count(), 0u);
  EXPECT_EQ(pool().handshake_count(), 0u);
  EXPECT_TRUE(quic().Live().empty());
  Settle();
  EXPECT_EQ(quic().session_count(), 0u);
}

TEST_F(SessionPoolTest, ASessionThatDiesIsReplacedAtOnceWhereStreamsWait) {
  Begin();
  Ask();
  const SessionHandle session = EstablishLast();
  for (int i = 0; i < 31; ++i) Ask();
  Advance(seconds(2));
  Client& waiting = Ask();
  quic().EndSession(session, "PATH_DOWN", CloseReason::kPathDown);
  Settle();
  EXPECT_EQ(pool().session_count(), 0u);
  ASSERT_EQ(quic().Live().size(), 1u);
  EstablishLast();
  EXPECT_NE(waiting.grant.stream, nullptr);
  EXPECT_TRUE(clients[0]->grant.stream->IsBroken());
  EXPECT_EQ(worker().tally.counters.closed, 1u);
}

TEST_F(SessionPoolTest, AnIdleSessionThatEndsIsNotReplaced) {
  Begin();
  Ask();
  const SessionHandle session = EstablishLast();
  clients.clear();
  Advance(seconds(30));
  quic().EndSession(session, "IDLE_TIMEOUT", CloseReason::kIdleTimeout);
  Settle();
  EXPECT_EQ(pool().session_count(), 0u);
  EXPECT_EQ(quic().all.size(), 1u);
  EXPECT_EQ(target().error_reason, "");
}

TEST_F(SessionPoolTest, ARefusalRightAfterTheHandshakeIsAFailure) {
  Begin();
  Ask();
  const SessionHandle session = EstablishLast();
  quic().EndSession(session, "TLS_ALERT");
  Settle();
  EXPECT_EQ(target().error_reason, "TLS_ALERT");
  EXPECT_EQ(pool().backoff().failures(), 1u);
}

TEST_F(SessionPoolTest, APeerThatGrantsNothingGetsNoFurtherSessions) {
  Begin();
  Client& client = Ask(seconds(5));
  quic().At(quic().all[0]).limit = 0;
  EstablishLast();
  for (int i = 0; i < 50; ++i) Advance(milliseconds(100));
  EXPECT_EQ(quic().all.size(), 1u);
  EXPECT_EQ(client.reason, "NO_STREAMS");
}

TEST_F(SessionPoolTest, MaxSessionsIsKept) {
  config.max_sessions = 2;
  Begin();
  for (int i = 0; i < 200; ++i) Ask();
  EXPECT_EQ(quic().all.size(), 2u);
  for (const SessionHandle session : quic().all) quic().Establish(session);
  Settle();
  Advance(seconds(1));
  EXPECT_EQ(Granted(), 64u);
  EXPECT_EQ(quic().all.size(), 2u);
  SessionPool& other = worker().AddPool("192.0.2.10:443");
  EXPECT_EQ(Ask(other, seconds(1)).reason, "SESSION_LIMIT");
}

TEST_F(SessionPoolTest, AProbeGetsASessionAndOpensNoStream) {
  Begin();
  Client& probe = *clients.emplace_back(std::make_unique<Client>(pool(), now + seconds(5), /*wants_stream=*/false));
  const SessionHandle session = EstablishLast();
  EXPECT_TRUE(probe.is_answered);
  EXPECT_EQ(probe.grant.carrier, session);
  EXPECT_EQ(probe.grant.stream, nullptr);
  EXPECT_EQ(quic().At(session).open, 0u);
  EXPECT_EQ(probe.phases, (std::vector{ProbeStep::Phase::kResolve, ProbeStep::Phase::kSocket}));
}

}  // namespace
}  // namespace culvert::server
