// The sessions a pool keeps without being asked for, and what changes under them.
#include <gtest/gtest.h>

#include "tests/unit/server_data/pool_fixture.h"

namespace culvert::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class SessionPoolKeepTest : public PoolFixture {
 protected:
  void Keep() {
    for (const auto& one : workers) one->pools[0]->KeepSessions();
  }
  void EstablishAll() {
    for (const auto& one : workers) {
      for (const SessionHandle session : one->v4().Live()) {
        if (!one->v4().At(session).info.established) one->v4().Establish(session);
      }
    }
    Settle();
  }
  size_t LiveEverywhere() {
    size_t live = 0;
    for (const auto& one : workers) live += one->v4().Live().size();
    return live;
  }
};

TEST_F(SessionPoolKeepTest, MinSessionsAreBegunAndKeptAliveOverAllWorkers) {
  config.min_sessions = 3;
  Begin(/*workers_count=*/2);
  Keep();
  EXPECT_EQ(LiveEverywhere(), 3u);
  EstablishAll();
  for (const auto& one : workers) {
    for (const SessionHandle session : one->v4().Live()) EXPECT_TRUE(one->v4().At(session).is_kept_alive);
  }
  Advance(seconds(120));
  EXPECT_EQ(LiveEverywhere(), 3u);
}

TEST_F(SessionPoolKeepTest, AKeptSessionThatDiesIsReplacedAtOnce) {
  config.min_sessions = 1;
  Begin();
  Keep();
  EstablishAll();
  Advance(seconds(5));
  quic().EndSession(quic().all[0], "PATH_DOWN", CloseReason::kPathDown);
  Settle();
  EXPECT_EQ(quic().Live().size(), 1u);
  EXPECT_EQ(quic().all.size(), 2u);
}

TEST_F(SessionPoolKeepTest, OneThatFailsIsTriedAgainAfterThePause) {
  config.min_sessions = 1;
  Begin();
  Keep();
  quic().EndSession(quic().all[0], "NO_ANSWER", CloseReason::kHandshakeTimeout);
  Settle();
  EXPECT_EQ(quic().all.size(), 1u);
  const Duration pause = pool().backoff().until() - now;
  Advance(pause - milliseconds(1));
  EXPECT_EQ(quic().all.size(), 1u);
  Advance(milliseconds(1));
  EXPECT_EQ(quic().all.size(), 2u);
}

TEST_F(SessionPoolKeepTest, ASessionBegunForAStreamIsKeptWhereOneIsMissing) {
  config.min_sessions = 1;
  Begin();
  Ask();
  EstablishAll();
  EXPECT_FALSE(quic().At(quic().all[0]).is_kept_alive);
  Keep();
  EXPECT_TRUE(quic().At(quic().all[0]).is_kept_alive);
  EXPECT_EQ(quic().all.size(), 1u);
}

TEST_F(SessionPoolKeepTest, CancellingLeavesAKeptHandshakeAlone) {
  config.min_sessions = 1;
  Begin();
  Keep();
  Client& client = Ask();
  client.request.reset();
  EXPECT_EQ(pool().handshake_count(), 1u);
}

TEST_F(SessionPoolKeepTest, FewerAreKeptWhenTheConfigSaysSo) {
  config.min_sessions = 2;
  Begin();
  Keep();
  EstablishAll();
  worker().config.min_sessions = 1;
  pool().OnConfigChanged(/*tls_changed=*/false);
  int kept = 0;
  for (const SessionHandle session : quic().Live()) kept += quic().At(session).is_kept_alive;
  EXPECT_EQ(kept, 1);
  EXPECT_EQ(quic().Live().size(), 2u) << "the other ends by being idle";
}

TEST_F(SessionPoolKeepTest, OtherTlsSettingsBeginNewSessionsAndLetOldOnesFinish) {
  config.min_sessions = 1;
  Begin();
  Keep();
  EstablishAll();
  Client& old = Ask();
  const SessionHandle old_session = old.grant.carrier;
  pool().OnConfigChanged(/*tls_changed=*/true);
  EXPECT_TRUE(quic().At(old_session).is_closing);
  EXPECT_FALSE(quic().At(old_session).is_aborted);
  EXPECT_FALSE(old.grant.stream->IsBroken());
  ASSERT_EQ(quic().Live().size(), 1u);
  EstablishAll();
  EXPECT_NE(Ask().grant.carrier, old_session);
}

TEST_F(SessionPoolKeepTest, SessionsThatFinishDoNotCountAgainstTheLimit) {
  config.max_sessions = 1;
  Begin();
  Client& old = Ask();
  EstablishAll();
  ASSERT_NE(old.grant.stream, nullptr);
  pool().OnConfigChanged(/*tls_changed=*/true);
  EXPECT_EQ(pool().draining_count(), 1u);
  Client& next = Ask();
  EstablishAll();
  EXPECT_NE(next.grant.stream, nullptr) << next.reason;
  // When the old one is gone, the limit is what it was.
  quic().EndSession(old.grant.carrier, "", CloseReason::kLocal);
  Settle();
  EXPECT_EQ(pool().draining_count(), 0u);
  EXPECT_FALSE(worker().MayOpenSession());
}

TEST_F(SessionPoolKeepTest, SessionsMoveWhenTheSystemSendsFromAnotherAddress) {
  Begin();
  Ask();
  EstablishAll();
  const SessionHandle session = quic().all[0];
  pool().OnRoutesChanged();
  EXPECT_TRUE(quic().At(session).moves.empty()) << "the address is the same";
  worker().source = IpAddress();
  pool().OnRoutesChanged();
  EXPECT_TRUE(quic().At(session).moves.empty()) << "there is no way now";
  worker().source = IpAddress::V4({10, 0, 0, 2});
  pool().OnRoutesChanged();
  ASSERT_EQ(quic().At(session).moves.size(), 1u);
  EXPECT_EQ(quic().At(session).moves[0].ip, worker().source);
  EXPECT_EQ(quic().At(session).moves[0].port,
            worker().drivers[IpAddress::Family::kV4]->socket().local_address().port);
}

TEST_F(SessionPoolKeepTest, EarlyDataIsNotKeptWaitingForTheHandshake) {
  Begin();
  quic().takes_early_data = true;
  Client& client = Ask();
  ASSERT_NE(client.grant.stream, nullptr);
  EXPECT_TRUE(client.grant.session.is_null());
  EXPECT_EQ(worker().tally.counters.opened, 0u);
  EXPECT_EQ(pool().handshake_count(), 1u);
  Client& probe = *clients.emplace_back(std::make_unique<Client>(pool(), now + seconds(5), /*wants_stream=*/false));
  EXPECT_FALSE(probe.is_answered) << "its handshake is not done";
  Advance(seconds(1));
  EXPECT_EQ(quic().all.size(), 1u);
  EstablishAll();
  EXPECT_TRUE(probe.is_answered);
  EXPECT_EQ(worker().tally.counters.opened, 1u);
  EXPECT_EQ(pool().handshake_count(), 0u);
  EXPECT_FALSE(Ask().grant.session.is_null());
  EXPECT_EQ(quic().all.size(), 1u);
}

TEST_F(SessionPoolKeepTest, AnEarlySessionThatFailsIsAFailure) {
  Begin();
  quic().takes_early_data = true;
  Client& client = Ask();
  quic().EndSession(quic().all[0], "NO_ANSWER", CloseReason::kHandshakeTimeout);
  Settle();
  EXPECT_TRUE(client.grant.stream->IsBroken());
  EXPECT_EQ(target().error_reason, "NO_ANSWER");
  EXPECT_EQ(pool().backoff().failures(), 1u);
  EXPECT_EQ(worker().tally.counters.opened, 0u);
}

TEST_F(SessionPoolKeepTest, AStopEndsEachSessionWithItsLastStream) {
  config.min_sessions = 2;
  Begin();
  Keep();
  EstablishAll();
  Client& client = Ask();
  pool().BeginStop();
  EXPECT_EQ(pool().session_count(), 0u);
  for (const SessionHandle session : quic().all) {
    EXPECT_TRUE(quic().At(session).is_closing);
    EXPECT_FALSE(quic().At(session).is_aborted);
  }
  EXPECT_FALSE(client.grant.stream->IsBroken());
  Advance(seconds(120));
  EXPECT_EQ(quic().all.size(), 2u);
}

}  // namespace
}  // namespace culvert::server
