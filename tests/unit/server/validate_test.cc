// One bad spec a row: whatever rule it breaks, the violation names the field and shows no secret.
#include "server/validate.h"

#include <gmock/gmock.h>

#include "server/message_walk.h"
#include "server/validate_object.h"
#include "tests/unit/server/objects.h"

namespace culvert::server {
namespace {

using testing::Contains;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Violations Judge(const v1::Object& object, std::vector<v1::Warning>* warnings = nullptr) {
  Violations violations;
  std::vector<v1::Warning> own;
  ValidateObject(object, "", violations, warnings != nullptr ? *warnings : own);
  return violations;
}

struct Bad {
  const char* path;         // of the violation
  const char* description;  // a part of it
  std::string object;
};

void PrintTo(const Bad& bad, std::ostream* out) { *out << bad.object; }

std::string Listener(const std::string& spec) { return "listener { metadata { name: 'a' } spec { " + spec + " } }"; }
std::string Dialer(const std::string& spec) { return "dialer { metadata { name: 'a' } spec { " + spec + " } }"; }
std::string Forward(const std::string& spec) { return "forward { metadata { name: 'a' } spec { " + spec + " } }"; }
std::string Named(const std::string& name) {
  return "forward { metadata { name: '" + name + "' } spec { listener: 'l' dialer: 'd' } }";
}
std::string KcpSpec(const std::string& kcp) {
  return Listener("transport: TRANSPORT_KCP bind: '0.0.0.0:4000' kcp { " + kcp + " }");
}
std::string Keyed(const std::string& kcp) { return KcpSpec("seed: 'correct horse battery' " + kcp); }
std::string TcpSpec(const std::string& rest) { return Listener("transport: TRANSPORT_TCP bind: '0.0.0.0:80' " + rest); }
std::string TcpDialer(const std::string& rest) { return Dialer("transport: TRANSPORT_TCP " + rest); }
std::string UdpSpec(const std::string& rest) { return Listener("transport: TRANSPORT_UDP bind: '0.0.0.0:53' " + rest); }
std::string UdpDialer(const std::string& rest) { return Dialer("transport: TRANSPORT_UDP targets: 'a:1' " + rest); }
std::string Direct(const std::string& rest) { return Forward("listener: 'l' destination: 'db:1' " + rest); }

std::vector<Bad> BadObjects() {
  return {
      {"kind", "must be a listener", ""},
      // Metadata.
      {"metadata.name", "must be set", "listener { spec { transport: TRANSPORT_TCP bind: '1.2.3.4:80' } }"},
      {"metadata.name", "must be set", "listener { metadata {} spec { transport: TRANSPORT_TCP bind: '1.2.3.4:80' } }"},
      // Hosts that nobody could dial, and what could forge a line where they are printed.
      {"spec.targets[0]", "is not HOST:PORT", Dialer("transport: TRANSPORT_TCP targets: 'a b:1'")},
      {"spec.targets[0]", "is not HOST:PORT", Dialer("transport: TRANSPORT_TCP targets: 'db\\n:1'")},
      {"spec.targets[0]", "is not HOST:PORT", Dialer("transport: TRANSPORT_TCP targets: 'db\\000:1'")},
      {"spec.targets[0]", "is not HOST:PORT", Dialer("transport: TRANSPORT_TCP targets: '[db]:1'")},
      {"spec.destination", "is not HOST:PORT", Forward("listener: 'l' destination: 'http://db:1'")},
      {"spec.bind", "is not ADDRESS:PORT", Listener("transport: TRANSPORT_TCP bind: '[1.2.3.4]:80'")},
      // Numbers without an opposite, which once ended the daemon.
      {"spec.udp_idle_timeout", "not a valid duration", Direct("udp_idle_timeout { seconds: -9223372036854775808 }")},
      {"spec.backoff_max", "not a valid duration",
       Dialer("transport: TRANSPORT_QUIC targets: 'a:1' insecure: true backoff_max { seconds: 1 nanos: -2147483648 }")},
      {"metadata.name", "does not match", Named("A")},
      {"metadata.name", "does not match", Named("1a")},
      {"metadata.name", "does not match", Named("-a")},
      {"metadata.name", "does not match", Named("a-")},
      {"metadata.name", "does not match", Named("a_b")},
      {"metadata.name", "does not match", Named("a.b")},
      {"metadata.name", "does not match", Named("a/b")},
      {"metadata.name", "does not match", Named("a b")},
      {"metadata.name", "does not match", Named("a\\n")},
      {"metadata.name", "does not match", Named(std::string(64, 'a'))},
      {"metadata.labels", "a key has 1 to 253 bytes",
       "forward { metadata { name: 'a' labels { key: '' value: 'x' } } spec { listener: 'l' dialer: 'd' } }"},
      {"metadata.annotations", "longer than 4096",
       "forward { metadata { name: 'a' annotations { key: 'k' value: '" + std::string(5000, 'x') +
           "' } } spec { listener: 'l' dialer: 'd' } }"},
      // Listeners.
      {"spec", "must be set", "listener { metadata { name: 'a' } }"},
      {"spec.transport", "must be set", Listener("bind: '0.0.0.0:80'")},
      {"spec.transport", "5 is not a value of Transport", Listener("transport: 5 bind: '0.0.0.0:80'")},
      {"spec.transport", "99 is not a value", Listener("transport: 99 bind: '0.0.0.0:80'")},
      {"spec.bind", "must be set", Listener("transport: TRANSPORT_TCP")},
      {"spec.bind", "is not ADDRESS:PORT", Listener("transport: TRANSPORT_TCP bind: 'localhost:80'")},
      {"spec.bind", "is not ADDRESS:PORT", Listener("transport: TRANSPORT_TCP bind: '0.0.0.0'")},
      {"spec.bind", "is not ADDRESS:PORT", Listener("transport: TRANSPORT_TCP bind: ':80'")},
      {"spec.bind", "is not ADDRESS:PORT", Listener("transport: TRANSPORT_TCP bind: '1.2.3.4:65536'")},
      {"spec.bind", "is not ADDRESS:PORT", Listener("transport: TRANSPORT_TCP bind: '::1:80'")},
      {"spec.bind", "is not ADDRESS:PORT", Listener("transport: TRANSPORT_TCP bind: '1.2.3.4:-1'")},
      {"spec.stream_header", "7 is not a value", TcpSpec("stream_header: 7")},
      {"spec.stream_header", "CULVERT belongs to transport KCP or QUIC, but the transport is TCP",
       TcpSpec("stream_header: STREAM_HEADER_CULVERT")},
      {"spec.kcp", "belongs to transport KCP", TcpSpec("kcp {}")},
      {"spec.max_sessions", "1000001 is not in [0, 1000000]", TcpSpec("max_sessions: 1000001")},
      {"spec.socket.bind_address", "is not an IP address", TcpSpec("socket { bind_address: 'eth0' }")},
      {"spec.socket.bind_address", "belongs to dialers", TcpSpec("socket { bind_address: '10.0.0.1' }")},
      {"spec.socket.interface", "does not match", TcpSpec("socket { interface: 'a name with spaces' }")},
      {"spec.socket.interface", "does not match", TcpSpec("socket { interface: '../etc' }")},
      {"spec.socket.dscp", "64 is not in [0, 63]", TcpSpec("socket { dscp: 64 }")},
      // Transport UDP.
      {"spec.kcp", "belongs to transport KCP, but the transport is UDP", UdpSpec("kcp { seed: 'x' }")},
      {"spec.quic", "belongs to transport QUIC, but the transport is UDP", UdpSpec("quic {}")},
      {"spec.tls", "belongs to transport KCP or QUIC, but the transport is UDP", UdpSpec("tls {}")},
      {"spec.stream_header", "but the transport is UDP", UdpSpec("stream_header: STREAM_HEADER_CULVERT")},
      {"spec.protocol", "SOCKS5 belongs to transport TCP, but the transport is UDP", UdpSpec("protocol: LISTENER_PROTOCOL_SOCKS5")},
      {"spec.udp.hub_capacity", "65537 is not in [1, 65536]", UdpSpec("udp { hub_capacity: 65537 }")},
      {"spec.udp.max_clients", "1000001 is not in [1, 1000000]", UdpSpec("udp { max_clients: 1000001 }")},
      {"spec.udp", "belongs to transport UDP or protocol SOCKS5", TcpSpec("udp {}")},
      {"spec.udp", "belongs to transport UDP or protocol SOCKS5", TcpSpec("protocol: LISTENER_PROTOCOL_HTTP_CONNECT udp {}")},
      {"spec.udp.original_destination", "belongs to transport UDP",
       TcpSpec("protocol: LISTENER_PROTOCOL_SOCKS5 udp { original_destination: true }")},
      // Protocols.
      {"spec.protocol", "7 is not a value of ListenerProtocol", TcpSpec("protocol: 7")},
      {"spec.protocol", "HTTP_CONNECT belongs to transport TCP, but the transport is KCP",
       Listener("transport: TRANSPORT_KCP bind: '0.0.0.0:1' protocol: LISTENER_PROTOCOL_HTTP_CONNECT kcp { seed: 'a seed of length' }")},
      {"spec.users_file", "belongs to protocol SOCKS5 or HTTP_CONNECT", TcpSpec("users_file: '/u'")},
      {"spec.users_file", "belongs to protocol SOCKS5 or HTTP_CONNECT", TcpSpec("protocol: LISTENER_PROTOCOL_RAW users_file: '/u'")},
      {"spec.users_file", "is not an absolute path", TcpSpec("protocol: LISTENER_PROTOCOL_SOCKS5 users_file: 'u'")},
      // KCP.
      {"spec.insecure", "without a seed", KcpSpec("")},
      {"spec.insecure", "without a seed", Listener("transport: TRANSPORT_KCP bind: '0.0.0.0:4000'")},
      {"spec.insecure", "an empty seed", KcpSpec("seed: ''")},
      {"spec.insecure", "XRAY has no authenticator", KcpSpec("profile: KCP_PROFILE_XRAY")},
      {"spec.kcp.seed", "XRAY takes no seed", Keyed("profile: KCP_PROFILE_XRAY")},
      {"spec.kcp.seed_file", "XRAY takes no seed", KcpSpec("profile: KCP_PROFILE_XRAY seed_file: '/s'")},
      {"spec.kcp.seed_file", "excludes seed", Keyed("seed_file: '/run/seed'")},
      {"spec.kcp.seed_file", "is not an absolute path", KcpSpec("seed_file: 'seed'")},
      {"spec.kcp.seed_file", "zero byte", KcpSpec("seed_file: '/a\\000b'")},
      {"spec.kcp.seed", "longer than 4096", KcpSpec("seed: '" + std::string(4097, 'x') + "'")},
      {"spec.kcp.profile", "9 is not a value", Keyed("profile: 9")},
      {"spec.kcp.header", "7 is not a value", Keyed("header: 7")},
      {"spec.kcp.mtu_bytes", "100 is not in [576, 1460]", Keyed("mtu_bytes: 100")},
      {"spec.kcp.mtu_bytes", "575 is not in", Keyed("mtu_bytes: 575")},
      {"spec.kcp.mtu_bytes", "1461 is not in", Keyed("mtu_bytes: 1461")},
      {"spec.kcp.mtu_bytes", "4294967295 is not in", Keyed("mtu_bytes: 4294967295")},
      {"spec.kcp.tick_interval", "9ms is not in [10ms, 100ms]", Keyed("tick_interval { nanos: 9000000 }")},
      {"spec.kcp.tick_interval", "101ms is not in", Keyed("tick_interval { nanos: 101000000 }")},
      {"spec.kcp.tick_interval", "1s is not in", Keyed("tick_interval { seconds: 1 }")},
      {"spec.kcp.tick_interval", "0s is not in", Keyed("tick_interval { }")},
      {"spec.kcp.tick_interval", "-50ms is not in", Keyed("tick_interval { nanos: -50000000 }")},
      {"spec.kcp.tick_interval", "not a valid duration", Keyed("tick_interval { nanos: 2000000000 }")},
      {"spec.kcp.tick_interval", "not a valid duration", Keyed("tick_interval { seconds: 1 nanos: -1 }")},
      {"spec.kcp.tick_interval", "not a valid duration", Keyed("tick_interval { seconds: 9223372036854775807 }")},
      {"spec.kcp.congestion_control", "4 is not a value", Keyed("congestion_control: 4")},
      {"spec.kcp.uplink_bytes_per_second", "must be above 0", Keyed("congestion_control: CONGESTION_CONTROL_FIXED_RATE")},
      // Dialers.
      {"spec", "must be set", "dialer { metadata { name: 'a' } }"},
      {"spec.transport", "must be set", Dialer("targets: 'a:1'")},
      {"spec.targets", "must be set", TcpDialer("")},
      {"spec.targets[0]", "must not be empty", TcpDialer("targets: ''")},
      {"spec.targets[0]", "is not HOST:PORT", TcpDialer("targets: 'site-b.example'")},
      {"spec.targets[1]", "is not HOST:PORT", TcpDialer("targets: 'a:1' targets: 'b:0'")},
      {"spec.targets[0]", "is not HOST:PORT", TcpDialer("targets: 'a:70000'")},
      {"spec.targets[0]", "is not HOST:PORT", TcpDialer("targets: ':80'")},
      {"spec.targets[0]", "is not HOST:PORT", TcpDialer("targets: 'a:b'")},
      {"spec.targets", "has 65 entries", TcpDialer([] {
         std::string targets;
         for (int i = 0; i < 65; ++i) targets += "targets: 'a:1' ";
         return targets;
       }())},
      {"spec.kcp", "belongs to transport KCP", TcpDialer("targets: 'a:1' kcp { seed: 'x' }")},
      {"spec.insecure", "without a seed", Dialer("transport: TRANSPORT_KCP targets: 'a:1'")},
      {"spec.min_sessions", "1 is not 0", TcpDialer("targets: 'a:1' min_sessions: 1")},
      {"spec.stream_header", "CULVERT belongs to transport KCP or QUIC, but the transport is TCP",
       TcpDialer("targets: 'a:1' stream_header: STREAM_HEADER_CULVERT")},
      {"spec.stream_header", "but the transport is UDP", UdpDialer("stream_header: STREAM_HEADER_CULVERT")},
      {"spec.kcp", "belongs to transport KCP, but the transport is UDP", UdpDialer("kcp { seed: 'x' }")},
      {"spec.quic", "belongs to transport QUIC, but the transport is UDP", UdpDialer("quic {}")},
      {"spec.tls", "belongs to transport KCP or QUIC, but the transport is UDP", UdpDialer("tls {}")},
      {"spec.min_sessions", "1 is not 0", UdpDialer("min_sessions: 1")},
      {"spec.max_sessions", "is not in", TcpDialer("targets: 'a:1' max_sessions: 2000000")},
      {"spec.dial_timeout", "99ms is not in [100ms, 300s]", TcpDialer("targets: 'a:1' dial_timeout { nanos: 99000000 }")},
      {"spec.dial_timeout", "301s is not in", TcpDialer("targets: 'a:1' dial_timeout { seconds: 301 }")},
      {"spec.socket.bind_address", "is not an IP address", TcpDialer("targets: 'a:1' socket { bind_address: '10.0.0.1:0' }")},
      // Forwards.
      {"spec", "must be set", "forward { metadata { name: 'a' } }"},
      {"spec.listener", "must be set", Forward("destination: 'db:1'")},
      {"spec.destination", "or else dialer", Forward("listener: 'l'")},
      {"spec.destination", "is not HOST:PORT", Forward("listener: 'l' destination: 'db'")},
      {"spec.destination", "is not HOST:PORT", Forward("listener: 'l' destination: 'db:0'")},
      {"spec.tcp_idle_timeout", "is not in [1s, 168h]", Direct("tcp_idle_timeout { nanos: 1 }")},
      {"spec.tcp_idle_timeout", "is not in", Direct("tcp_idle_timeout { seconds: 604801 }")},
      {"spec.half_close_linger", "is not in [0s, 600s]", Direct("half_close_linger { seconds: -1 }")},
      {"spec.half_close_linger", "601s is not in", Direct("half_close_linger { seconds: 601 }")},
  };
}

class BadObjectTest : public testing::TestWithParam<Bad> {};

TEST_P(BadObjectTest, IsRefusedNamingTheField) {
  const Bad& bad = GetParam();
  const Violations violations = Judge(ParseObject(bad.object));
  EXPECT_THAT(violations, Contains(testing::AllOf(Field(&Violation::path, bad.path),
                                                  Field(&Violation::description, HasSubstr(bad.description)))));
  for (const Violation& violation : violations) {
    EXPECT_THAT(violation.description, Not(HasSubstr("correct horse"))) << "a seed in an error";
  }
}

INSTANTIATE_TEST_SUITE_P(Table, BadObjectTest, testing::ValuesIn(BadObjects()));

TEST(ValidateTest, TakesWhatIsRight) {
  const std::vector<std::string> good = {
      Named("a"), Named(std::string(63, 'a')), Named("a-1"), Listener("transport: TRANSPORT_TCP bind: '[::]:0'"),
      Listener("transport: TRANSPORT_TCP bind: '[::1]:80' max_sessions: 1000000 paused: true"), Keyed(""),
      Keyed("mtu_bytes: 576 tick_interval { nanos: 10000000 } header: PACKET_HEADER_SRTP"),
      Keyed("mtu_bytes: 1460 tick_interval { nanos: 100000000 } profile: KCP_PROFILE_V2RAY"), KcpSpec("seed_file: '/run/seed'"),
      Keyed("congestion_control: CONGESTION_CONTROL_FIXED_RATE uplink_bytes_per_second: 1"),
      Listener("transport: TRANSPORT_KCP bind: '0.0.0.0:1' insecure: true"),
      Listener("transport: TRANSPORT_KCP bind: '0.0.0.0:1' insecure: true kcp { profile: KCP_PROFILE_XRAY }"),
      Listener("transport: TRANSPORT_KCP bind: '0.0.0.0:1' insecure: true kcp { seed: '' }"),
      TcpDialer("targets: 'a:1' targets: '[::1]:2' socket { bind_address: '::' dscp: 63 interface: 'eth0.7' }"),
      Direct("half_close_linger { } tcp_idle_timeout { seconds: 1 }"), Direct("tcp_idle_timeout { seconds: 604800 }"), UdpSpec(""),
      UdpSpec("udp { hub_capacity: 1 original_destination: true max_clients: 1000000 } stream_header: STREAM_HEADER_NONE"),
      UdpDialer("paused: true"),
      Listener("transport: TRANSPORT_KCP bind: '0.0.0.0:1' stream_header: STREAM_HEADER_CULVERT kcp { seed: 'a seed of length' }"),
      Dialer("transport: TRANSPORT_QUIC targets: 'a:1' insecure: true stream_header: STREAM_HEADER_CULVERT"),
      TcpSpec("protocol: LISTENER_PROTOCOL_RAW"), TcpSpec("protocol: LISTENER_PROTOCOL_SOCKS5 users_file: '/u' udp { hub_capacity: 9 }"),
      TcpSpec("protocol: LISTENER_PROTOCOL_HTTP_CONNECT")};
  for (const std::string& text : good) EXPECT_THAT(Judge(ParseObject(text)), IsEmpty()) << text;
}

TEST(ValidateTest, CollectsAllViolationsUnderThePrefix) {
  Violations violations;
  std::vector<v1::Warning> warnings;
  ValidateObject(ParseObject(Listener("transport: TRANSPORT_KCP bind: 'x' kcp { mtu_bytes: 1 header: 9 }")), "objects[2]",
                 violations, warnings);
  std::vector<std::string> paths;
  for (const Violation& violation : violations) paths.push_back(violation.path);
  EXPECT_THAT(paths, testing::UnorderedElementsAre("objects[2].spec.bind", "objects[2].spec.kcp.mtu_bytes",
                                                   "objects[2].spec.kcp.header", "objects[2].spec.insecure"));
}

TEST(ValidateTest, WarnsOfShortSeedsAndInsecureSettings) {
  std::vector<v1::Warning> warnings;
  EXPECT_THAT(Judge(ParseObject(KcpSpec("seed: 'hunter2'")), &warnings), IsEmpty());
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0].reason(), "SEED_SHORT");
  EXPECT_EQ(warnings[0].field(), "spec.kcp.seed");
  EXPECT_THAT(warnings[0].message(), Not(HasSubstr("hunter2")));

  warnings.clear();
  Judge(ParseObject(Listener("transport: TRANSPORT_KCP bind: '0.0.0.0:1' insecure: true")), &warnings);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0].reason(), "INSECURE");
}

TEST(ValidateTest, WarnsOfOpenProxies) {
  const auto reasons = [](const std::string& bind, const std::string& rest) {
    std::vector<v1::Warning> warnings;
    EXPECT_THAT(Judge(ParseObject(Listener("transport: TRANSPORT_TCP bind: '" + bind + "' " + rest)), &warnings), IsEmpty());
    std::vector<std::string> found;
    for (const v1::Warning& warning : warnings) found.push_back(warning.field() + " " + warning.reason());
    return found;
  };
  for (const char* protocol : {"LISTENER_PROTOCOL_SOCKS5", "LISTENER_PROTOCOL_HTTP_CONNECT"}) {
    const std::string open = std::string("protocol: ") + protocol;
    EXPECT_THAT(reasons("0.0.0.0:1080", open), testing::ElementsAre("spec.users_file OPEN_PROXY"));
    EXPECT_THAT(reasons("[2001:db8::1]:1080", open), testing::ElementsAre("spec.users_file OPEN_PROXY"));
    EXPECT_THAT(reasons("127.0.0.2:1080", open), IsEmpty());
    EXPECT_THAT(reasons("[::1]:1080", open), IsEmpty());
    EXPECT_THAT(reasons("0.0.0.0:1080", open + " users_file: '/u'"), IsEmpty());
  }
  EXPECT_THAT(reasons("0.0.0.0:1080", ""), IsEmpty());
}

TEST(ValidateTest, QuotesValuesShortenedAndEscaped) {
  EXPECT_EQ(QuotedValue("a\nb"), "\"a\\nb\"");
  EXPECT_EQ(QuotedValue(std::string(100, 'x')), "\"" + std::string(64, 'x') + "\"...");
  EXPECT_EQ(QuotedValue(std::string(63, 'x') + "\xc3\xa9y"), "\"" + std::string(63, 'x') + "\"...") << "no part of a letter";
}

TEST(ValidateTest, StopsCollectingAtTheLimit) {
  std::string targets;
  for (int i = 0; i < 64; ++i) targets += "targets: 'x' ";
  Violations violations;
  std::vector<v1::Warning> warnings;
  for (int i = 0; i < 10; ++i) ValidateObject(ParseObject(TcpDialer(targets)), "", violations, warnings);
  EXPECT_EQ(violations.size(), kMaxViolations);
}

}  // namespace
}  // namespace culvert::server
