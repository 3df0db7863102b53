// The harness itself, with v2ray or aioquic at both ends: what fails here says nothing about culvert.
#include <gtest/gtest.h>

#include "tests/interop/require_aioquic.h"
#include "tests/interop/require_v2ray.h"
#include "tests/testing/certificate_maker.h"
#include "tests/testing/free_port.h"
#include "tests/testing/tcp_app.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/v2ray.h"

namespace culvert::testing {
namespace {

SocketAddress Loopback(uint16_t port) { return {IpAddress::LoopbackV4(), port}; }

TEST(Harness, V2rayTalksToItself) {
  CULVERT_SKIP_WITHOUT_V2RAY();
  auto app = TcpServer::Start(Loopback(0), ChoiceHandler());
  ASSERT_TRUE(app.ok()) << app.status();
  auto greeter = TcpServer::Start(Loopback(0), GreetingHandler("220 hello\r\n"));
  ASSERT_TRUE(greeter.ok()) << greeter.status();

  const V2rayKcp kcp{.header = "srtp", .seed = "between ourselves"};
  V2rayOptions options;
  for (const uint16_t destination : {(*app)->port(), (*greeter)->port()}) {
    const SocketAddress wire = Loopback(FreePort());
    options.servers.push_back({wire, Loopback(destination), kcp});
    options.clients.push_back({Loopback(FreePort()), wire, kcp});
  }
  auto v2ray = V2ray::Start(options);
  ASSERT_TRUE(v2ray.ok()) << v2ray.status();

  const ClientOptions client{.to = options.clients[0].listen, .chooses = true};
  EXPECT_EQ(RunEchoes(client, {1, 100, 1350, 65'536}, 1), absl::OkStatus()) << (*v2ray)->Log();
  EXPECT_EQ(RunExchange(client, {.up_bytes = 300'000, .down_bytes = 300'000}), absl::OkStatus()) << (*v2ray)->Log();
  EXPECT_EQ(RunExchange(client, {.up_bytes = 1, .down_bytes = 1, .closer = Closer::kServer}), absl::OkStatus());
  EXPECT_EQ(RunGreeted({.to = options.clients[1].listen}, "220 hello\r\n"), absl::OkStatus());
}

TEST(Harness, V2rayTalksToItselfOverQuic) {
  CULVERT_SKIP_WITHOUT_V2RAY();
  auto app = TcpServer::Start(Loopback(0), ChoiceHandler());
  ASSERT_TRUE(app.ok()) << app.status();
  const Certificate ca = MakeCa("test CA");
  const Certificate leaf = MakeLeaf(ca, {"far.example"});
  TempDir folder;
  const V2rayTls server_tls{.certificate_file = folder.Write("far.crt", leaf.chain_pem),
                            .key_file = folder.Write("far.key", leaf.private_key_pem, 0600)};
  const V2rayTls client_tls{.trust_file = folder.Write("ca.crt", ca.certificate_pem), .server_name = "far.example"};
  V2rayOptions options;
  const auto add = [&](const V2rayQuic& quic, bool has_tls) {
    const SocketAddress wire = Loopback(FreePort());
    V2rayServer server{.listen = wire, .destination = (*app)->address(), .quic = quic};
    V2rayClient client{.listen = Loopback(FreePort()), .peer = wire, .quic = quic};
    if (has_tls) {
      server.tls = server_tls;
      client.tls = client_tls;
    }
    options.servers.push_back(server);
    options.clients.push_back(client);
  };
  add({}, false);
  add({.security = "aes-128-gcm", .key = "between ourselves", .header = "wechat-video"}, false);
  add({.security = "chacha20-poly1305", .key = "between ourselves", .header = "utp"}, true);
  auto v2ray = V2ray::Start(options);
  ASSERT_TRUE(v2ray.ok()) << v2ray.status();
  for (const V2rayClient& client : options.clients) {
    EXPECT_EQ(RunExchange({.to = client.listen, .chooses = true}, {.up_bytes = 300'000, .down_bytes = 300'000}), absl::OkStatus())
        << (*v2ray)->Log();
  }
}

// aioquic at both ends: what the tests with it rely on.
TEST(Harness, AioquicTalksToItself) {
  CULVERT_SKIP_WITHOUT_AIOQUIC();
  auto app = TcpServer::Start(Loopback(0), ChoiceHandler());
  ASSERT_TRUE(app.ok()) << app.status();
  const Certificate ca = MakeCa("test CA");
  const Certificate leaf = MakeLeaf(ca, {"quic.internal.v2ray.com"});
  TempDir folder;
  Aioquic::Options options{.role = Aioquic::Role::kServer,
                           .listen = Loopback(FreePort()),
                           .peer = (*app)->address(),
                           .security = "aes-128-gcm",
                           .key = "between ourselves",
                           .header = "dtls",
                           .certificate_file = folder.Write("far.crt", leaf.chain_pem),
                           .private_key_file = folder.Write("far.key", leaf.private_key_pem, 0600),
                           .retries = true};
  auto server = Aioquic::Start(options);
  ASSERT_TRUE(server.ok()) << server.status();
  options.role = Aioquic::Role::kClient;
  options.peer = options.listen;
  options.listen = Loopback(FreePort());
  options.certificate_file = options.private_key_file = "";
  options.trust_file = folder.Write("ca.crt", ca.certificate_pem);
  options.versions = "2,1";
  options.retries = false;
  auto client = Aioquic::Start(options);
  ASSERT_TRUE(client.ok()) << client.status() << (*server)->Log();
  EXPECT_TRUE((*client)->WaitForOutput("connected version=2 alpn=h2 resumed=0 retried=1", std::chrono::seconds(10)));
  const ClientOptions app_client{.to = options.listen, .chooses = true};
  EXPECT_EQ(RunExchange(app_client, {.up_bytes = 300'000, .down_bytes = 300'000}), absl::OkStatus()) << (*client)->Log();
  EXPECT_EQ((*client)->Rebind(), absl::OkStatus());
  EXPECT_EQ((*client)->UpdateKeys(), absl::OkStatus());
  EXPECT_EQ(RunExchange(app_client, {.up_bytes = 300'000, .down_bytes = 300'000}), absl::OkStatus()) << (*client)->Log();
  EXPECT_EQ((*client)->BeginAgain(), absl::OkStatus());
  EXPECT_EQ(RunExchange(app_client, {.up_bytes = 1, .down_bytes = 1}), absl::OkStatus()) << (*client)->Log();
}

}  // namespace
}  // namespace culvert::testing
