// One bad tls block a row: the violation names the field and what is allowed.
#include <gmock/gmock.h>

#include "server/spec_defaults.h"
#include "server/validate_object.h"
#include "tests/unit/server/tls_objects.h"

namespace culvert::server {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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

v1::Object Listener(const std::string& tls) { return TlsListener("l", tls); }
v1::Object Dialer(const std::string& tls, const std::string& more = "") { return TlsDialer("d", tls, more); }

const std::string kPin = "pinned_spki: 'sha256/" + std::string(43, 'A') + "=' ";
const std::string kWants = std::string(kShows) + "require_peer_certificate: true trust_file: '/t' ";

std::vector<Bad> BadBlocks() {
  return {
      {"spec.tls", "belongs to transport KCP",
       ParseObject("listener { metadata { name: 'a' } spec { transport: TRANSPORT_TCP bind: '1.2.3.4:80' tls {} } }")},
      {"spec.tls", "belongs to transport KCP",
       ParseObject("dialer { metadata { name: 'a' } spec { transport: TRANSPORT_TCP targets: 'a:1' tls {} } }")},
      {"spec.tls.mode", "9 is not a value of TlsMode", Listener(std::string(kShows) + "mode: 9")},
      {"spec.tls.certificate_file", "must be set", Listener("")},
      {"spec.tls.private_key_file", "must be set", Listener("")},
      {"spec.tls.private_key_file", "must be set: certificate_file is", Listener("certificate_file: '/c'")},
      {"spec.tls.certificate_file", "must be set: private_key_file is", Listener("private_key_file: '/k'")},
      {"spec.tls.private_key_file", "must be set: certificate_file is", Dialer("certificate_file: '/c'")},
      {"spec.tls.certificate_file", "must be set: private_key_file is", Dialer("private_key_file: '/k'")},
      {"spec.tls.certificate_file", "is not an absolute path", Listener("certificate_file: 'c' private_key_file: '/k'")},
      {"spec.tls.trust_file", "is not an absolute path", Dialer("trust_file: 't'")},
      {"spec.tls.trust_file", "must be set: require_peer_certificate", Listener(std::string(kShows) + "require_peer_certificate: true")},
      {"spec.tls.trust_file", "has no effect without require_peer_certificate", Listener(std::string(kShows) + "trust_file: '/t'")},
      {"spec.tls.allowed_peer_names", "has no effect without require_peer_certificate",
       Listener(std::string(kShows) + "allowed_peer_names: 'a'")},
      {"spec.tls.pinned_spki", "has no effect without require_peer_certificate", Listener(kShows + kPin)},
      {"spec.tls.server_name", "belongs to dialers", Listener(std::string(kShows) + "server_name: 'a.example'")},
      {"spec.tls.require_peer_certificate", "belongs to listeners", Dialer("require_peer_certificate: true")},
      {"spec.tls.allowed_peer_names", "needs trust_file", Dialer(kPin + "allowed_peer_names: 'a'")},
      {"spec.tls.allowed_peer_names", "needs trust_file", Dialer("allowed_peer_names: 'a'", "insecure: true")},
      {"spec.tls.allowed_peer_names[0]", "must not be empty", Dialer("allowed_peer_names: ''")},
      {"spec.tls.allowed_peer_names[0]", "does not match", Dialer("allowed_peer_names: 'a b'")},
      {"spec.tls.pinned_spki[0]", "44 characters of base64", Dialer("pinned_spki: 'sha256/AAAA'")},
      {"spec.tls.pinned_spki[1]", "44 characters of base64", Dialer(kPin + "pinned_spki: 'sha1/AAAA'")},
      {"spec.tls.alpn[0]", "must not be empty", Dialer("alpn: ''")},
      {"spec.tls.alpn[1]", "has 256 bytes, a protocol has 1 to 255", Dialer("alpn: 'h2' alpn: '" + std::string(256, 'a') + "'")},
      {"spec.tls.alpn[0]", "a protocol has 1 to 255", Listener(kShows + ("alpn: '" + std::string(300, 'a') + "'"))},
      {"spec.tls.server_name", "is not a DNS name or an IP address", Dialer("server_name: 'a b'")},
      {"spec.tls.server_name", "is not a DNS name or an IP address", Dialer("server_name: 'a..b'")},
      {"spec.tls.server_name", "is not a DNS name or an IP address", Dialer("server_name: '-a.example'")},
      {"spec.tls.server_name", "is not a DNS name or an IP address", Dialer("server_name: '1.2.3'")},
      {"spec.tls.server_name", "is not a DNS name or an IP address", Dialer("server_name: '1.2.3.256'")},
      {"spec.tls.server_name", "is not a DNS name or an IP address", Dialer("server_name: 'a.example:443'")},
      {"spec.tls.server_name", "is not a DNS name or an IP address", Dialer("server_name: '" + std::string(64, 'a') + "'")},
      // What was there before TLS and has bounds.
      {"spec.kcp.uplink_bytes_per_second", "is not in [0, 12500000000]",
       KcpListener("a", "0.0.0.0:1", "uplink_bytes_per_second: 18446744073709551615")},
      {"spec.kcp.downlink_bytes_per_second", "12500000001 is not in [0, 12500000000]",
       KcpListener("a", "0.0.0.0:1", "downlink_bytes_per_second: 12500000001")},
      {"spec.socket.receive_buffer_bytes", "is not in [0, 1073741824]",
       ParseObject("listener { metadata { name: 'a' } spec { transport: TRANSPORT_TCP bind: '1.2.3.4:80' "
                   "socket { receive_buffer_bytes: 18446744073709551615 } } }")},
  };
}

class BadTlsTest : public ::testing::TestWithParam<Bad> {};

TEST_P(BadTlsTest, IsRefusedNamingTheField) {
  const Bad& bad = GetParam();
  EXPECT_THAT(Judge(bad.object), Contains(::testing::AllOf(Field(&Violation::path, bad.path),
                                                         Field(&Violation::description, HasSubstr(bad.description)))));
}

INSTANTIATE_TEST_SUITE_P(Table, BadTlsTest, ::testing::ValuesIn(BadBlocks()));

TEST(ValidateTlsTest, TakesWhatIsRight) {
  const std::vector<v1::Object> good = {
      Listener(kShows),
      Listener(kWants + "allowed_peer_names: 'spiffe://a/b' allowed_peer_names: 'a.example'"),
      Listener(kWants + kPin),
      Listener(std::string(kShows) + "mode: TLS_MODE_XTLS alpn: '" + std::string(255, 'a') + "'"),
      Dialer(""),
      Dialer(kPin),
      Dialer("trust_file: '/t' server_name: '2001:db8::1'"),
      Dialer("server_name: 'a_b.example' allowed_peer_names: 'a.example'"),
      Dialer(kPin + "trust_file: '/t' allowed_peer_names: 'a'"),
      Dialer(kShows, "insecure: true kcp { profile: KCP_PROFILE_XRAY }"),
      // Neither a seed nor insecure is needed inside TLS.
      Dialer("", "kcp { profile: KCP_PROFILE_XRAY }"),
      Dialer("", "kcp { seed: '' }")};
  for (const v1::Object& object : good) {
    const Violations violations = Judge(object);
    EXPECT_THAT(violations, IsEmpty()) << object.ShortDebugString() << ": "
                                       << (violations.empty() ? "" : violations[0].path + " " + violations[0].description);
  }
}

TEST(ValidateTlsTest, WarnsOfXtlsAndOfPeersThatAreNotVerified) {
  const auto reasons = [](const v1::Object& object) {
    std::vector<v1::Warning> warnings;
    Judge(object, &warnings);
    std::vector<std::string> found;
    for (const v1::Warning& warning : warnings) found.push_back(warning.field() + " " + warning.reason());
    return found;
  };
  EXPECT_THAT(reasons(Dialer("")), IsEmpty());
  EXPECT_THAT(reasons(Listener(kShows)), ElementsAre("spec.tls.require_peer_certificate ANYONE_MAY_CONNECT"));
  EXPECT_THAT(reasons(TlsListener("l", kShows, "kcp { seed_file: '/seed' }")), IsEmpty());
  EXPECT_THAT(reasons(Listener(kWants)), IsEmpty());
  EXPECT_THAT(reasons(Dialer("mode: TLS_MODE_XTLS")), ElementsAre("spec.tls.mode XTLS_WITHOUT_DIRECT_COPY"));
  EXPECT_THAT(reasons(Dialer("", "insecure: true")), ElementsAre("spec.insecure INSECURE"));
}

TEST(ValidateTlsTest, SessionsLiveOnWhenOnlyWhatIsShownChanges) {
  const v1::Object before = Dialer("trust_file: '/t'");
  EXPECT_FALSE(IsDisruptive(before, Dialer("trust_file: '/t' alpn: 'x' certificate_file: '/c' private_key_file: '/k'")));
  EXPECT_FALSE(IsDisruptive(before, Dialer("trust_file: '/t' mode: TLS_MODE_XTLS")));
  EXPECT_TRUE(IsDisruptive(before, Dialer("trust_file: '/other'")));
  EXPECT_TRUE(IsDisruptive(before, Dialer("trust_file: '/t' allowed_peer_names: 'a'")));
  EXPECT_TRUE(IsDisruptive(before, Dialer("trust_file: '/t' server_name: 'a.example'")));
  EXPECT_TRUE(IsDisruptive(before, Dialer("trust_file: '/t'", "insecure: true")));
  v1::Object without = before;
  without.mutable_dialer()->mutable_spec()->clear_tls();
  EXPECT_TRUE(IsDisruptive(before, without));
  EXPECT_TRUE(IsDisruptive(without, before));
}

}  // namespace
}  // namespace culvert::server
