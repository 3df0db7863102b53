// The harness itself, with v2ray at both ends: what fails here says nothing about culvert.
#include <gtest/gtest.h>

#include "tests/interop/require_v2ray.h"
#include "tests/testing/free_port.h"
#include "tests/testing/tcp_app.h"
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

}  // namespace
}  // namespace culvert::testing
