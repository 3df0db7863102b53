// Configurations of v2ray as culvertctl converts them, against the v2ray that they are for: our end in place of its client, in place
// of its server, and beside each as the end it talks to.
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "tests/interop/require_v2ray.h"
#include "tests/testing/certificate_maker.h"
#include "tests/testing/daemon.h"
#include "tests/testing/free_port.h"
#include "tests/testing/tcp_app.h"

namespace culvert::testing {
namespace {

constexpr uint64_t kBytes = 300'000;
constexpr Duration kLimit = std::chrono::seconds(60);
constexpr Duration kConvertLimit = std::chrono::seconds(20);

struct Variant {
  const char* name;
  V2rayKcp kcp;
  std::optional<V2rayQuic> quic;
  bool has_tls = false;  // the server shows a certificate, the client verifies it
};
constexpr const char* kServerName = "far.example";
const Variant kVariants[] = {
    {"KcpSeedAndHeader",
     {.header = "wechat-video",
      .seed = "a seed: with \"signs\" # in it",
      .mtu = 1400,
      .tti = 20,
      .uplink_capacity = 50,
      .downlink_capacity = 100,
      .write_buffer_size = 4,
      .congestion = true},
     {}},
    {"KcpSeed", {.seed = "only a seed"}, {}},
    {"KcpWithoutSeed", {.header = "srtp"}, {}},
    {"KcpWithoutAnything", {}, {}},
    {"QuicPlain", {}, V2rayQuic{}},
    {"QuicHeader", {}, V2rayQuic{.header = "dtls"}},
    {"QuicAesAndHeader", {}, V2rayQuic{.security = "aes-128-gcm", .key = "an outer key", .header = "utp"}},
    {"QuicChaCha", {}, V2rayQuic{.security = "chacha20-poly1305", .key = "another outer key"}},
    {"KcpTls", {}, {}, true},
    {"KcpTlsSeedAndHeader", {.header = "utp", .seed = "a seed below TLS"}, {}, true},
    {"QuicTls", {}, V2rayQuic{}, true},
    {"QuicTlsAesAndHeader", {}, V2rayQuic{.security = "aes-128-gcm", .key = "an outer key", .header = "srtp"}, true},
};

class Converted : public ::testing::TestWithParam<Variant> {
 protected:
  void SetUp() override {
    CULVERT_SKIP_WITHOUT_V2RAY();
    auto application = TcpServer::Start({IpAddress::LoopbackV4(), 0}, ChoiceHandler());
    ASSERT_TRUE(application.ok()) << application.status();
    application_ = *std::move(application);
    auto daemon = Daemon::Start();
    ASSERT_TRUE(daemon.ok()) << daemon.status();
    daemon_ = *std::move(daemon);
    const Certificate authority = MakeCa("test CA");
    const Certificate far = MakeLeaf(authority, {kServerName});
    folder_.Write("ca.crt", authority.certificate_pem);
    folder_.Write("far.crt", far.chain_pem);
    folder_.Write("far.key", far.private_key_pem, 0600);
  }
  static bool has_tls() { return GetParam().has_tls; }

  V2rayOptions Client() const {
    std::optional<V2rayTls> tls;
    if (has_tls()) tls = V2rayTls{.trust_file = folder_.File("ca.crt"), .server_name = kServerName};
    return {.clients = {{.listen = entrance_, .peer = wire_, .kcp = GetParam().kcp, .tls = tls, .quic = GetParam().quic}}, .servers = {}};
  }
  V2rayOptions Server() const {
    std::optional<V2rayTls> tls;
    if (has_tls()) tls = V2rayTls{.certificate_file = folder_.File("far.crt"), .key_file = folder_.File("far.key")};
    return {.clients = {},
            .servers = {{.listen = wire_, .destination = application_->address(), .kcp = GetParam().kcp, .tls = tls, .quic = GetParam().quic}}};
  }

  RunResult Convert(const V2rayOptions& options, const std::vector<std::string>& flags) {
    const std::string file = daemon_->directory().Write("config.json", V2rayConfig(options), 0600);
    std::vector<std::string> command = {CulvertctlBinary(), "convert", "v2ray", file};
    command.insert(command.end(), flags.begin(), flags.end());
    return RunProgram(command, kConvertLimit);
  }
  // What culvertctl makes of a configuration, once it has been found good without a daemon. `more` is put behind it.
  void Apply(const V2rayOptions& options, const std::vector<std::string>& flags, const std::string& more = "") {
    const RunResult converted = Convert(options, flags);
    ASSERT_EQ(converted.exit_code, 0) << converted.err;
    const RunResult offline = daemon_->Ctl({"apply", "--dry-run=local", "-f", "-"}, converted.out);
    ASSERT_EQ(offline.exit_code, 0) << offline.err << converted.out;
    const RunResult applied = daemon_->Apply(converted.out + more);
    ASSERT_EQ(applied.exit_code, 0) << applied.err << converted.out << more;
  }
  void StartV2ray(const V2rayOptions& options) {
    auto v2ray = V2ray::Start(options);
    ASSERT_TRUE(v2ray.ok()) << v2ray.status();
    v2ray_ = *std::move(v2ray);
  }
  void ExpectDataFlows() {
    const absl::Status status =
        RunExchange({.to = entrance_, .chooses = true, .limit = kLimit}, {.up_bytes = kBytes, .down_bytes = kBytes});
    EXPECT_EQ(status, absl::OkStatus()) << daemon_->Log() << v2ray_->Log();
  }

  // Data went through TLS that verified the server, not past it.
  void ExpectVerified() {
    if (!has_tls()) return;
    const std::string sessions = daemon_->GetJson("sessions");
    EXPECT_TRUE(absl::StrContains(sessions, kServerName)) << sessions;
  }

  TempDir folder_;
  const SocketAddress entrance_{IpAddress::LoopbackV4(), FreePort()};
  const SocketAddress wire_{IpAddress::LoopbackV4(), FreePort()};
  std::unique_ptr<TcpServer> application_;
  std::unique_ptr<Daemon> daemon_;
  std::unique_ptr<V2ray> v2ray_;
};

TEST_P(Converted, StandsInForTheClient) {
  StartV2ray(Server());
  ASSERT_NO_FATAL_FAILURE(Apply(Client(), {}));
  ExpectDataFlows();
  ExpectVerified();
}

TEST_P(Converted, StandsInForTheServer) {
  ASSERT_NO_FATAL_FAILURE(Apply(Server(), {"--seed-dir", daemon_->directory().File("seeds")}));
  StartV2ray(Client());
  ExpectDataFlows();
}

TEST_P(Converted, DialsTheServerItWasMadeFrom) {
  StartV2ray(Server());
  ASSERT_NO_FATAL_FAILURE(
      Apply(Server(), {"--peer"}, TcpListener("entrance", entrance_.ToString()) + ForwardToDialer("way", "entrance", "server-0")));
  if (has_tls()) {
    // Whom to trust a server's configuration does not know: what the note says is to be named.
    const RunResult trusted =
        daemon_->Ctl({"set", "dl/server-0", "tls.trust_file=" + folder_.File("ca.crt"), std::string("tls.server_name=") + kServerName});
    ASSERT_EQ(trusted.exit_code, 0) << trusted.err;
  }
  ExpectDataFlows();
  ExpectVerified();
}

TEST_P(Converted, ListensForTheClientItWasMadeFrom) {
  if (has_tls()) {
    // A listener needs a certificate, which the client's configuration cannot have.
    const RunResult converted = Convert(Client(), {"--peer"});
    EXPECT_EQ(converted.exit_code, 1) << converted.out;
    EXPECT_TRUE(absl::StrContains(converted.err, "a listener with TLS needs a certificate")) << converted.err;
    return;
  }
  ASSERT_NO_FATAL_FAILURE(Apply(Client(), {"--peer"}, ForwardDirect("way", "wire-0", application_->address().ToString())));
  StartV2ray(Client());
  ExpectDataFlows();
}

INSTANTIATE_TEST_SUITE_P(V2ray, Converted, ::testing::ValuesIn(kVariants), [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace culvert::testing
