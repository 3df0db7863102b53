// Certificates of clients: asked for, required, verified, and known to the server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/tls/tls_pair.h"

namespace culvert::tls {
namespace {

using testing::Certificate;

class TlsClientIdentity : public ::testing::Test {
 protected:
  TlsClientIdentity() : client_(identity_.ClientOptions()), server_(identity_.ServerOptions()) {
    server_.trust_pem = client_ca_.certificate_pem;
  }

  // Both ends after the client has noticed what the server thinks of it.
  std::unique_ptr<TlsPair> Connect() {
    auto pair = std::make_unique<TlsPair>(MakeContext(client_), MakeContext(server_));
    pair->Handshake();
    ReadAll(*pair->client);
    return pair;
  }

  const Identity identity_;
  const Certificate client_ca_ = testing::MakeCa("client CA");
  const Certificate alice_ = testing::MakeLeaf(client_ca_, {"alice", "URI:spiffe://site/alice"});
  TlsOptions client_, server_;
};

TEST_F(TlsClientIdentity, IsKnownToTheServer) {
  server_.require_peer_certificate = true;
  UseCertificate(client_, alice_);
  const auto pair = Connect();
  pair->MustConnect();
  EXPECT_EQ(pair->server->info().peer_name, "alice");
  EXPECT_TRUE(pair->Carries(*pair->client, *pair->server, "hello"));
}

TEST_F(TlsClientIdentity, ThroughAnIntermediate) {
  server_.require_peer_certificate = true;
  const Certificate middle = testing::MakeIntermediate(client_ca_, "middle");
  const Certificate bob = testing::MakeLeaf(middle, {"bob"});
  UseCertificate(client_, bob);
  const auto pair = Connect();
  pair->MustConnect();
  EXPECT_EQ(pair->server->info().peer_name, "bob");
}

TEST_F(TlsClientIdentity, Missing) {
  server_.require_peer_certificate = true;
  const auto pair = Connect();
  EXPECT_EQ(pair->server->failure(), TlsFailure::kPeerRejected);
  EXPECT_EQ(pair->server->failure_message(), "the peer showed no certificate");
  // TLS 1.3: the client had finished its part before the server said no.
  EXPECT_EQ(pair->client->failure(), TlsFailure::kAlert);
  EXPECT_EQ(pair->client->failure_message(), "the peer refused: alert certificate_required (116)");
  EXPECT_TRUE(pair->client->IsTruncated());
  EXPECT_FALSE(pair->client->AtEnd());
}

TEST_F(TlsClientIdentity, AskedForButNotRequired) {
  auto pair = Connect();
  pair->MustConnect();
  EXPECT_EQ(pair->server->info().peer_name, "");
  UseCertificate(client_, alice_);
  pair = Connect();
  pair->MustConnect();
  EXPECT_EQ(pair->server->info().peer_name, "alice");
  const Certificate stranger = testing::MakeSelfSigned({"stranger"});
  UseCertificate(client_, stranger);
  pair = Connect();
  EXPECT_EQ(pair->server->failure(), TlsFailure::kPeerRejected);
  EXPECT_EQ(pair->client->failure_message(), "the peer refused: alert unknown_ca (48)");
}

TEST_F(TlsClientIdentity, NotAskedForWithoutTrust) {
  server_.trust_pem = "";
  UseCertificate(client_, alice_);
  const auto pair = Connect();
  pair->MustConnect();
  EXPECT_EQ(pair->server->info().peer_name, "");
}

TEST_F(TlsClientIdentity, OfAnotherAuthority) {
  server_.require_peer_certificate = true;
  UseCertificate(client_, identity_.leaf);
  const auto pair = Connect();
  EXPECT_EQ(pair->server->failure_message(), "the peer's certificate is signed by an unknown authority: CN=test CA");
}

TEST_F(TlsClientIdentity, OnlyForServers) {
  server_.require_peer_certificate = true;
  const Certificate leaf = testing::MakeCertificate({.names = {"alice"}, .is_for_clients = false}, &client_ca_);
  UseCertificate(client_, leaf);
  const auto pair = Connect();
  EXPECT_EQ(pair->server->failure_message(), "the peer's certificate is not meant for a client (extended key usage)");
}

TEST_F(TlsClientIdentity, NamesAndPins) {
  server_.require_peer_certificate = true;
  server_.allowed_peer_names = {"spiffe://site/alice"};
  server_.pinned_spki = {*ParseSpkiPin(alice_.pin)};
  UseCertificate(client_, alice_);
  Connect()->MustConnect();
  const Certificate bob = testing::MakeLeaf(client_ca_, {"bob"});
  UseCertificate(client_, bob);
  EXPECT_EQ(Connect()->server->failure_message(),
            "the peer's certificate is for bob, which is none of the allowed names: spiffe://site/alice");
  const Certificate second = testing::MakeLeaf(client_ca_, {"URI:spiffe://site/alice"});
  UseCertificate(client_, second);
  EXPECT_EQ(Connect()->server->failure_message(), "the peer's key " + second.pin + " is not the pinned " + alice_.pin);
}

}  // namespace
}  // namespace culvert::tls
