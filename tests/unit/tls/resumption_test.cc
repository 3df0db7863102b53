// Tickets: who gets them, that each works once, and that none outlives the trust it was given under.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>

#include "tests/unit/tls/tls_pair.h"

namespace culvert::tls {
namespace {

int64_t g_now = 0;
int64_t TestClock() { return g_now; }

class TlsResumption : public ::testing::Test {
 protected:
  TlsResumption() { g_now = std::time(nullptr); }

  // A connection that has read what the server sent after the handshake.
  std::unique_ptr<TlsPair> Connect(const ContextPtr& client, const ContextPtr& server,
                                   const std::string& name = "far.example") {
    auto pair = std::make_unique<TlsPair>(
        client, server, TlsConnectionOptions{.server_name = name, .cache = &cache_, .wall_clock = TestClock},
        TlsConnectionOptions{.wall_clock = TestClock});
    pair->Handshake();
    ReadAll(*pair->client);
    ReadAll(*pair->server);
    return pair;
  }
  // Whether a connection of these was made from a ticket, at both ends alike.
  bool Resumes(const ContextPtr& client, const ContextPtr& server, const std::string& name = "far.example") {
    const auto pair = Connect(client, server, name);
    pair->MustConnect();
    EXPECT_EQ(pair->client->info().resumed, pair->server->info().resumed);
    return pair->client->info().resumed;
  }

  const Identity identity_;
  SessionCache cache_;
};

TEST_F(TlsResumption, TheSecondConnectionUsesATicket) {
  const ContextPtr client = MakeContext(identity_.ClientOptions()), server = MakeContext(identity_.ServerOptions());
  EXPECT_FALSE(Resumes(client, server));
  const auto pair = Connect(client, server);
  pair->MustConnect();
  EXPECT_TRUE(pair->client->info().resumed);
  EXPECT_TRUE(pair->server->info().resumed);
  EXPECT_EQ(pair->client->info().peer_name, "far.example");
  EXPECT_TRUE(pair->Carries(*pair->client, *pair->server, "hello"));
  EXPECT_TRUE(pair->Carries(*pair->server, *pair->client, "hello"));
}

TEST_F(TlsResumption, TicketsComeWithoutAnyWriteOfTheServer) {
  const ContextPtr client = MakeContext(identity_.ClientOptions()), server = MakeContext(identity_.ServerOptions());
  TlsPair only_reads(client, server, {.server_name = "far.example", .cache = &cache_});
  only_reads.MustConnect();
  EXPECT_EQ(cache_.size(), 0u);
  EXPECT_EQ(ReadAll(*only_reads.client), "");
  EXPECT_GT(cache_.size(), 0u);
  cache_.Clear();
  EXPECT_EQ(cache_.size(), 0u);

  TlsPair only_writes(client, server, {.server_name = "far.example", .cache = &cache_});
  only_writes.MustConnect();
  EXPECT_TRUE(only_writes.Carries(*only_writes.client, *only_writes.server, "data"));
  EXPECT_EQ(ReadAll(*only_writes.client), "");
  EXPECT_GT(cache_.size(), 0u);
}

TEST_F(TlsResumption, TicketsCrossATransportThatIsFull) {
  const ContextPtr client = MakeContext(identity_.ClientOptions()), server = MakeContext(identity_.ServerOptions());
  TlsPair pair(client, server, {.server_name = "far.example", .cache = &cache_});
  pair.to_client.capacity = 10;
  pair.MustConnect();
  EXPECT_TRUE(pair.server->HasPendingWrites());
  while (!pair.server->FlushWrites()) EXPECT_EQ(ReadAll(*pair.client), "");
  EXPECT_EQ(ReadAll(*pair.client), "");
  EXPECT_FALSE(pair.server->HasPendingWrites());
  EXPECT_GT(cache_.size(), 0u);
}

TEST_F(TlsResumption, EachTicketWorksOnce) {
  const ContextPtr client = MakeContext(identity_.ClientOptions()), server = MakeContext(identity_.ServerOptions());
  EXPECT_FALSE(Resumes(client, server));
  const size_t tickets = cache_.size();
  ASSERT_GT(tickets, 0u);
  // Connections that never come far enough to get a new one.
  for (size_t i = 0; i < tickets; ++i) {
    TlsPair pair(client, server, {.server_name = "far.example", .cache = &cache_});
    EXPECT_EQ(pair.client->Advance(), TlsConnection::Progress::kWaiting);
  }
  EXPECT_EQ(cache_.size(), 0u);
  EXPECT_FALSE(Resumes(client, server));
}

TEST_F(TlsResumption, NotForAnotherName) {
  const testing::Certificate leaf = testing::MakeLeaf(identity_.ca, {"far.example", "near.example"});
  TlsOptions options = identity_.ServerOptions();
  UseCertificate(options, leaf);
  const ContextPtr client = MakeContext(identity_.ClientOptions()), server = MakeContext(options);
  EXPECT_FALSE(Resumes(client, server));
  EXPECT_FALSE(Resumes(client, server, "near.example"));
  EXPECT_TRUE(Resumes(client, server));
}

TEST_F(TlsResumption, NotAcrossClientContextsWithOtherRules) {
  const ContextPtr server = MakeContext(identity_.ServerOptions());
  TlsOptions options = identity_.ClientOptions();
  EXPECT_FALSE(Resumes(MakeContext(options), server));
  EXPECT_TRUE(Resumes(MakeContext(options), server)) << "equal settings are one trust, whatever context they are in";
  options.pinned_spki = {*ParseSpkiPin(identity_.leaf.pin)};
  EXPECT_FALSE(Resumes(MakeContext(options), server));
  options = identity_.ClientOptions();
  options.trust_pem += testing::MakeCa("more").certificate_pem;
  EXPECT_FALSE(Resumes(MakeContext(options), server));
  options = identity_.ClientOptions();
  options.skip_verification = true;
  EXPECT_FALSE(Resumes(MakeContext(options), server));
  options = identity_.ClientOptions();
  options.allowed_peer_names = {"far.example"};
  EXPECT_FALSE(Resumes(MakeContext(options), server));
}

TEST_F(TlsResumption, AnotherServerContextKnowsNoTicketOfThisOne) {
  const ContextPtr client = MakeContext(identity_.ClientOptions());
  EXPECT_FALSE(Resumes(client, MakeContext(identity_.ServerOptions())));
  // Even with the same settings: its keys are its own. The connection is made in full instead.
  EXPECT_FALSE(Resumes(client, MakeContext(identity_.ServerOptions())));
}

TEST_F(TlsResumption, ServersThatTellAClientApartKeepDoingSo) {
  const testing::Certificate client_ca = testing::MakeCa("client CA");
  const testing::Certificate alice = testing::MakeLeaf(client_ca, {"alice"}, g_now - 60, g_now + 3600);
  TlsOptions with = identity_.ClientOptions(), server_options = identity_.ServerOptions();
  UseCertificate(with, alice);
  server_options.trust_pem = client_ca.certificate_pem;
  server_options.require_peer_certificate = true;
  const ContextPtr client = MakeContext(with), server = MakeContext(server_options);
  EXPECT_FALSE(Resumes(client, server));
  const auto pair = Connect(client, server);
  pair->MustConnect();
  EXPECT_TRUE(pair->server->info().resumed);
  EXPECT_EQ(pair->server->info().peer_name, "alice");

  // Who comes without a certificate cannot use hers, because its context is another one.
  const auto without = Connect(MakeContext(identity_.ClientOptions()), server);
  EXPECT_EQ(without->server->failure_message(), "the peer showed no certificate");
}

TEST_F(TlsResumption, AnExpiredClientIsRejectedInSpiteOfItsTicket) {
  const testing::Certificate client_ca = testing::MakeCa("client CA");
  const testing::Certificate alice = testing::MakeLeaf(client_ca, {"alice"}, g_now - 60, g_now + 3600);
  TlsOptions with = identity_.ClientOptions(), server_options = identity_.ServerOptions();
  UseCertificate(with, alice);
  server_options.trust_pem = client_ca.certificate_pem;
  const ContextPtr client = MakeContext(with), server = MakeContext(server_options);
  EXPECT_FALSE(Resumes(client, server));
  g_now += 3600 + 7200;
  const auto pair = Connect(client, server);
  EXPECT_EQ(pair->server->failure(), TlsFailure::kPeerRejected);
  EXPECT_THAT(pair->server->failure_message(), ::testing::StartsWith("the peer's certificate expired 2 hours ago ("));
  EXPECT_EQ(pair->client->failure_message(), "the peer refused: alert certificate_expired (45)");
}

TEST_F(TlsResumption, AnExpiredServerIsRejectedInSpiteOfATicket) {
  const testing::Certificate leaf = testing::MakeLeaf(identity_.ca, {"far.example"}, g_now - 60, g_now + 3600);
  TlsOptions options = identity_.ServerOptions();
  UseCertificate(options, leaf);
  const ContextPtr client = MakeContext(identity_.ClientOptions()), server = MakeContext(options);
  EXPECT_FALSE(Resumes(client, server));
  g_now += 3601;
  const auto pair = Connect(client, server);
  EXPECT_EQ(pair->client->failure(), TlsFailure::kPeerRejected);
  EXPECT_THAT(pair->client->failure_message(), ::testing::StartsWith("the peer's certificate expired 1 second ago ("));
}

TEST_F(TlsResumption, TheCacheIsBounded) {
  SessionCache small(3);
  const ContextPtr client = MakeContext(identity_.ClientOptions()), server = MakeContext(identity_.ServerOptions());
  for (int i = 0; i < 5; ++i) {
    TlsPair pair(client, server, {.server_name = "far.example", .cache = &small});
    pair.MustConnect();
    ReadAll(*pair.client);
    EXPECT_LE(small.size(), 3u);
  }
  EXPECT_EQ(small.size(), 3u);
  SessionCache none(0);
  TlsPair pair(client, server, {.server_name = "far.example", .cache = &none});
  pair.MustConnect();
  ReadAll(*pair.client);
  EXPECT_EQ(none.size(), 0u);
}

TEST_F(TlsResumption, TicketsOutliveTheirContext) {
  {
    TlsPair pair(MakeContext(identity_.ClientOptions()), MakeContext(identity_.ServerOptions()),
                 {.server_name = "far.example", .cache = &cache_});
    pair.MustConnect();
    ReadAll(*pair.client);
  }
  EXPECT_GT(cache_.size(), 0u);
  EXPECT_FALSE(Resumes(MakeContext(identity_.ClientOptions()), MakeContext(identity_.ServerOptions())));
}

}  // namespace
}  // namespace culvert::tls
