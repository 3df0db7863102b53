// One bad QUIC object a row: the violation names the field and what is allowed.
#include <gmock/gmock.h>

#include "server/spec_defaults.h"
#include "server/validate_object.h"
#include "tests/unit/server/quic_objects.h"

namespace culvert::server {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

Violations Judge(const v1::Object& object, std::vector<v1::Warning>* warnings = nullptr) {
  Violations violations;
  std::vector<v1::Warning> own;
  ValidateObject(object, "", violations, warnings != nullptr ? *warnings : own);
  return violations;
}

struct Bad {
  const char* path;
  const char* description;
  v1::Object object;
};
void PrintTo(const Bad& bad, std::ostream* out) { *out << bad.object.ShortDebugString(); }

v1::Object Quic(const std::string& quic) { return QuicListener("l", "quic { " + quic + " }"); }
v1::Object Outer(const std::string& outer) { return Quic("outer { " + outer + " }"); }
v1::Object Dialer(const std::string& more) { return QuicDialer("d", "insecure: true " + more); }

std::vector<Bad> BadObjects() {
  return {
      {"spec.quic", "belongs to transport QUIC, but the transport is TCP",
       ParseObject("listener { metadata { name: 'a' } spec { transport: TRANSPORT_TCP bind: '1.2.3.4:80' quic {} } }")},
      {"spec.quic", "belongs to transport QUIC, but the transport is KCP",
       ParseObject("dialer { metadata { name: 'a' } spec { transport: TRANSPORT_KCP targets: 'a:1' insecure: true quic {} } }")},
      {"spec.kcp", "belongs to transport KCP, but the transport is QUIC", QuicListener("l", "kcp {}")},
      {"spec.kcp", "belongs to transport KCP, but the transport is QUIC", Dialer("kcp { seed: 'x' }")},
      {"spec.quic.outer.security", "9 is not a value of OuterSecurity", Outer("security: 9")},
      {"spec.quic.outer.header", "9 is not a value of PacketHeader", Outer("header: 9")},
      {"spec.quic.outer.key", "needs security", Outer("key: 'secret'")},
      {"spec.quic.outer.key", "needs security", Outer("security: OUTER_SECURITY_NONE key: ''")},
      {"spec.quic.outer.key_file", "needs security", Outer("key_file: '/k' header: PACKET_HEADER_SRTP")},
      {"spec.quic.outer.key_file", "excludes key", Outer("security: OUTER_SECURITY_AES_128_GCM key: 'a' key_file: '/k'")},
      {"spec.quic.outer.key_file", "is not an absolute path", Outer("security: OUTER_SECURITY_AES_128_GCM key_file: 'k'")},
      {"spec.quic.outer.key", "is longer than 4096 bytes",
       Outer("security: OUTER_SECURITY_AES_128_GCM key: '" + std::string(4097, 'k') + "'")},
      {"spec.quic.max_streams_per_session", "65536 is not in [1, 65535]", Quic("max_streams_per_session: 65536")},
      {"spec.quic.max_udp_payload_bytes", "1199 is not in [1200, 1472]", Quic("max_udp_payload_bytes: 1199")},
      {"spec.quic.max_udp_payload_bytes", "1473 is not in [1200, 1472]", Quic("max_udp_payload_bytes: 1473")},
      {"spec.quic.max_udp_payload_bytes", "1453 is not in [1200, 1452]",
       Quic("max_udp_payload_bytes: 1453 outer { security: OUTER_SECURITY_AES_128_GCM key: 'correct horse' }")},
      {"spec.quic.max_udp_payload_bytes", "1472 is not in [1200, 1452]",
       Quic("max_udp_payload_bytes: 1472 outer { header: PACKET_HEADER_UTP }")},
      {"spec.quic.idle_timeout", "4s is not in [5s, 600s]", Quic("idle_timeout { seconds: 4 }")},
      {"spec.quic.idle_timeout", "601s is not in [5s, 600s]", Quic("idle_timeout { seconds: 601 }")},
      {"spec.quic.keepalive_interval", "999ms is not in [1s, 300s]", Quic("keepalive_interval { nanos: 999000000 }")},
      {"spec.quic.keepalive_interval", "301s is not in [1s, 300s]",
       Quic("keepalive_interval { seconds: 301 } idle_timeout { seconds: 600 }")},
      {"spec.quic.keepalive_interval", "30s is not below idle_timeout, 30s", Quic("keepalive_interval { seconds: 30 }")},
      {"spec.quic.keepalive_interval", "is not below idle_timeout",
       Quic("keepalive_interval { seconds: 20 } idle_timeout { seconds: 19 }")},
      {"spec.quic.idle_timeout", "10s is not above keepalive_interval, 10s", Quic("idle_timeout { seconds: 10 }")},
      {"spec.quic.congestion_control", "FIXED_RATE belongs to transport KCP", Quic("congestion_control: CONGESTION_CONTROL_FIXED_RATE")},
      {"spec.quic.congestion_control", "9 is not a value", Quic("congestion_control: 9")},
      {"spec.tls", "must say whom to trust", QuicDialer("d", "")},
      {"spec.tls", "must say whom to trust", QuicDialer("d", kOuter)},
      {"spec.tls.certificate_file", "must be set", QuicListener("l", "tls {}")},
      {"spec.tls.private_key_file", "must be set: certificate_file is", QuicListener("l", "tls { certificate_file: '/c' }")},
      {"spec.tls.server_name", "belongs to dialers",
       QuicListener("l", "tls { certificate_file: '/c' private_key_file: '/k' server_name: 'a.example' }")},
      {"spec.tls.mode", "XTLS belongs to transport KCP",
       QuicListener("l", "tls { mode: TLS_MODE_XTLS certificate_file: '/c' private_key_file: '/k' }")},
      {"spec.tls.mode", "XTLS belongs to transport KCP", QuicDialer("d", "tls { mode: TLS_MODE_XTLS }")},
      {"spec.tls.alpn[0]", "must not be empty", QuicDialer("d", "tls { alpn: '' }")},
      {"spec.tls.alpn[0]", "has 256 bytes", QuicDialer("d", "tls { alpn: '" + std::string(256, 'a') + "' }")},
      {"spec.tls.pinned_spki[0]", "is not \"sha256/\"", QuicDialer("d", "tls { pinned_spki: 'sha256/x' }")},
      {"spec.min_sessions", "1001 is not in [0, 1000]", Dialer("min_sessions: 1001")},
      {"spec.min_sessions", "5 is above max_sessions, 4", Dialer("min_sessions: 5 max_sessions: 4")},
      {"spec.backoff_min", "9ms is not in [10ms, 60s]", Dialer("backoff_min { nanos: 9000000 }")},
      {"spec.backoff_max", "is not in [100ms, 1h]", Dialer("backoff_max { seconds: 3601 }")},
      {"spec.backoff_max", "1s is below backoff_min, 2s", Dialer("backoff_min { seconds: 2 } backoff_max { seconds: 1 }")},
      {"spec.backoff_min", "40s is above backoff_max, 30s", Dialer("backoff_min { seconds: 40 }")},
      {"spec.resolve_interval", "is not in [1s, 24h]", Dialer("resolve_interval { nanos: 500000000 }")},
      {"spec.min_sessions", "1 is not 0", ParseObject("dialer { metadata { name: 'a' } spec { transport: TRANSPORT_KCP targets: 'a:1' "
                                                     "insecure: true min_sessions: 1 } }")},
      {"spec.backoff_min", "belongs to transport QUIC",
       ParseObject("dialer { metadata { name: 'a' } spec { transport: TRANSPORT_TCP targets: 'a:1' backoff_min { seconds: 1 } } }")},
      {"spec.resolve_interval", "belongs to transport QUIC",
       ParseObject("dialer { metadata { name: 'a' } spec { transport: TRANSPORT_TCP targets: 'a:1' resolve_interval { seconds: 1 } } }")},
  };
}

class ValidateBadQuicTest : public ::testing::TestWithParam<Bad> {};
TEST_P(ValidateBadQuicTest, NamesFieldAndRule) {
  const Violations violations = Judge(GetParam().object);
  EXPECT_THAT(violations, Contains(AllOf(Field(&Violation::path, GetParam().path),
                                         Field(&Violation::description, HasSubstr(GetParam().description)))))
      << (violations.empty() ? "no violation" : violations[0].path + ": " + violations[0].description);
}
INSTANTIATE_TEST_SUITE_P(Rows, ValidateBadQuicTest, ::testing::ValuesIn(BadObjects()));

TEST(ValidateQuicTest, TakesWhatIsAllowed) {
  for (const v1::Object& object : {
           QuicListener("l"), QuicListener("l", "quic {}"), QuicListener("l", kOuter), QuicDialer("d"), QuicDialer("d", "tls {}"),
           QuicDialer("d", "tls { " + kQuicPin + " }"), Quic("max_udp_payload_bytes: 1472"), Quic("max_udp_payload_bytes: 1200"),
           Quic("max_udp_payload_bytes: 1452 outer { header: PACKET_HEADER_WIREGUARD }"),
           Quic("max_streams_per_session: 65535 datagrams: false migration: false early_data: true"),
           Quic("idle_timeout { seconds: 600 } keepalive_interval { seconds: 300 }"),
           Quic("idle_timeout { seconds: 5 } keepalive_interval { seconds: 1 }"),
           Quic("congestion_control: CONGESTION_CONTROL_CUBIC"), Outer("security: OUTER_SECURITY_CHACHA20_POLY1305 key_file: '/k'"),
           Dialer("min_sessions: 4 max_sessions: 4 backoff_min { seconds: 1 } backoff_max { seconds: 1 } resolve_interval { seconds: 1 }"),
       }) {
    EXPECT_THAT(Judge(object), IsEmpty()) << object.ShortDebugString();
  }
}

std::vector<std::string> WarningsOf(const v1::Object& object) {
  std::vector<v1::Warning> warnings;
  EXPECT_THAT(Judge(object, &warnings), IsEmpty()) << object.ShortDebugString();
  std::vector<std::string> out;
  for (const v1::Warning& warning : warnings) out.push_back(warning.field() + " " + warning.reason());
  return out;
}

TEST(ValidateQuicTest, WarnsOfWhatKeepsNobodyOut) {
  const std::string anyone = "spec.tls.require_peer_certificate ANYONE_MAY_CONNECT";
  EXPECT_THAT(WarningsOf(QuicListener("l")), ElementsAre(anyone));
  EXPECT_THAT(WarningsOf(QuicListener("l", kOuter)), IsEmpty());
  EXPECT_THAT(WarningsOf(Outer("security: OUTER_SECURITY_AES_128_GCM")), ElementsAre("spec.quic.outer.key OUTER_KEY_PUBLIC", anyone));
  EXPECT_THAT(WarningsOf(Outer("security: OUTER_SECURITY_AES_128_GCM key: ''")),
              ElementsAre("spec.quic.outer.key OUTER_KEY_PUBLIC", anyone));
  EXPECT_THAT(WarningsOf(Outer("security: OUTER_SECURITY_AES_128_GCM key: 'short'")), ElementsAre("spec.quic.outer.key OUTER_KEY_SHORT"));
  EXPECT_THAT(WarningsOf(QuicListener("l", "tls { certificate_file: '/c' private_key_file: '/k' require_peer_certificate: true "
                                           "trust_file: '/t' }")),
              IsEmpty());
  EXPECT_THAT(WarningsOf(QuicDialer("d")), ElementsAre("spec.insecure INSECURE"));
  EXPECT_THAT(WarningsOf(QuicDialer("d", "insecure: true tls {}")), ElementsAre("spec.insecure INSECURE"));
  EXPECT_THAT(WarningsOf(QuicDialer("d", "tls {}")), IsEmpty());
  EXPECT_THAT(WarningsOf(QuicDialer("d", "tls {} quic { early_data: true }")), ElementsAre("spec.quic.early_data EARLY_DATA_REPLAY"));
}

TEST(ValidateQuicTest, NoTextHoldsTheKey) {
  const std::string secret = "canary-canary";
  for (const std::string& outer :
       {"key: '" + secret + "'", "security: OUTER_SECURITY_AES_128_GCM key: '" + secret + "' key_file: '/k'",
        "security: 9 key: '" + secret + "'"}) {
    std::vector<v1::Warning> warnings;
    const Violations violations = Judge(Outer(outer), &warnings);
    EXPECT_THAT(violations, Not(IsEmpty()));
    for (const Violation& violation : violations) EXPECT_THAT(violation.description, Not(HasSubstr(secret)));
    for (const v1::Warning& warning : warnings) EXPECT_THAT(warning.message(), Not(HasSubstr(secret)));
  }
}

TEST(SpecDefaultsTest, QuicThatIsSpelledOutMeansTheSame) {
  const v1::Object brief = QuicDialer("d", "tls {}");
  const v1::Object whole = QuicDialer(
      "d",
      "tls { alpn: 'h2' alpn: 'http/1.1' } quic { outer { security: OUTER_SECURITY_NONE header: PACKET_HEADER_NONE } "
      "max_streams_per_session: 256 max_udp_payload_bytes: 1452 idle_timeout { seconds: 30 } keepalive_interval { seconds: 10 } "
      "congestion_control: CONGESTION_CONTROL_BBR datagrams: true migration: true early_data: false }");
  EXPECT_FALSE(IsDisruptive(brief, whole));
  EXPECT_FALSE(IsDisruptive(QuicListener("l", "quic { outer { security: OUTER_SECURITY_AES_128_GCM } }"),
                            QuicListener("l", "quic { outer { security: OUTER_SECURITY_AES_128_GCM key: '' } }")));
}

TEST(SpecDefaultsTest, WhatEndsSessionsOfQuicAndWhatDoesNot) {
  const v1::Object before = QuicDialer("d", "tls {}");
  for (const char* gentle : {"paused: true", "min_sessions: 3", "max_sessions: 9", "dial_timeout { seconds: 3 }", "backoff_min { seconds: 1 }",
                             "backoff_max { seconds: 60 }", "resolve_interval { seconds: 5 }"}) {
    EXPECT_FALSE(IsDisruptive(before, QuicDialer("d", std::string("tls {} ") + gentle))) << gentle;
  }
  for (const char* hard : {"quic { datagrams: false }", "quic { migration: false }", "quic { early_data: true }",
                           "quic { idle_timeout { seconds: 20 } }", "quic { max_streams_per_session: 3 }",
                           "quic { outer { header: PACKET_HEADER_UTP } }", "insecure: true", "socket { dscp: 3 }"}) {
    EXPECT_TRUE(IsDisruptive(before, QuicDialer("d", std::string("tls {} ") + hard))) << hard;
  }
}

}  // namespace
}  // namespace culvert::server
