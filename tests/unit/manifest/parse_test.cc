#include <string>

#include "gtest/gtest.h"
#include "proto/manifest/manifest.h"

namespace culvert::manifest {
namespace {

constexpr char kTunnel[] = R"(# near side
apiVersion: culvert/v1
kind: Listener
metadata: {name: local-pg, labels: {tier: edge, "a.b/c": "1"}}
spec: {transport: TCP, bind: "127.0.0.1:5432"}
---
apiVersion: culvert/v1
kind: Dialer
metadata: {name: site-b}
spec:
  transport: KCP
  targets: ["site-b.example:4000", 10.0.0.1:4000]
  kcp:
    seed_file: seed
    header: wechat-video
    mtu_bytes: 1350
    tick_interval: 20ms
    uplink_bytes_per_second: 10Mi
  socket: {mark: 0x10, receive_buffer_bytes: 4M}
---
# nothing here
---
apiVersion: culvert/v1
kind: Forward
metadata: {name: pg}
spec: {listener: local-pg, dialer: site-b}
)";

TEST(Parse, ReadsTheDesignsExample) {
  const auto parsed = Parse(kTunnel, "tunnel.yaml", "/etc/culvert");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ASSERT_EQ(parsed->size(), 3u);
  const v1::Listener& listener = (*parsed)[0].object.listener();
  EXPECT_EQ(listener.spec().transport(), v1::TRANSPORT_TCP);
  EXPECT_EQ(listener.spec().bind(), "127.0.0.1:5432");
  EXPECT_EQ(listener.metadata().labels().at("a.b/c"), "1");
  const v1::DialerSpec& dialer = (*parsed)[1].object.dialer().spec();
  ASSERT_EQ(dialer.targets_size(), 2);
  EXPECT_EQ(dialer.targets(1), "10.0.0.1:4000");
  EXPECT_EQ(dialer.kcp().seed_file(), "/etc/culvert/seed");
  EXPECT_FALSE(dialer.kcp().has_seed());
  EXPECT_EQ(dialer.kcp().header(), v1::PACKET_HEADER_WECHAT_VIDEO);
  EXPECT_EQ(dialer.kcp().tick_interval().nanos(), 20'000'000);
  EXPECT_EQ(dialer.kcp().uplink_bytes_per_second(), 10u << 20);
  EXPECT_EQ(dialer.socket().mark(), 16u);
  EXPECT_EQ(dialer.socket().receive_buffer_bytes(), 4'000'000u);
  EXPECT_EQ((*parsed)[2].object.forward().spec().dialer(), "site-b");
}

TEST(Parse, KnowsWhereThingsStand) {
  const auto parsed = Parse(kTunnel, "tunnel.yaml", "");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const SourceObject& dialer = (*parsed)[1];
  EXPECT_EQ(dialer.line, 7);
  EXPECT_EQ(dialer.Where("spec.kcp.mtu_bytes"), "tunnel.yaml:16");
  EXPECT_EQ(dialer.Where("spec.kcp.seed"), "tunnel.yaml:13");
  EXPECT_EQ(dialer.Where("spec.targets[1]"), "tunnel.yaml:12");
  EXPECT_EQ(dialer.Where("spec.targets[7].x"), "tunnel.yaml:12");
  EXPECT_EQ(dialer.Where("nowhere"), "tunnel.yaml:7");
  EXPECT_EQ(dialer.Where(""), "tunnel.yaml:7");
  EXPECT_EQ(DisplayName(dialer.object), "dialer/site-b");
}

TEST(Parse, ReadsATlsBlock) {
  const auto parsed = Parse(
      "apiVersion: culvert/v1\nkind: Dialer\nmetadata: {name: a}\nspec: {transport: KCP, targets: [\"h:1\"], tls: {}}\n---\n"
      "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: b}\nspec:\n  transport: KCP\n  bind: \"[::]:1\"\n"
      "  tls: {mode: XTLS, certificate_file: tls.crt, private_key_file: keys/tls.key, trust_file: /ca.crt, alpn: [h2]}\n",
      "f", "/etc/culvert");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  // An empty block is TLS with the system's roots, unlike none.
  EXPECT_TRUE((*parsed)[0].object.dialer().spec().has_tls());
  const v1::TlsSpec& tls = (*parsed)[1].object.listener().spec().tls();
  EXPECT_EQ(tls.mode(), v1::TLS_MODE_XTLS);
  EXPECT_EQ(tls.certificate_file(), "/etc/culvert/tls.crt");
  EXPECT_EQ(tls.private_key_file(), "/etc/culvert/keys/tls.key");
  EXPECT_EQ(tls.trust_file(), "/ca.crt");
  EXPECT_EQ(tls.alpn(0), "h2");
}

TEST(Parse, AnUnknownModeOfTlsIsAnError) {
  const auto parsed = Parse(
      "apiVersion: culvert/v1\nkind: Dialer\nmetadata: {name: a}\nspec: {transport: KCP, targets: [\"h:1\"], tls: {mode: NONE}}\n",
      "f", "");
  ASSERT_FALSE(parsed.ok());
  EXPECT_NE(std::string(parsed.status().message()).find("\"NONE\" is not one of TLS, XTLS"), std::string::npos)
      << parsed.status();
}

std::string Spec(const std::string& lines) {
  return "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: a}\nspec:\n" + lines;
}

TEST(Parse, TakesFullEnumNamesAndCamelCase) {
  const auto parsed =
      Parse(Spec("  transport: TRANSPORT_KCP\n  streamHeader: NONE\n  kcp: {mtuBytes: 1000}\n"), "f", "");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ((*parsed)[0].object.listener().spec().transport(), v1::TRANSPORT_KCP);
  EXPECT_EQ((*parsed)[0].object.listener().spec().kcp().mtu_bytes(), 1000u);
}

TEST(Parse, TakesProtocolsAndBlocksOfUdp) {
  const auto listener = Parse(Spec("  protocol: HTTP_CONNECT\n  users_file: users\n  streamHeader: CULVERT\n"
                                   "  udp: {hubCapacity: 7, original_destination: true, max_clients: 9}\n"),
                              "f", "/etc/culvert");
  ASSERT_TRUE(listener.ok()) << listener.status();
  const v1::ListenerSpec& in = (*listener)[0].object.listener().spec();
  EXPECT_EQ(in.protocol(), v1::LISTENER_PROTOCOL_HTTP_CONNECT);
  EXPECT_EQ(in.stream_header(), v1::STREAM_HEADER_CULVERT);
  EXPECT_EQ(in.users_file(), "/etc/culvert/users");
  EXPECT_EQ(in.udp().hub_capacity(), 7u);
  EXPECT_TRUE(in.udp().original_destination());
  EXPECT_EQ(in.udp().max_clients(), 9u);
  const auto forward = Parse(
      "apiVersion: culvert/v1\nkind: Forward\nmetadata: {name: a}\nspec:\n  allowedDestinations: [\"*.example.org:443\", \"*:*\"]\n"
      "  udp_idle_timeout: 2m\n  udp: {compatibility: V2RAY, filtering: ENDPOINT_INDEPENDENT}\n",
      "f", "");
  ASSERT_TRUE(forward.ok()) << forward.status();
  const v1::ForwardSpec& out = (*forward)[0].object.forward().spec();
  EXPECT_EQ(out.allowed_destinations(1), "*:*");
  EXPECT_EQ(out.udp_idle_timeout().seconds(), 120);
  EXPECT_EQ(out.udp().compatibility(), v1::UDP_COMPATIBILITY_V2RAY);
  EXPECT_EQ(out.udp().filtering(), v1::UDP_FILTERING_ENDPOINT_INDEPENDENT);
}

TEST(Parse, PlainScalarsStayTexts) {
  const auto parsed = Parse(
      "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: no, labels: {a: yes, b: 1.0, c: 0x10, d: true}}\n"
      "spec: {bind: 010}\n",
      "f", "");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const v1::Listener& listener = (*parsed)[0].object.listener();
  EXPECT_EQ(listener.metadata().name(), "no");
  EXPECT_EQ(listener.metadata().labels().at("a"), "yes");
  EXPECT_EQ(listener.metadata().labels().at("b"), "1.0");
  EXPECT_EQ(listener.spec().bind(), "010");
}

TEST(Parse, AnEmptySeedIsASeed) {
  const auto empty = Parse(Spec("  kcp: {seed: \"\"}\n"), "f", "");
  ASSERT_TRUE(empty.ok()) << empty.status();
  EXPECT_TRUE((*empty)[0].object.listener().spec().kcp().has_seed());
  const auto absent = Parse(Spec("  kcp: {}\n"), "f", "");
  ASSERT_TRUE(absent.ok()) << absent.status();
  EXPECT_TRUE((*absent)[0].object.listener().spec().has_kcp());
  EXPECT_FALSE((*absent)[0].object.listener().spec().kcp().has_seed());
}

TEST(Parse, DropsWhatTheDaemonSets) {
  const auto parsed = Parse(
      "apiVersion: culvert/v1\nkind: Forward\n"
      "metadata: {name: a, uid: u, create_time: x, updateTime: y, generation: \"3\", etag: e, manager: file}\n"
      "spec: {listener: l}\nstatus: {state: ACTIVE, anything: [at, all]}\n",
      "f", "");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const v1::Forward& forward = (*parsed)[0].object.forward();
  EXPECT_FALSE(forward.has_status());
  EXPECT_EQ(forward.metadata().ByteSizeLong(), 3u) << forward.metadata().ShortDebugString();
}

TEST(Parse, AnchorsMayBeUsed) {
  const auto parsed = Parse(
      "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: a}\nspec:\n  transport: KCP\n  kcp: &kcp {header: "
      "SRTP}\n"
      "---\n"
      "apiVersion: culvert/v1\nkind: Listener\nmetadata: &m {name: b, labels: &l {x: y}, annotations: *l }\nspec: {}\n",
      "f", "");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ((*parsed)[1].object.listener().metadata().annotations().at("x"), "y");
}

TEST(Parse, ReadsJsonAsGetPrintsIt) {
  const auto parsed = Parse(R"({
	"apiVersion": "culvert/v1", "kind": "List", "items": [
	  {"apiVersion": "culvert/v1", "kind": "Dialer", "metadata": {"name": "d", "generation": "7"},
	   "spec": {"transport": "TRANSPORT_KCP", "targets": ["a\/b:1"], "dialTimeout": "1.500s",
	            "kcp": {"uplinkBytesPerSecond": "1000"}}, "status": {"state": "STATE_ACTIVE"}}]})",
                            "f.json", "");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const v1::DialerSpec& spec = (*parsed)[0].object.dialer().spec();
  EXPECT_EQ(spec.targets(0), "a/b:1");
  EXPECT_EQ(spec.kcp().uplink_bytes_per_second(), 1000u);
  EXPECT_EQ(spec.dial_timeout().nanos(), 500'000'000);
}

TEST(Parse, NothingIsNoObjects) {
  for (const char* text : {"", "\n", "# only this\n", "---\n---\n", "...\n"}) {
    const auto parsed = Parse(text, "f", "");
    ASSERT_TRUE(parsed.ok()) << text << parsed.status();
    EXPECT_TRUE(parsed->empty());
  }
}

TEST(Parse, AcceptsByteOrderMarkAndCarriageReturns) {
  const auto parsed = Parse(
      "\xef\xbb\xbf"
      "apiVersion: culvert/v1\r\nkind: Forward\r\nmetadata:\r\n  name: a\r\nspec: {listener: l}\r\n",
      "f", "");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ((*parsed)[0].object.forward().spec().listener(), "l");
}

// YAML has escapes for U+0085 and U+00A0, which the library makes single bytes of.
TEST(Parse, EscapesOfTheUpperControlsAreLetters) {
  const auto parsed = Parse("apiVersion: culvert/v1\nkind: Forward\nmetadata: {name: a, labels: {x: \"b\\Nc\\_d\"}}\nspec: {listener: l}\n", "f", "");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ((*parsed)[0].object.forward().metadata().labels().at("x"), "b\xc2\x85" "c\xc2\xa0" "d");
}

TEST(Parse, SameNameOfAnotherKindIsAnotherObject) {
  EXPECT_TRUE(
      Parse(Spec("  {}\n") + "---\napiVersion: culvert/v1\nkind: Forward\nmetadata: {name: a}\nspec: {}\n", "f", "")
          .ok());
}

}  // namespace
}  // namespace culvert::manifest
