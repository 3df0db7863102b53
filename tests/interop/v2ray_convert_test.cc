// Configurations of v2ray as culvertctl converts them, against the v2ray that they are for: our end in place of its client, in place
// of its server, and beside each as the end it talks to.
#include <gtest/gtest.h>

#include "absl/strings/str_format.h"
#include "tests/interop/require_v2ray.h"
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
};
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
  }

  V2rayOptions Client() const {
    return {.clients = {{.listen = entrance_, .peer = wire_, .kcp = GetParam().kcp, .quic = GetParam().quic}}, .servers = {}};
  }
  V2rayOptions Server() const {
    return {.clients = {},
            .servers = {{.listen = wire_, .destination = application_->address(), .kcp = GetParam().kcp, .quic = GetParam().quic}}};
  }

  // What culvertctl makes of a configuration, once it has been found good without a daemon. `more` is put behind it.
  void Apply(const V2rayOptions& options, std::vector<std::string> flags, const std::string& more = "") {
    const std::string file = daemon_->directory().Write("config.json", V2rayConfig(options), 0600);
    std::vector<std::string> command = {CulvertctlBinary(), "convert", "v2ray", file};
    command.insert(command.end(), flags.begin(), flags.end());
    const RunResult converted = RunProgram(command, kConvertLimit);
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
  ExpectDataFlows();
}

TEST_P(Converted, ListensForTheClientItWasMadeFrom) {
  ASSERT_NO_FATAL_FAILURE(Apply(Client(), {"--peer"}, ForwardDirect("way", "wire-0", application_->address().ToString())));
  StartV2ray(Client());
  ExpectDataFlows();
}

INSTANTIATE_TEST_SUITE_P(V2ray, Converted, ::testing::ValuesIn(kVariants), [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace culvert::testing
