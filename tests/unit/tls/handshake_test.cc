// Handshakes that end well, over transports of every temper, and what they agree on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/unit/tls/tls_pair.h"

namespace culvert::tls {
namespace {

using Progress = TlsConnection::Progress;

TEST(TlsHandshake, BothEndsKnowWhatWasAgreed) {
  const Identity identity;
  TlsPair pair(MakeContext(identity.ClientOptions()), MakeContext(identity.ServerOptions()));
  pair.MustConnect();
  EXPECT_EQ(pair.client->info().version, "TLSv1.3");
  EXPECT_THAT(std::string(pair.client->info().cipher), ::testing::StartsWith("TLS_"));
  EXPECT_EQ(pair.client->info().cipher, pair.server->info().cipher);
  EXPECT_EQ(pair.client->info().server_name, "far.example");
  EXPECT_EQ(pair.server->info().server_name, "far.example");
  EXPECT_EQ(pair.client->info().peer_name, "far.example");
  EXPECT_EQ(pair.server->info().peer_name, "");
  EXPECT_EQ(pair.client->info().alpn, "");
  EXPECT_FALSE(pair.client->info().resumed);
  EXPECT_EQ(pair.client->failure(), TlsFailure::kNone);
  EXPECT_EQ(pair.client->failure_message(), "");
  EXPECT_TRUE(pair.Carries(*pair.client, *pair.server, "up"));
  EXPECT_TRUE(pair.Carries(*pair.server, *pair.client, "down"));
}

TEST(TlsHandshake, NoByteMovesBeforeTheFirstAdvance) {
  const Identity identity;
  const TlsPair pair(MakeContext(identity.ClientOptions()), MakeContext(identity.ServerOptions()));
  EXPECT_EQ(pair.to_server.written, 0u);
  EXPECT_EQ(pair.to_client.written, 0u);
}

TEST(TlsHandshake, NothingIsReadOrWrittenBeforeItIsDone) {
  const Identity identity;
  TlsPair pair(MakeContext(identity.ClientOptions()), MakeContext(identity.ServerOptions()));
  EXPECT_EQ(pair.client->Advance(), Progress::kWaiting);
  uint8_t byte = 0;
  EXPECT_EQ(pair.client->Write(AsBytes("x")), 0u);
  EXPECT_EQ(pair.client->Read({&byte, 1}), 0u);
  EXPECT_FALSE(pair.client->AtEnd());
}

TEST(TlsHandshake, EveryKindOfKeyWorks) {
  const testing::Certificate ca = testing::MakeCa("ca");
  for (const testing::KeyKind kind :
       {testing::KeyKind::kP256, testing::KeyKind::kP384, testing::KeyKind::kEd25519, testing::KeyKind::kRsa2048}) {
    const testing::Certificate leaf = testing::MakeCertificate({.names = {"far.example"}, .key = kind}, &ca);
    TlsOptions server{.role = Role::kServer};
    UseCertificate(server, leaf);
    TlsOptions client;
    client.trust_pem = ca.certificate_pem;
    TlsPair pair(MakeContext(client), MakeContext(server));
    pair.MustConnect();
  }
}

// Takes and gives this many bytes at a time.
class TlsChunks : public ::testing::TestWithParam<size_t> {};

TEST_P(TlsChunks, HandshakeAndData) {
  const Identity identity;
  TlsPair pair(MakeContext(identity.ClientOptions()), MakeContext(identity.ServerOptions()));
  for (Wire* wire : {&pair.to_client, &pair.to_server}) wire->max_read = wire->max_write = GetParam();
  pair.MustConnect();
  EXPECT_TRUE(pair.Carries(*pair.client, *pair.server, std::string(40000, 'a')));
  EXPECT_TRUE(pair.Carries(*pair.server, *pair.client, std::string(40000, 'b')));
}

TEST_P(TlsChunks, ATransportWithRoomForNoMore) {
  const Identity identity;
  TlsPair pair(MakeContext(identity.ClientOptions()), MakeContext(identity.ServerOptions()));
  for (Wire* wire : {&pair.to_client, &pair.to_server}) wire->capacity = GetParam();
  pair.MustConnect();
  EXPECT_TRUE(pair.Carries(*pair.client, *pair.server, std::string(40000, 'a')));
  EXPECT_TRUE(pair.Carries(*pair.server, *pair.client, std::string(40000, 'b')));
}

INSTANTIATE_TEST_SUITE_P(Sizes, TlsChunks, ::testing::Values(1, 2, 5, 6, 37, 1200, 16384, 16406));

TEST(TlsThreads, ShareContexts) {
  const Identity identity;
  const ContextPtr client = MakeContext(identity.ClientOptions()), server = MakeContext(identity.ServerOptions());
  std::vector<std::thread> threads;
  std::atomic<int> connected{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      SessionCache cache;
      for (int j = 0; j < 10; ++j) {
        TlsPair pair(client, server, {.server_name = "far.example", .cache = &cache});
        if (pair.Handshake() && pair.Carries(*pair.server, *pair.client, "hello")) ++connected;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(connected, 40);
}

struct AlpnCase {
  std::vector<std::string> client, server;
  std::string agreed;
};

TEST(TlsAlpn, TheServerTakesItsOwnFirstMatch) {
  const Identity identity;
  const std::vector<AlpnCase> cases = {
      {{"h2", "http/1.1"}, {"h2", "http/1.1"}, "h2"},
      {{"http/1.1", "h2"}, {"h2", "http/1.1"}, "h2"},
      {{"http/1.1", "x"}, {"h2", "http/1.1"}, "http/1.1"},
      {{}, {"h2", "http/1.1"}, ""},  // nothing offered: accepted, as v2ray does
      {{"h2", "http/1.1"}, {}, ""},  // nobody chooses
      {{"h22", "h"}, {"h2", "h"}, "h"},
  };
  for (const AlpnCase& with : cases) {
    TlsOptions client = identity.ClientOptions(), server = identity.ServerOptions();
    client.alpn = with.client;
    server.alpn = with.server;
    TlsPair pair(MakeContext(client), MakeContext(server));
    pair.MustConnect();
    EXPECT_EQ(pair.client->info().alpn, with.agreed);
    EXPECT_EQ(pair.server->info().alpn, with.agreed);
  }
}

TEST(TlsAlpn, NothingInCommonIsAlert120) {
  const Identity identity;
  TlsOptions client = identity.ClientOptions(), server = identity.ServerOptions();
  client.alpn = {"spdy\x01", "h3"};
  server.alpn = {"h2", "http/1.1"};
  TlsPair pair(MakeContext(client), MakeContext(server));
  EXPECT_FALSE(pair.Handshake());
  EXPECT_EQ(pair.server->failure(), TlsFailure::kProtocol);
  EXPECT_EQ(pair.server->failure_message(),
            "no common application protocol (ALPN): the peer offers spdy\\x01, h3; ours: h2, http/1.1");
  EXPECT_EQ(pair.client->failure(), TlsFailure::kAlert);
  EXPECT_EQ(pair.client->failure_message(),
            "the peer refused: alert no_application_protocol (120): no common application protocol (ALPN); ours: "
            "spdy\\x01, h3");
}

TEST(TlsSni, AddressesAreNotSentAndDotsAreDropped) {
  const testing::Certificate ca = testing::MakeCa("ca");
  const testing::Certificate leaf = testing::MakeLeaf(ca, {"far.example", "10.0.0.1", "2001:db8::1"});
  TlsOptions server{.role = Role::kServer}, client;
  UseCertificate(server, leaf);
  client.trust_pem = ca.certificate_pem;
  const ContextPtr client_context = MakeContext(client), server_context = MakeContext(server);
  for (const auto& [name, sent] : std::vector<std::pair<std::string, std::string>>{{"far.example", "far.example"},
                                                                                   {"far.example.", "far.example"},
                                                                                   {"FAR.example", "FAR.example"},
                                                                                   {"10.0.0.1", ""},
                                                                                   {"2001:db8::1", ""},
                                                                                   {"[2001:db8::1]", ""}}) {
    TlsPair pair(client_context, server_context, {.server_name = name});
    pair.MustConnect();
    EXPECT_EQ(pair.server->info().server_name, sent);
  }
}

TEST(TlsSni, ANameThatCannotBeSentFailsAtOnce) {
  const Identity identity;
  TlsPair pair(MakeContext(identity.ClientOptions()), MakeContext(identity.ServerOptions()),
               {.server_name = std::string(300, 'a')});
  EXPECT_EQ(pair.client->Advance(), Progress::kFailed);
  EXPECT_EQ(pair.client->failure(), TlsFailure::kProtocol);
  EXPECT_THAT(pair.client->failure_message(), ::testing::StartsWith("the server name cannot be sent: aaa"));
  EXPECT_EQ(pair.to_server.written, 0u);
}

}  // namespace
}  // namespace culvert::tls
