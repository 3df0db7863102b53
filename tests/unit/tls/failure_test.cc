// Peers that are no peers: other protocols, other versions, floods, damage.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/random.h"
#include "tests/unit/tls/raw_peer.h"
#include "tests/unit/tls/tls_pair.h"

namespace culvert::tls {
namespace {

using Progress = TlsConnection::Progress;

// A server or client of ours whose peer is what a test makes of the wires.
class TlsFailureOf : public ::testing::Test {
 protected:
  std::unique_ptr<TlsConnection> Server() {
    return std::make_unique<TlsConnection>(MakeContext(identity_.ServerOptions()), TlsConnectionOptions{}, server_end_);
  }
  std::unique_ptr<TlsConnection> Client() {
    return std::make_unique<TlsConnection>(MakeContext(identity_.ClientOptions()),
                                           TlsConnectionOptions{.server_name = "far.example"}, client_end_);
  }
  static void Put(Wire& wire, std::string_view bytes) {
    wire.bytes.insert(wire.bytes.end(), AsBytes(bytes).begin(), AsBytes(bytes).end());
  }

  const Identity identity_;
  Wire to_server_, to_client_;
  WireEnd client_end_{to_client_, to_server_};
  WireEnd server_end_{to_server_, to_client_};
};

TEST_F(TlsFailureOf, OtherProtocols) {
  for (const auto& [bytes, message] : std::vector<std::pair<std::string, std::string>>{
           {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "what the peer sent is not TLS but an HTTP request"},
           {"CONNECT a:80 HTTP/1.1\r\n\r\n", "what the peer sent is not TLS but a request to an HTTP proxy"},
           {"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "what the peer sent is not TLS"},
           {std::string(100, '\0'), "what the peer sent is not TLS"}}) {
    to_server_ = {};
    const auto server = Server();
    Put(to_server_, bytes);
    EXPECT_EQ(server->Advance(), Progress::kFailed);
    EXPECT_EQ(server->failure(), TlsFailure::kProtocol);
    EXPECT_EQ(server->failure_message(), message);
  }
}

TEST_F(TlsFailureOf, RandomFirstBytesNeverGetFurther) {
  SeededRandom random(3);
  for (int i = 0; i < 500; ++i) {
    to_server_ = {};
    to_client_ = {};
    const auto server = Server();
    std::vector<uint8_t> bytes(random.NextInRange(1, 2000));
    random.Fill(bytes);
    // Half of them look like a handshake record.
    if (i % 2 == 0) Put(to_server_, std::string_view("\x16\x03\x01\x02\x00", 5));
    Put(to_server_, AsText(bytes));
    to_server_.ended = true;
    EXPECT_EQ(server->Advance(), Progress::kFailed);
    EXPECT_THAT(server->failure(), ::testing::AnyOf(TlsFailure::kProtocol, TlsFailure::kTruncated, TlsFailure::kAlert));
    EXPECT_FALSE(server->failure_message().empty());
    uint8_t byte;
    EXPECT_EQ(server->Read({&byte, 1}), 0u);
    EXPECT_EQ(server->Write(AsBytes("x")), 0u);
  }
}

TEST_F(TlsFailureOf, AClientOfTls12) {
  const auto server = Server();
  RawPeer client({.role = Role::kClient, .max_version = 0x0303}, client_end_);
  EXPECT_FALSE(client.Advance());
  EXPECT_EQ(server->Advance(), Progress::kFailed);
  EXPECT_EQ(server->failure(), TlsFailure::kProtocol);
  EXPECT_EQ(server->failure_message(), "the peer does not speak TLS 1.3");
  EXPECT_FALSE(client.Advance());
  EXPECT_EQ(client.error(), "TLSV1_ALERT_PROTOCOL_VERSION");
}

TEST_F(TlsFailureOf, AServerOfTls12) {
  const auto client = Client();
  RawPeer server({.role = Role::kServer, .max_version = 0x0303, .certificate = &identity_.leaf}, server_end_);
  EXPECT_EQ(client->Advance(), Progress::kWaiting);
  EXPECT_FALSE(server.Advance());
  EXPECT_EQ(client->Advance(), Progress::kFailed);
  EXPECT_EQ(client->failure(), TlsFailure::kProtocol);
  EXPECT_EQ(client->failure_message(), "the peer does not speak TLS 1.3: it answered with alert protocol_version (70)");
}

TEST_F(TlsFailureOf, AServerThatAnswersTls12ToAnOfferOfTls13) {
  const auto client = Client();
  EXPECT_EQ(client->Advance(), Progress::kWaiting);
  std::string hello("\x03\x03", 2);
  hello += std::string(32, 'r');
  hello += '\0';                                    // no session
  hello += std::string("\xc0\x2b\x00\x00\x00", 5);  // a suite of TLS 1.2, no compression, no extensions
  const auto size = static_cast<char>(hello.size());
  Put(to_client_,
      std::string("\x16\x03\x03\x00", 4) + static_cast<char>(size + 4) + std::string("\x02\x00\x00", 3) + size + hello);
  EXPECT_EQ(client->Advance(), Progress::kFailed);
  EXPECT_EQ(client->failure(), TlsFailure::kProtocol);
  EXPECT_EQ(client->failure_message(), "the peer does not speak TLS 1.3");
}

TEST_F(TlsFailureOf, AlertsHaveNames) {
  for (const auto& [number, name] : std::vector<std::pair<uint8_t, std::string>>{{40, "handshake_failure (40)"},
                                                                                 {42, "bad_certificate (42)"},
                                                                                 {48, "unknown_ca (48)"},
                                                                                 {80, "internal_error (80)"},
                                                                                 {116, "certificate_required (116)"},
                                                                                 {199, "unknown (199)"}}) {
    to_server_ = {};
    to_client_ = {};
    const auto client = Client();
    EXPECT_EQ(client->Advance(), Progress::kWaiting);
    Put(to_client_, std::string("\x15\x03\x03\x00\x02\x02", 6) + static_cast<char>(number));
    EXPECT_EQ(client->Advance(), Progress::kFailed);
    EXPECT_EQ(client->failure(), TlsFailure::kAlert);
    EXPECT_EQ(client->failure_message(), "the peer refused: alert " + name);
  }
}

TEST_F(TlsFailureOf, APeerThatHangsUpPolitelyInTheHandshake) {
  const auto client = Client();
  EXPECT_EQ(client->Advance(), Progress::kWaiting);
  Put(to_client_, std::string("\x15\x03\x03\x00\x02\x01\x00", 7));
  EXPECT_EQ(client->Advance(), Progress::kFailed);
  EXPECT_EQ(client->failure(), TlsFailure::kAlert);
  EXPECT_EQ(client->failure_message(), "the peer refused: alert close_notify (0)");
}

TEST_F(TlsFailureOf, AFailureIsOfferedToTheTransportAsAnAlert) {
  const auto server = Server();
  Put(to_server_, "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
  to_client_.capacity = 0;
  EXPECT_EQ(server->Advance(), Progress::kFailed);
  EXPECT_TRUE(server->HasPendingWrites());
  to_client_.capacity = 100;
  EXPECT_TRUE(server->FlushWrites());
  EXPECT_EQ(AsText(to_client_.bytes), std::string_view("\x15\x03\x01\x00\x02\x02\x46", 7));  // protocol_version
}

TEST_F(TlsFailureOf, AFloodOfKeyUpdatesEnds) {
  const auto server = Server();
  RawPeer client({.role = Role::kClient}, client_end_);
  for (int i = 0; i < 4; ++i) {
    client.Advance();
    EXPECT_NE(server->Advance(), Progress::kFailed);
  }
  // With data in between they are welcome.
  for (int i = 0; i < 200; ++i) {
    client.SendKeyUpdate();
    ASSERT_TRUE(client.Write("x"));
    ASSERT_EQ(ReadAll(*server), "x");
  }
  for (int i = 0; i < 100; ++i) client.SendKeyUpdate();
  EXPECT_EQ(ReadAll(*server), "");
  EXPECT_EQ(server->failure(), TlsFailure::kProtocol);
  EXPECT_EQ(server->failure_message(), "the peer changes its keys over and over without sending data");
}

TEST_F(TlsFailureOf, AnAlertAfterTheHandshake) {
  const auto server = Server();
  RawPeer client({.role = Role::kClient}, client_end_);
  for (int i = 0; i < 4; ++i) {
    client.Advance();
    EXPECT_NE(server->Advance(), Progress::kFailed);
  }
  ASSERT_TRUE(client.Write("before"));
  client.SendAlert(80);
  EXPECT_EQ(ReadAll(*server), "before");
  EXPECT_EQ(server->failure(), TlsFailure::kAlert);
  EXPECT_EQ(server->failure_message(), "the peer refused: alert internal_error (80)");
  EXPECT_TRUE(server->IsTruncated());
  EXPECT_EQ(server->Write(AsBytes("x")), 0u);
}

// Flips one bit at `at` of what the client sent in three records; what the server then reads.
TEST(TlsDamage, NoByteOfADamagedRecordIsRead) {
  const Identity identity;
  const ContextPtr client = MakeContext(identity.ClientOptions()), server = MakeContext(identity.ServerOptions());
  constexpr size_t kRecord = 1000 + 22;
  for (size_t at = 0; at < 3 * kRecord; at += 61) {
    TlsPair pair(client, server);
    pair.MustConnect();
    for (const char c : {'a', 'b', 'c'}) EXPECT_EQ(pair.client->Write(AsBytes(std::string(1000, c))), 1000u);
    ASSERT_EQ(pair.to_server.bytes.size(), 3 * kRecord);
    pair.to_server.bytes[at] ^= 0x10;
    pair.to_server.ended = true;
    const std::string whole = std::string(1000, 'a') + std::string(1000, 'b');
    EXPECT_EQ(ReadAll(*pair.server), whole.substr(0, at / kRecord * 1000)) << at;
    EXPECT_TRUE(pair.server->IsTruncated());
    EXPECT_FALSE(pair.server->AtEnd());
    // A changed length may also ask for bytes that never come.
    if (at % kRecord < 3 || at % kRecord > 4) {
      EXPECT_EQ(pair.server->failure(), TlsFailure::kProtocol) << at;
      EXPECT_EQ(pair.server->failure_message(), "a TLS record was damaged or forged on its way");
      EXPECT_FALSE(pair.to_client.bytes.empty()) << "the client is told";
    }
  }
}

TEST(TlsDamage, ReplayedAndSwappedRecordsAreRefused) {
  const Identity identity;
  const ContextPtr client = MakeContext(identity.ClientOptions()), server = MakeContext(identity.ServerOptions());
  for (const bool replay : {false, true}) {
    TlsPair pair(client, server);
    pair.MustConnect();
    EXPECT_EQ(pair.client->Write(AsBytes("one")), 3u);
    const std::vector<uint8_t> first = pair.to_server.bytes;
    EXPECT_EQ(pair.client->Write(AsBytes("two")), 3u);
    std::vector<uint8_t>& bytes = pair.to_server.bytes;
    const std::vector<uint8_t> second(bytes.begin() + static_cast<std::ptrdiff_t>(first.size()), bytes.end());
    bytes = replay ? first : second;
    bytes.insert(bytes.end(), first.begin(), first.end());
    EXPECT_EQ(ReadAll(*pair.server), replay ? "one" : "");
    EXPECT_EQ(pair.server->failure(), TlsFailure::kProtocol);
    EXPECT_EQ(pair.server->failure_message(), "a TLS record was damaged or forged on its way");
  }
}

TEST(TlsDamage, HandshakesSurviveNoDamage) {
  const Identity identity;
  const ContextPtr client = MakeContext(identity.ClientOptions()), server = MakeContext(identity.ServerOptions());
  for (size_t at = 0; at < 600; at += 7) {
    for (const bool up : {true, false}) {
      TlsPair pair(client, server);
      EXPECT_EQ(pair.client->Advance(), Progress::kWaiting);
      if (!up) {
        EXPECT_NE(pair.server->Advance(), Progress::kFailed);
      }
      std::vector<uint8_t>& bytes = up ? pair.to_server.bytes : pair.to_client.bytes;
      if (at >= bytes.size()) continue;
      bytes[at] ^= 0x04;
      EXPECT_FALSE(pair.Handshake()) << at << (up ? " up" : " down");
      if (pair.client->failure() == TlsFailure::kNone && pair.server->failure() == TlsFailure::kNone) {
        // A length that grew: both wait for the rest until the transport ends.
        pair.to_server.ended = pair.to_client.ended = true;
        pair.Handshake();
      }
      EXPECT_TRUE(pair.client->failure() != TlsFailure::kNone || pair.server->failure() != TlsFailure::kNone) << at;
    }
  }
}

TEST(TlsFailureNames, AreTheApis) {
  EXPECT_EQ(TlsFailureName(TlsFailure::kNone), "NONE");
  EXPECT_EQ(TlsFailureName(TlsFailure::kAlert), "TLS_ALERT");
  EXPECT_EQ(TlsFailureName(TlsFailure::kPeerRejected), "PEER_IDENTITY_REJECTED");
  EXPECT_EQ(TlsFailureName(TlsFailure::kProtocol), "TLS_PROTOCOL");
  EXPECT_EQ(TlsFailureName(TlsFailure::kTruncated), "TLS_TRUNCATED");
}

}  // namespace
}  // namespace culvert::tls
