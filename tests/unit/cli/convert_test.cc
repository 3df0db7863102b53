// culvertctl convert v2ray: what becomes of every setting, and what is said about those that have no place here.
#include <sys/stat.h>

#include "gmock/gmock.h"
#include "tests/unit/cli/surroundings.h"

namespace culvert::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

Answer Convert(const std::string& json, std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {"convert", "v2ray", "-"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return Surroundings().Run(arguments, json);
}
// An inbound with this streamSettings, which lets everything out at 127.0.0.1:80.
std::string Server(const std::string& stream) {
  return R"({"inbounds": [{"tag": "in", "listen": "127.0.0.1", "port": 4000, "protocol": "dokodemo-door",)"
         R"("settings": {"address": "127.0.0.1", "port": 80}, "streamSettings": )" +
         stream + R"(}], "outbounds": [{"protocol": "freedom"}]})";
}
// An outbound with this streamSettings, for what comes to 127.0.0.1:5000.
std::string Client(const std::string& stream) {
  return R"({"inbounds": [{"tag": "in", "listen": "127.0.0.1", "port": 5000, "protocol": "dokodemo-door",)"
         R"("settings": {"address": "far.example", "port": 4000}}],)"
         R"("outbounds": [{"tag": "wire", "protocol": "freedom", "streamSettings": )" +
         stream + "}]}";
}

// Everything that is printed can be applied.
void ExpectApplies(const std::string& yaml) {
  const Surroundings around;
  const Answer applied = around.Run({"apply", "--dry-run=local", "-f", around.home.Write("made.yaml", yaml)});
  EXPECT_EQ(applied.code, 0) << applied.err << yaml;
}

TEST(ConvertV2ray, AnInboundBecomesAListenerAndAForward) {
  const Answer answer = Convert(Server(R"({"network": "kcp", "kcpSettings": {"seed": "s3cret, really", "mtu": 1400, "tti": 20,
    "uplinkCapacity": 12, "downlinkCapacity": 100, "header": {"type": "wechat-video"}}})"));
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(answer.out,
            "# inbounds[0] \"in\", dokodemo-door\n"
            "apiVersion: culvert/v1\nkind: Listener\nmetadata:\n  name: in\nspec:\n"
            "  transport: KCP\n  bind: \"127.0.0.1:4000\"\n  kcp:\n    seed: \"s3cret, really\"\n    header: WECHAT_VIDEO\n"
            "    mtu_bytes: 1400\n    tick_interval: 20ms\n"
            "    uplink_bytes_per_second: 12582912\n    downlink_bytes_per_second: 104857600\n"
            "---\n"
            "# inbounds[0] and where it leads\n"
            "apiVersion: culvert/v1\nkind: Forward\nmetadata:\n  name: in\nspec:\n  listener: in\n  destination: \"127.0.0.1:80\"\n");
  EXPECT_EQ(answer.err, "warning: seeds and keys stand in the YAML as they are: keep it to yourself, or take --seed-dir DIR\n");
  ExpectApplies(answer.out);
}

TEST(ConvertV2ray, AnOutboundBecomesADialerWithItsWayIn) {
  const Answer answer = Convert(Client(R"({"network": "mkcp", "kcpSettings": {"seed": "s"}})"));
  EXPECT_EQ(answer.out,
            "# outbounds[0] \"wire\", freedom\n"
            "apiVersion: culvert/v1\nkind: Dialer\nmetadata:\n  name: wire\nspec:\n"
            "  transport: KCP\n  targets:\n    - \"far.example:4000\"\n  kcp:\n    seed: s\n    mtu_bytes: 1350\n"
            "---\n"
            "# inbounds[0] \"in\", dokodemo-door\n"
            "apiVersion: culvert/v1\nkind: Listener\nmetadata:\n  name: in\nspec:\n  transport: TCP\n  bind: \"127.0.0.1:5000\"\n"
            "---\n"
            "# inbounds[0] and where it leads\n"
            "apiVersion: culvert/v1\nkind: Forward\nmetadata:\n  name: in\nspec:\n  listener: in\n  dialer: wire\n");
  ExpectApplies(answer.out);
}

TEST(ConvertV2ray, WhatV2rayAssumesIsWrittenOut) {
  const Answer answer = Convert(Server(R"({"network": "kcp"})"));
  EXPECT_THAT(answer.out, HasSubstr("mtu_bytes: 1350\n"));
  EXPECT_THAT(answer.out, HasSubstr("insecure: true\n"));
  EXPECT_THAT(answer.err, HasSubstr("warning: standard input:1: inbounds[0].streamSettings.kcpSettings.seed: no seed and no TLS: anyone "
                                    "can read and forge datagrams: insecure: true\n"));
  ExpectApplies(answer.out);
  // An empty seed is one to v2ray.
  const Answer empty = Convert(Server(R"({"network": "kcp", "kcpSettings": {"seed": ""}})"));
  EXPECT_THAT(empty.out, HasSubstr("  insecure: true\n"));
  EXPECT_THAT(empty.out, HasSubstr("    seed: \"\"\n"));
  EXPECT_THAT(empty.err, HasSubstr("an empty seed is a key that everybody knows"));
  ExpectApplies(empty.out);
  // No address to listen on is all of them.
  EXPECT_THAT(Convert(R"({"inbounds":[{"port":"4000","protocol":"dokodemo-door","streamSettings":{"network":"quic"}}]})").out,
              HasSubstr("bind: \"0.0.0.0:4000\""));
}

TEST(ConvertV2ray, KnowsQuic) {
  const Answer answer = Convert(Client(R"({"network": "quic", "quicSettings":
    {"security": "AES-128-GCM", "key": "k: #1", "header": {"type": "srtp"}}})"));
  EXPECT_THAT(answer.out, HasSubstr("  transport: QUIC\n  targets:\n    - \"far.example:4000\"\n  insecure: true\n  quic:\n    outer:\n"
                                    "      key: \"k: #1\"\n      security: AES_128_GCM\n      header: SRTP\n"));
  EXPECT_THAT(answer.err, HasSubstr("the listener's certificate is not verified: insecure: true"));
  ExpectApplies(answer.out);
  const Answer plain = Convert(Server(R"({"network": "quic", "quicSettings": {"security": "none", "key": "unused"}})"));
  EXPECT_THAT(plain.out, Not(HasSubstr("unused")));
  EXPECT_THAT(plain.out, Not(HasSubstr("insecure")));
  EXPECT_THAT(plain.err, HasSubstr("quicSettings.key: left out: with security none nothing is encrypted with it"));
  ExpectApplies(plain.out);
  const Answer typo = Convert(Server(R"({"network": "quic", "quicSettings": {"security": "aes128gcm"}})"));
  EXPECT_THAT(typo.err, HasSubstr("\"aes128gcm\" means none to v2ray (did you mean aes-128-gcm?): converted as none"));
  const Answer chacha = Convert(Server(R"({"network": "quic", "quicSettings": {"security": "chacha20-poly1305"}})"));
  EXPECT_THAT(chacha.out, HasSubstr("security: CHACHA20_POLY1305"));
  EXPECT_THAT(chacha.err, HasSubstr("quicSettings.key: absent or empty: the outer key is one that everybody knows"));
}

TEST(ConvertV2ray, KnowsTls) {
  const Answer server = Convert(Server(R"({"network": "kcp", "security": "tls", "tlsSettings": {"alpn": ["h2"], "certificates":
    [{"certificateFile": "/pki/a.crt", "keyFile": "/pki/a.key"}, {"certificateFile": "/pki/b.crt", "keyFile": "/pki/b.key"}]}})"));
  EXPECT_THAT(server.out, HasSubstr("  tls:\n    certificate_file: /pki/a.crt\n    private_key_file: /pki/a.key\n    alpn:\n      - h2\n"));
  EXPECT_THAT(server.out, Not(HasSubstr("insecure")));
  EXPECT_THAT(server.err, HasSubstr("certificates[1]: a listener or dialer shows one certificate: only the first is carried over"));
  ExpectApplies(server.out);
  const Answer client = Convert(Client(R"({"network": "kcp", "security": "TLS", "tlsSettings": {"serverName": "far.name",
    "allowInsecure": true, "certificates": [{"usage": "verify", "certificateFile": "/pki/ca.crt"}]}})"));
  EXPECT_THAT(client.out, HasSubstr("  insecure: true\n"));
  EXPECT_THAT(client.out, HasSubstr("    trust_file: /pki/ca.crt\n    server_name: far.name\n"));
  EXPECT_THAT(client.err, HasSubstr("disableSystemRoot: not true: v2ray trusts the system's roots too, culvert only trust_file"));
  ExpectApplies(client.out);
  const Answer none = Convert(Server(R"({"network": "kcp", "security": "tls"})"));
  EXPECT_THAT(none.err, HasSubstr("no certificate in a file that a listener could show; not converted"));
  EXPECT_EQ(none.code, 1);
  EXPECT_EQ(none.out, "");
  const Answer typo = Convert(Server(R"({"network": "kcp", "security": "tsl"})"));
  EXPECT_THAT(typo.err, HasSubstr("streamSettings.security: \"tsl\" means none to v2ray (did you mean tls?): converted without TLS"));
  const Answer xtls = Convert(Client(R"({"network": "kcp", "security": "xtls", "kcpSettings": {"seed": "s"}})"));
  EXPECT_THAT(xtls.out, HasSubstr("  tls:\n    mode: XTLS\n"));
  EXPECT_THAT(xtls.err, HasSubstr("xtls is TLS up to v2ray 4.32 and nothing at all from 4.33 on"));
}

TEST(ConvertV2ray, ReadsCommentsAndLettersAsV2rayDoes) {
  const Answer answer = Convert(
      "\xef\xbb\xbf{\n"
      "\t// a client\n"
      "\t\"INBOUNDS\": [ # and its way in\n"
      "\t\t{\"port\": 5000, /* \"port\": 1, */ \"listen\": \"127.0.0.1\", \"protocol\": \"Dokodemo-Door\",\n"
      "\t\t \"settings\": {\"address\": \"a//b#c\", \"port\": \"4000\"}}],\n"
      "\t\"outbounds\": [{\"protocol\": \"freedom\", \"streamsettings\": {\"network\": \"KCP\", \"kcpSettings\": {\"seed\": \"#//\"}}}]\n"
      "}\n");
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_THAT(answer.out, HasSubstr("seed: \"#//\""));
  EXPECT_THAT(answer.out, HasSubstr("a//b#c:4000"));
}

TEST(ConvertV2ray, FollowsRulesRedirectsAndSharedSettings) {
  const std::string text = R"({
    "transport": {"kcpSettings": {"seed": "shared"}},
    "inbounds": [
      {"tag": "a", "port": 1000, "protocol": "dokodemo-door", "settings": {"address": "10.0.0.1", "port": 80},
       "streamSettings": {"network": "kcp"}},
      {"tag": "b", "port": 1001, "protocol": "dokodemo-door", "settings": {"address": "10.0.0.1", "port": 80},
       "streamSettings": {"network": "kcp"}}],
    "outbounds": [
      {"tag": "first", "protocol": "freedom"},
      {"tag": "moved", "protocol": "freedom", "settings": {"redirect": ":8080"}},
      {"tag": "onward", "protocol": "freedom", "sendThrough": "10.0.0.9", "settings": {"redirect": "next.example:9000"},
       "streamSettings": {"network": "quic", "sockopt": {"mark": 7}}}],
    "routing": {"rules": [
      {"type": "field", "domain": ["x"], "outboundTag": "first"},
      {"type": "field", "inboundTag": ["a"], "outboundTag": "moved"},
      {"type": "field", "inboundTag": "b", "outboundTag": "onward"}]}})";
  const Answer answer = Convert(text);
  EXPECT_THAT(answer.out, HasSubstr("listener: a\n  destination: \"10.0.0.1:8080\"\n"));
  EXPECT_THAT(answer.out, HasSubstr("listener: b\n  dialer: onward\n"));
  EXPECT_THAT(answer.out, HasSubstr("- \"next.example:9000\""));
  EXPECT_THAT(answer.out, HasSubstr("  socket:\n    bind_address: \"10.0.0.9\"\n    mark: 7\n"));
  EXPECT_THAT(answer.out, HasSubstr("seed: shared"));
  EXPECT_THAT(answer.err,
              HasSubstr("note: standard input:14: routing.rules[0]: depends on what comes; not carried over for inbounds[0]\n"));
  ExpectApplies(answer.out);
}

TEST(ConvertV2ray, SaysWhatHasNoPlaceHere) {
  const std::string text = R"({
    "inbounds": [
      {"tag": "My Vmess!", "port": "4000-4010", "protocol": "vmess", "sniffing": {"enabled": true}, "allocate": {"strategy": "random"},
       "streamSettings": {"network": "kcp", "kcpSettings": {"seed": "s", "congestion": true, "readBufferSize": 1, "writeBufferSize": 2,
         "uplinkCapacity": 0, "sede": 1}, "sockopt": {"tcpFastOpen": true, "tproxy": "redirect"}}},
      {"tag": "socks", "port": 1080, "protocol": "socks"}],
    "outbounds": [
      {"protocol": "vmess", "mux": {"enabled": true}, "proxySettings": {"tag": "x"},
       "settings": {"vnext": [{"address": "a.example", "port": 1}, {"address": "b.example", "port": 2}]},
       "streamSettings": {"network": "kcp", "kcpSettings": {"seed": "s"}}}]})";
  const Answer answer = Convert(text);
  for (const char* note :
       {"inbounds[0].port: 4000-4010: a listener has one port; only 4000 is carried over",
        "inbounds[0].protocol: vmess is not carried over: culvert carries raw streams", "inbounds[0].sniffing: not carried over",
        "inbounds[0].allocate: not carried over", "kcpSettings.congestion: culvert always controls congestion",
        "kcpSettings.readBufferSize: not carried over: v2ray never uses it", "kcpSettings.writeBufferSize: not carried over",
        "kcpSettings.uplinkCapacity: 0 is the least window to v2ray", "kcpSettings.sede: v2ray 4 does not know it (did you mean seed?)",
        "sockopt.tcpFastOpen: not carried over", "sockopt.tproxy: not carried over", "outbounds[0].protocol: vmess is not carried over",
        "outbounds[0].mux: not carried over", "outbounds[0].proxySettings: not carried over",
        "inbounds[1]: no forward from socks to vmess (outbounds[0]): v2ray translates one into the other, culvert carries raw streams"}) {
    EXPECT_THAT(answer.err, HasSubstr(note));
  }
  EXPECT_THAT(answer.out, HasSubstr("name: my-vmess\n"));
  EXPECT_THAT(answer.out, HasSubstr("- \"a.example:1\"\n    - \"b.example:2\"\n"));
  EXPECT_THAT(answer.out, Not(HasSubstr("kind: Forward")));
  ExpectApplies(answer.out);
  // Less is said to who asks for less; what is unsafe is said all the same.
  EXPECT_THAT(Convert(text, {"-q"}).err, StartsWith("warning: "));
  EXPECT_THAT(Convert(text, {"-q"}).err, Not(HasSubstr("note: ")));
}

TEST(ConvertV2ray, AProxyOverATunnelIsPassedThrough) {
  const Answer answer = Convert(R"({"inbounds": [{"port": 1080, "listen": "127.0.0.1", "protocol": "socks"}], "outbounds": [
    {"protocol": "socks", "settings": {"servers": [{"address": "far.example", "port": 4000}]},
     "streamSettings": {"network": "kcp", "kcpSettings": {"seed": "s"}}}]})");
  EXPECT_THAT(answer.out, HasSubstr("bind: \"127.0.0.1:1080\""));
  EXPECT_THAT(answer.out, HasSubstr("kind: Forward"));
  EXPECT_THAT(answer.err, HasSubstr("inbounds[0].protocol: socks is passed through as it comes"));
  ExpectApplies(answer.out);
}

TEST(ConvertV2ray, WrongValuesAreNamedWithTheirLine) {
  const std::pair<std::string, std::string> rows[] = {
      {R"("mtu": 500)", "kcpSettings.mtu: 500 is not in [576, 1460], which v2ray refuses too; not converted"},
      {R"("tti": 5)", "kcpSettings.tti: 5 is not in [10, 100], which v2ray refuses too; not converted"},
      {R"("uplinkCapacity": -1)", "kcpSettings.uplinkCapacity: -1 is not in [0, 4294967295]"},
      {R"("mtu": "many")", "kcpSettings.mtu: many is not in [576, 1460]"},
      {R"("header": {"type": "wechat"})", "kcpSettings.header.type: \"wechat\" is no header (did you mean wechat-video?); not converted"},
  };
  for (const auto& [setting, note] : rows) {
    const Answer answer = Convert(Server("{\"network\": \"kcp\", \"kcpSettings\": {\n" + setting + "}}"));
    EXPECT_THAT(answer.err, HasSubstr("note: standard input:2: inbounds[0].streamSettings." + note));
    EXPECT_EQ(answer.out, "");
    EXPECT_EQ(answer.code, 1) << note;
  }
}

TEST(ConvertV2ray, WrongFilesAndWordsAreRefused) {
  const std::tuple<std::vector<std::string>, std::string, int, std::string> rows[] = {
      {{"convert"}, "", 2, "convert wants one of v2ray"},
      {{"convert", "v2rai", "x"}, "", 2, "unknown command \"convert v2rai\" (did you mean v2ray?)"},
      {{"convert", "v2ray"}, "", 2, "a file is wanted, or - for standard input"},
      {{"convert", "v2ray", "/nonexistent/x"}, "", 2, "convert: /nonexistent/x: No such file or directory"},
      {{"convert", "v2ray", "/"}, "", 2, "convert: /: is no file"},
      {{"convert", "v2ray", "-", "--host", "x"}, "{}", 2, "--host: goes with --peer"},
      {{"convert", "v2ray", "-", "--pear"}, "{}", 2, "unknown flag --pear (did you mean --peer?)"},
      {{"convert", "v2ray", "-", "--seed-dir", "/dev/null/x"},
       Server(R"({"network":"kcp","kcpSettings":{"seed":"s"}})"),
       2,
       "/dev/null/x: Not a directory"},
      {{"convert", "v2ray", "-"}, "[]", 2, "standard input:1: a configuration of v2ray is wanted: one JSON object"},
      {{"convert", "v2ray", "-"}, "", 2, "standard input:1: a configuration of v2ray is wanted: one JSON object"},
      {{"convert", "v2ray", "-"}, "{\n\"a\": [1,\n", 2, "standard input:2: YAML: "},
      {{"convert", "v2ray", "-"}, "{\"a\": \"\x01\"}", 2, "standard input:1: "},
      {{"convert", "v2ray", "-"}, "{}", 1, "-: no streamSettings of network kcp or quic that could be converted"},
  };
  for (const auto& [arguments, input, code, fault] : rows) {
    const Answer answer = Surroundings().Run(arguments, input);
    EXPECT_THAT(answer.err, HasSubstr("error: " + fault)) << input;
    EXPECT_EQ(answer.code, code) << fault;
    EXPECT_EQ(answer.out, "") << fault;
  }
}

TEST(ConvertV2ray, SecretsGoToFilesWhenAsked) {
  const Surroundings around;
  const std::string folder = around.home.File("seeds");
  const std::string json = Server(R"({"network": "kcp", "kcpSettings": {"seed": "s3cret"}})");
  const Answer answer = around.Run({"convert", "v2ray", "-", "--seed-dir", folder}, json);
  EXPECT_EQ(answer.err, "");
  EXPECT_THAT(answer.out, HasSubstr("    seed_file: " + folder + "/listener-in.seed\n"));
  EXPECT_THAT(answer.out, Not(HasSubstr("s3cret")));
  EXPECT_EQ(testing::ReadFile(folder + "/listener-in.seed"), "s3cret\n");
  struct stat info {};
  ASSERT_EQ(::stat((folder + "/listener-in.seed").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  ASSERT_EQ(::stat(folder.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0700u);
  ExpectApplies(answer.out);
  // Once more is the same; another seed is not written over it.
  EXPECT_EQ(around.Run({"convert", "v2ray", "-", "--seed-dir", folder}, json).code, 0);
  const Answer other =
      around.Run({"convert", "v2ray", "-", "--seed-dir", folder}, Server(R"({"network":"kcp","kcpSettings":{"seed":"2"}})"));
  EXPECT_EQ(other.code, 6);
  EXPECT_EQ(other.out, "");
  EXPECT_THAT(other.err, HasSubstr(folder + "/listener-in.seed is there already and holds something else"));
  EXPECT_EQ(testing::ReadFile(folder + "/listener-in.seed"), "s3cret\n");
}

TEST(ConvertV2ray, PeersAreTheOtherEnds) {
  const std::string stream = R"({"network": "kcp", "kcpSettings": {"seed": "s", "uplinkCapacity": 1, "downlinkCapacity": 2}})";
  const Answer dialer = Convert(Server(stream), {"--peer"});
  EXPECT_THAT(dialer.out,
              HasSubstr("kind: Dialer\nmetadata:\n  name: in\nspec:\n  transport: KCP\n  targets:\n    - \"127.0.0.1:4000\"\n"));
  EXPECT_THAT(dialer.out, HasSubstr("uplink_bytes_per_second: 2097152\n    downlink_bytes_per_second: 1048576\n"));
  EXPECT_THAT(dialer.out, Not(HasSubstr("kind: Listener")));
  ExpectApplies(dialer.out);
  const Answer listener = Convert(Client(stream), {"--peer"});
  EXPECT_THAT(listener.out, HasSubstr("kind: Listener\nmetadata:\n  name: wire\nspec:\n  transport: KCP\n  bind: \"[::]:4000\"\n"));
  EXPECT_THAT(listener.out, Not(HasSubstr("kind: Dialer")));
  ExpectApplies(listener.out);
  const std::string everywhere = R"({"inbounds": [{"port": 4000, "protocol": "vmess", "streamSettings": {"network": "quic"}}]})";
  EXPECT_THAT(Convert(everywhere, {"--peer"}).err, HasSubstr("say with --host which one leads there; not converted"));
  EXPECT_THAT(Convert(everywhere, {"--peer", "--host", "v2ray.example"}).out, HasSubstr("- \"v2ray.example:4000\""));
}

TEST(ConvertV2ray, HostileTextsStayOnTheirLine) {
  const Answer answer =
      Convert(R"({"inbounds": [{"tag": "\u001b[31mx\n---\nkind: Listener", "port": 4000, "protocol": "\u202e\u001b]0;x", )"
              R"("streamSettings": {"network": "kcp", "kcpSettings": {"seed": "a\nb: c\u001b"}}}]})");
  EXPECT_THAT(answer.out, Not(HasSubstr("\x1b")));
  EXPECT_THAT(answer.err, Not(HasSubstr("\x1b")));
  EXPECT_EQ(answer.err.find("\xe2\x80\xae"), std::string::npos);
  EXPECT_EQ(answer.out.find("\n---\n"), std::string::npos);
  ExpectApplies(answer.out);
}

}  // namespace
}  // namespace culvert::cli
