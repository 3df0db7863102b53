// QUIC with v2ray 4.34 and certificates of our own, each verifying the other; who is not trusted; and the 33rd stream, for which
// a v2ray listener's session has no room.
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "tests/interop/quic_sessions.h"
#include "tests/interop/require_v2ray.h"
#include "tests/testing/certificate_maker.h"
#include "tests/testing/daemon.h"
#include "tests/testing/free_port.h"
#include "tests/testing/tcp_app.h"
#include "tests/testing/v2ray.h"

namespace culvert::testing {
namespace {

constexpr uint64_t kMebibyte = 1 << 20;
constexpr Duration kLimit = std::chrono::seconds(60);
constexpr const char* kName = "far.example";
constexpr const char* kKey = "a key that both ends know";

SocketAddress Loopback(uint16_t port) { return {IpAddress::LoopbackV4(), port}; }

// One v2ray, one culvertd with one worker, and the application behind them.
class Pairing {
 public:
  absl::Status Start() {
    folder_.Write("ca.crt", ca_.certificate_pem);
    folder_.Write("other.crt", MakeCa("another CA").certificate_pem);
    folder_.Write("far.crt", far_.chain_pem);
    folder_.Write("far.key", far_.private_key_pem, 0600);
    folder_.Write("key", kKey, 0600);
    CULVERT_ASSIGN_OR_RETURN(choice_, TcpServer::Start(Loopback(0), ChoiceHandler()));
    // One worker, as each has sessions of its own.
    CULVERT_ASSIGN_OR_RETURN(daemon_, Daemon::Start({.flags = {"--workers", "1"}}));
    V2rayOptions v2ray;
    std::string manifest;
    we_dial = AddDialer("dials", "ca.crt", v2ray, manifest);
    we_listen = AddListener("listens", "ca.crt", v2ray, manifest);
    stranger_to_us = AddDialer("stranger", "other.crt", v2ray, manifest);
    stranger_to_v2ray = AddListener("strange", "other.crt", v2ray, manifest);
    many = AddDialer("many", "ca.crt", v2ray, manifest);
    CULVERT_ASSIGN_OR_RETURN(v2ray_, V2ray::Start(v2ray));
    const RunResult applied = daemon_->Apply(manifest);
    if (applied.exit_code != 0) return absl::InternalError("culvertctl apply: " + applied.err);
    return absl::OkStatus();
  }

  std::string Logs() const { return "--- culvertd:\n" + daemon_->Log() + "--- v2ray:\n" + v2ray_->Log(); }
  Daemon& daemon() { return *daemon_; }
  bool has_daemon() const { return daemon_ != nullptr; }

  // Where clients connect.
  SocketAddress we_dial, we_listen, stranger_to_us, stranger_to_v2ray, many;

 private:
  // `trust`: the file of the client's roots.
  SocketAddress AddDialer(const std::string& name, const std::string& trust, V2rayOptions& v2ray, std::string& manifest) {
    const SocketAddress client = Loopback(FreePort());
    const SocketAddress wire = Loopback(FreePort());
    const QuicText ours{.security = "AES_128_GCM",
                        .key_file = folder_.File("key"),
                        .header = "SRTP",
                        .tls = absl::StrFormat("{trust_file: \"%s\", server_name: %s}", folder_.File(trust), kName)};
    manifest += TcpListener(name, client.ToString()) + QuicDialer(name, wire.ToString(), ours) + ForwardToDialer(name, name, name);
    v2ray.servers.push_back({.listen = wire,
                             .destination = choice_->address(),
                             .tls = V2rayTls{.certificate_file = folder_.File("far.crt"), .key_file = folder_.File("far.key")},
                             .quic = kTheirs});
    return client;
  }
  SocketAddress AddListener(const std::string& name, const std::string& trust, V2rayOptions& v2ray, std::string& manifest) {
    const SocketAddress client = Loopback(FreePort());
    const SocketAddress wire = Loopback(FreePort());
    const QuicText ours{.security = "AES_128_GCM",
                        .key_file = folder_.File("key"),
                        .header = "SRTP",
                        .tls = absl::StrFormat("{certificate_file: \"%s\", private_key_file: \"%s\"}", folder_.File("far.crt"),
                                               folder_.File("far.key"))};
    manifest += QuicListener(name, wire.ToString(), ours) + ForwardDirect(name, name, choice_->address().ToString());
    v2ray.clients.push_back({.listen = client,
                             .peer = wire,
                             .tls = V2rayTls{.trust_file = folder_.File(trust), .server_name = kName},
                             .quic = kTheirs});
    return client;
  }

  static inline const V2rayQuic kTheirs{.security = "aes-128-gcm", .key = kKey, .header = "srtp"};
  TempDir folder_;
  const Certificate ca_ = MakeCa("test CA");
  const Certificate far_ = MakeLeaf(ca_, {kName});
  std::unique_ptr<TcpServer> choice_;
  std::unique_ptr<V2ray> v2ray_;
  std::unique_ptr<Daemon> daemon_;
};

class V2rayQuicTls : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (V2ray::FindBinary().empty()) return;
    pairing_ = new Pairing;
    const absl::Status started = pairing_->Start();
    ASSERT_EQ(started, absl::OkStatus());
  }
  static void TearDownTestSuite() {
    if (pairing_ == nullptr) return;
    if (pairing_->has_daemon()) {
      const auto ended = pairing_->daemon().Stop();
      EXPECT_TRUE(ended && ended->code == 0) << "culvertd did not end well on SIGTERM";
    }
    delete pairing_;
    pairing_ = nullptr;
  }
  void SetUp() override { CULVERT_SKIP_WITHOUT_V2RAY(); }

  static Pairing* pairing_;
};

Pairing* V2rayQuicTls::pairing_ = nullptr;

TEST_F(V2rayQuicTls, CarriesDataInBothRoles) {
  for (const SocketAddress& to : {pairing_->we_dial, pairing_->we_listen}) {
    const ClientOptions client{.to = to, .chooses = true, .limit = kLimit};
    EXPECT_EQ(RunEchoes(client, {1, 1200, 65'536}, 11), absl::OkStatus()) << pairing_->Logs();
    EXPECT_EQ(RunExchange(client, {.up_bytes = kMebibyte, .down_bytes = kMebibyte, .seed = 21}), absl::OkStatus()) << pairing_->Logs();
  }
}

TEST_F(V2rayQuicTls, AgreesOnV2raysDefaults) {
  for (const SocketAddress& to : {pairing_->we_dial, pairing_->we_listen}) {
    auto stream = TcpStream::Connect(to);
    ASSERT_TRUE(stream.ok());
    ASSERT_EQ(stream->Write(std::string(kEchoMode) + "hello"), absl::OkStatus());
    ASSERT_TRUE(stream->ReadText(5).ok()) << pairing_->Logs();
    const std::string json = pairing_->daemon().GetJson("sessions");
    for (const char* wanted : {"\"TLSv1.3\"", "\"h2\"", "\"far.example\""}) {
      EXPECT_TRUE(absl::StrContains(json, wanted)) << wanted << " in " << json;
    }
  }
}

TEST_F(V2rayQuicTls, AV2rayThatWeDoNotTrustGetsNothing) {
  auto stream = TcpStream::Connect(pairing_->stranger_to_us);
  if (stream.ok()) {
    stream->SetLimit(kLimit);
    (void)stream->Write(std::string(kEchoMode) + "hello");
    EXPECT_FALSE(stream->ReadText(1).ok());
  }
  const RunResult probe = pairing_->daemon().Ctl({"dial", "stranger"});
  EXPECT_EQ(probe.exit_code, 1) << probe.out << probe.err;
  EXPECT_TRUE(absl::StrContains(probe.out, "PEER_IDENTITY_REJECTED")) << probe.out;
}

TEST_F(V2rayQuicTls, V2rayThatDoesNotTrustUsIsCounted) {
  auto stream = TcpStream::Connect(pairing_->stranger_to_v2ray);
  ASSERT_TRUE(stream.ok());
  stream->SetLimit(kLimit);
  (void)stream->Write(std::string(kEchoMode) + "hello");
  EXPECT_FALSE(stream->ReadText(1).ok()) << "bytes passed a v2ray that does not trust us";
  const TimePoint deadline = MonotonicNow() + kLimit;
  while (!absl::StrContains(pairing_->daemon().GetJson("listeners"), "\"handshakesFailed\"")) {
    ASSERT_LT(MonotonicNow(), deadline) << pairing_->Logs();
  }
}

TEST_F(V2rayQuicTls, FortyStreamsTakeTwoSessions) {
  constexpr size_t kStreams = 40;
  std::vector<TcpStream> streams;
  for (size_t i = 0; i < kStreams; ++i) {
    auto stream = TcpStream::Connect(pairing_->many);
    ASSERT_TRUE(stream.ok()) << stream.status();
    stream->SetLimit(kLimit);
    ASSERT_EQ(stream->Write(kEchoMode), absl::OkStatus());
    streams.push_back(*std::move(stream));
  }
  for (size_t i = 0; i < kStreams; ++i) {
    ASSERT_EQ(streams[i].Transfer(3000, i, 3000, i), absl::OkStatus()) << "stream " << i << "\n" << pairing_->Logs();
  }
  const std::string json = pairing_->daemon().GetJson("sessions");
  const std::vector<QuicSessionSeen> sessions = QuicSessionsOf(json, "many");
  ASSERT_EQ(sessions.size(), 2u) << json;
  EXPECT_EQ(sessions[0].open_streams + sessions[1].open_streams, kStreams) << json;
  for (const QuicSessionSeen& session : sessions) {
    EXPECT_LE(session.open_streams, 32u) << "a v2ray listener grants no more";
    EXPECT_GT(session.open_streams, 0u);
  }
  // Both go on carrying data.
  for (size_t i = 0; i < kStreams; ++i) EXPECT_EQ(streams[i].Transfer(3000, i, 3000, i), absl::OkStatus()) << "stream " << i;
}

}  // namespace
}  // namespace culvert::testing
