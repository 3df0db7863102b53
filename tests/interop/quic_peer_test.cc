// culvert and aioquic, a QUIC that shares no code with ours, in both roles: what goes beyond what a v2ray can show.
#include <gtest/gtest.h>
#include <signal.h>

#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "tests/interop/quic_sessions.h"
#include "tests/interop/require_aioquic.h"
#include "tests/testing/certificate_maker.h"
#include "tests/testing/daemon.h"
#include "tests/testing/free_port.h"
#include "tests/testing/tcp_app.h"

namespace culvert::testing {
namespace {

constexpr uint64_t kMebibyte = 1 << 20;
constexpr Duration kLimit = std::chrono::seconds(90);
constexpr const char* kName = "quic.internal.v2ray.com";
constexpr const char* kKey = "a key that both ends know";
constexpr const char* kGreeting = "220 speak, friend\r\n";

SocketAddress Loopback(uint16_t port) { return {IpAddress::LoopbackV4(), port}; }

// The outer layer of a link, in v2ray's words and in the manifest's.
struct Outer {
  std::string security = "none", header = "none";
  std::string manifest_security = "NONE", manifest_header = "NONE";
};
const Outer kPlain{};
const Outer kAes{"aes-128-gcm", "wechat-video", "AES_128_GCM", "WECHAT_VIDEO"};
const Outer kChacha{"chacha20-poly1305", "utp", "CHACHA20_POLY1305", "UTP"};

class QuicPeer : public ::testing::Test {
 protected:
  void SetUp() override {
    CULVERT_SKIP_WITHOUT_AIOQUIC();
    folder_.Write("ca.crt", ca_.certificate_pem);
    folder_.Write("far.crt", far_.chain_pem);
    folder_.Write("far.key", far_.private_key_pem, 0600);
    folder_.Write("key", kKey, 0600);
    auto app = TcpServer::Start(Loopback(0), ChoiceHandler());
    ASSERT_TRUE(app.ok()) << app.status();
    app_ = *std::move(app);
    auto greeter = TcpServer::Start(Loopback(0), GreetingHandler(kGreeting));
    ASSERT_TRUE(greeter.ok()) << greeter.status();
    greeter_ = *std::move(greeter);
  }

  void StartDaemon(const std::string& workers, const std::string& state_dir = "none") {
    auto daemon = Daemon::Start({.flags = {"--workers", workers}, .state_dir = state_dir});
    ASSERT_TRUE(daemon.ok()) << daemon.status();
    daemon_ = *std::move(daemon);
  }
  void Apply(const std::string& manifest) {
    const RunResult applied = daemon_->Apply(manifest);
    ASSERT_EQ(applied.exit_code, 0) << applied.err;
  }
  QuicText Ours(const Outer& outer, const std::string& tls) const {
    QuicText text{.security = outer.manifest_security, .header = outer.manifest_header, .tls = tls};
    if (outer.security != "none") text.key_file = folder_.File("key");
    return text;
  }

  std::string ListenerManifest(const Outer& outer) const {
    return QuicListener("in", wire_.ToString(),
                        Ours(outer, absl::StrFormat("{certificate_file: \"%s\", private_key_file: \"%s\"}", folder_.File("far.crt"),
                                                    folder_.File("far.key")))) +
           ForwardDirect("in", "in", app_->address().ToString());
  }
  // aioquic as a client of the listener. It verifies our certificate.
  void StartClient(const Outer& outer, const std::string& versions = "1,2", int half_open = 0) {
    auto peer = Aioquic::Start({.role = Aioquic::Role::kClient,
                                .listen = entrance_,
                                .peer = wire_,
                                .security = outer.security,
                                .key = kKey,
                                .header = outer.header,
                                .trust_file = folder_.File("ca.crt"),
                                .versions = versions,
                                .half_open = half_open});
    ASSERT_TRUE(peer.ok()) << peer.status() << daemon_->Log();
    peer_ = *std::move(peer);
  }
  // aioquic as a server, and a dialer that verifies it.
  void StartServer(const Outer& outer, const SocketAddress& destination, bool retries) {
    auto peer = Aioquic::Start({.role = Aioquic::Role::kServer,
                                .listen = wire_,
                                .peer = destination,
                                .security = outer.security,
                                .key = kKey,
                                .header = outer.header,
                                .certificate_file = folder_.File("far.crt"),
                                .private_key_file = folder_.File("far.key"),
                                .retries = retries});
    ASSERT_TRUE(peer.ok()) << peer.status();
    peer_ = *std::move(peer);
    Apply(TcpListener("out", entrance_.ToString()) +
          QuicDialer("out", wire_.ToString(), Ours(outer, absl::StrFormat("{trust_file: \"%s\"}", folder_.File("ca.crt")))) +
          ForwardToDialer("out", "out", "out"));
  }

  ClientOptions Client() const { return {.to = entrance_, .chooses = true, .limit = kLimit}; }
  absl::Status Exchange(uint64_t bytes = kMebibyte, Closer closer = Closer::kClient) {
    return RunExchange(Client(), {.up_bytes = bytes, .down_bytes = bytes, .seed = 21, .closer = closer});
  }
  std::vector<QuicSessionSeen> Sessions(const std::string& object) const {
    return QuicSessionsOf(daemon_->GetJson("sessions"), object);
  }
  std::string Logs() const { return "--- culvertd:\n" + daemon_->Log() + "--- aioquic:\n" + peer_->Log(); }

  TempDir folder_;
  const Certificate ca_ = MakeCa("test CA");
  const Certificate far_ = MakeLeaf(ca_, {kName});
  const SocketAddress entrance_ = Loopback(FreePort());  // where clients connect
  const SocketAddress wire_ = Loopback(FreePort());
  std::unique_ptr<TcpServer> app_;
  std::unique_ptr<TcpServer> greeter_;
  std::unique_ptr<Daemon> daemon_;
  std::unique_ptr<Aioquic> peer_;
};

TEST_F(QuicPeer, AioquicDials) {
  StartDaemon("2");
  for (const Outer& outer : {kPlain, kAes, kChacha}) {
    SCOPED_TRACE(outer.security);
    Apply(ListenerManifest(outer));
    StartClient(outer);
    EXPECT_TRUE(peer_->WaitForOutput("alpn=h2", kLimit)) << Logs();
    EXPECT_EQ(RunEchoes(Client(), {1, 100, 1200, 65'536}, 11), absl::OkStatus()) << Logs();
    EXPECT_EQ(Exchange(), absl::OkStatus()) << Logs();
    EXPECT_EQ(Exchange(kMebibyte, Closer::kServer), absl::OkStatus()) << Logs();
    EXPECT_EQ(RunTogether(10, [&](int) { return Exchange(50'000); }), absl::OkStatus()) << Logs();
    EXPECT_TRUE(app_->WaitForActive(0, kLimit)) << app_->active() << " are still open\n" << Logs();
    peer_.reset();
    ASSERT_EQ(daemon_->Ctl({"delete", "forward/in", "listener/in", "--force"}).exit_code, 0);
  }
}

TEST_F(QuicPeer, CulvertDials) {
  for (const Outer& outer : {kPlain, kAes, kChacha}) {
    SCOPED_TRACE(outer.security);
    StartDaemon("2");
    StartServer(outer, app_->address(), /*retries=*/false);
    EXPECT_EQ(RunEchoes(Client(), {1, 100, 1200, 65'536}, 11), absl::OkStatus()) << Logs();
    EXPECT_EQ(Exchange(), absl::OkStatus()) << Logs();
    EXPECT_EQ(Exchange(kMebibyte, Closer::kServer), absl::OkStatus()) << Logs();
    EXPECT_EQ(RunTogether(10, [&](int) { return Exchange(50'000); }), absl::OkStatus()) << Logs();
    EXPECT_TRUE(app_->WaitForActive(0, kLimit)) << app_->active() << " are still open\n" << Logs();
    daemon_.reset();
    peer_.reset();
  }
}

TEST_F(QuicPeer, CulvertDialsAServerThatSpeaksFirst) {
  StartDaemon("1");
  StartServer(kPlain, greeter_->address(), /*retries=*/false);
  EXPECT_EQ(RunGreeted({.to = entrance_, .limit = kLimit}, kGreeting), absl::OkStatus()) << Logs();
}

TEST_F(QuicPeer, CulvertProvesItsAddressWhenAsked) {
  StartDaemon("1");
  StartServer(kPlain, app_->address(), /*retries=*/true);
  EXPECT_EQ(Exchange(), absl::OkStatus()) << Logs();
  EXPECT_TRUE(peer_->WaitForOutput("connected ", kLimit));
}

TEST_F(QuicPeer, ANewClientMustProveItsAddressWhileManyHandshakesAreHalfOpen) {
  StartDaemon("1");
  Apply(ListenerManifest(kPlain));
  StartClient(kPlain, "1", /*half_open=*/250);
  EXPECT_TRUE(peer_->WaitForOutput("connected version=1 alpn=h2 resumed=0 retried=1", kLimit)) << Logs();
  EXPECT_EQ(Exchange(100'000), absl::OkStatus()) << Logs();
}

TEST_F(QuicPeer, SpeaksVersion2) {
  StartDaemon("1");
  Apply(ListenerManifest(kPlain));
  StartClient(kPlain, "2");
  EXPECT_TRUE(peer_->WaitForOutput("connected version=2", kLimit)) << Logs();
  EXPECT_EQ(Exchange(), absl::OkStatus()) << Logs();
}

TEST_F(QuicPeer, AClientMayMoveWhileItTransfers) {
  StartDaemon("2");  // a move may lead to the other worker's socket
  Apply(ListenerManifest(kAes));
  StartClient(kAes);
  ASSERT_EQ(Exchange(1000), absl::OkStatus()) << Logs();
  const std::string before = Sessions("in").at(0).name;
  for (int round = 0; round < 6; ++round) {
    const absl::Status status = RunTogether(2, [&](int number) { return number == 0 ? Exchange() : peer_->Rebind(); });
    ASSERT_EQ(status, absl::OkStatus()) << "round " << round << "\n" << Logs();
  }
  const std::vector<QuicSessionSeen> after = Sessions("in");
  ASSERT_EQ(after.size(), 1u) << daemon_->GetJson("sessions");
  EXPECT_EQ(after[0].name, before) << "the same session all along";
  EXPECT_GE(after[0].migrations, 6u) << daemon_->GetJson("sessions");
}

TEST_F(QuicPeer, AClientMayRenewItsKeys) {
  StartDaemon("1");
  Apply(ListenerManifest(kPlain));
  StartClient(kPlain);
  for (int round = 0; round < 3; ++round) {
    const absl::Status status = RunTogether(2, [&](int number) { return number == 0 ? Exchange() : peer_->UpdateKeys(); });
    ASSERT_EQ(status, absl::OkStatus()) << "round " << round << "\n" << Logs();
  }
  ASSERT_EQ(Exchange(1000), absl::OkStatus()) << Logs();
  EXPECT_GE(Sessions("in").at(0).key_updates, 1u) << daemon_->GetJson("sessions");
}

TEST_F(QuicPeer, AClientComesBackWithItsTicket) {
  StartDaemon("1");
  Apply(ListenerManifest(kPlain));
  StartClient(kPlain);
  ASSERT_EQ(Exchange(1000), absl::OkStatus()) << Logs();
  ASSERT_EQ(peer_->BeginAgain(), absl::OkStatus());
  EXPECT_TRUE(peer_->WaitForOutput("resumed=1", kLimit)) << Logs();
  EXPECT_EQ(Exchange(), absl::OkStatus()) << Logs();
}

TEST_F(QuicPeer, ARestartedDaemonTellsOldClientsThatTheirSessionsAreGone) {
  TempDir state;
  StartDaemon("1", state.path());
  Apply(ListenerManifest(kPlain));
  StartClient(kPlain);
  auto stream = TcpStream::Connect(entrance_);
  ASSERT_TRUE(stream.ok());
  stream->SetLimit(kLimit);
  ASSERT_EQ(stream->Write(kEchoMode), absl::OkStatus());
  ASSERT_EQ(stream->Transfer(1000, 1, 1000, 1), absl::OkStatus()) << Logs();
  // No farewell: as after a crash.
  ASSERT_TRUE(daemon_->process().Stop(SIGKILL, kLimit));
  StartDaemon("1", state.path());
  const RunResult again = daemon_->Apply(ListenerManifest(kPlain));
  ASSERT_EQ(again.exit_code, 0) << again.err;
  (void)stream->Write("is anybody there?");
  EXPECT_TRUE(peer_->WaitForOutput("reset by peer", kLimit)) << Logs();
  EXPECT_FALSE(stream->ReadText(1).ok());
  // Who comes anew is served.
  peer_.reset();
  StartClient(kPlain);
  EXPECT_EQ(Exchange(1000), absl::OkStatus()) << Logs();
}

}  // namespace
}  // namespace culvert::testing
