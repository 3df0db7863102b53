// Servers that a client accepts or rejects: authorities, names, times, purposes, pins.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/tls/tls_pair.h"

namespace culvert::tls {
namespace {

using testing::Certificate;
using testing::CertificateOptions;
using testing::KeyKind;

constexpr int64_t kNow = 1'800'000'000;  // 2027-01-15T08:00:00Z
constexpr int64_t kDay = 86400;
int64_t At() { return kNow; }

class TlsVerification : public ::testing::Test {
 protected:
  TlsVerification() { client_.trust_pem = ca_.certificate_pem; }

  // The leaf of these options, valid at kNow unless they say otherwise, signed by the test's CA.
  Certificate Leaf(CertificateOptions options, const Certificate* authority = nullptr) {
    if (options.not_before_unix_seconds == 0) options.not_before_unix_seconds = kNow - kDay;
    if (options.not_after_unix_seconds == 0) options.not_after_unix_seconds = kNow + kDay;
    return testing::MakeCertificate(options, authority != nullptr ? authority : &ca_);
  }

  // What the client says to a server with this certificate: "" when it accepts it.
  std::string Verdict(const Certificate& certificate, const std::string& name = "far.example") {
    TlsOptions server{.role = Role::kServer};
    UseCertificate(server, certificate);
    TlsPair pair(MakeContext(client_), MakeContext(server), {.server_name = name, .wall_clock = At});
    if (pair.Handshake()) {
      EXPECT_EQ(pair.client->failure(), TlsFailure::kNone);
      return "";
    }
    EXPECT_EQ(pair.client->failure(), TlsFailure::kPeerRejected);
    EXPECT_EQ(pair.server->failure(), TlsFailure::kAlert);
    refusal_ = pair.server->failure_message();
    return pair.client->failure_message();
  }

  static Certificate Authority(const std::string& name) {
    return testing::MakeCertificate({.common_name = name,
                                     .not_before_unix_seconds = kNow - 100 * kDay,
                                     .not_after_unix_seconds = kNow + 100 * kDay,
                                     .is_authority = true},
                                    nullptr);
  }

  const Certificate ca_ = Authority("test CA");
  TlsOptions client_;
  std::string refusal_;  // what the server heard of the last rejection
};

TEST_F(TlsVerification, AcceptsAKnownAuthorityAndTheRightName) {
  EXPECT_EQ(Verdict(Leaf({.names = {"far.example"}})), "");
}

TEST_F(TlsVerification, AnUnknownAuthority) {
  const Certificate other = Authority("another CA");
  EXPECT_EQ(Verdict(Leaf({.names = {"far.example"}}, &other)),
            "the peer's certificate is signed by an unknown authority: CN=another CA");
  EXPECT_EQ(refusal_, "the peer refused: alert unknown_ca (48)");
}

TEST_F(TlsVerification, AnAuthorityOfTheSameNameWithAnotherKey) {
  const Certificate impostor = Authority("test CA");
  EXPECT_THAT(Verdict(Leaf({.names = {"far.example"}}, &impostor)), ::testing::HasSubstr("CN=test CA"));
}

TEST_F(TlsVerification, SelfSigned) {
  const Certificate self = testing::MakeCertificate({.common_name = "me",
                                                     .names = {"far.example"},
                                                     .not_before_unix_seconds = kNow - kDay,
                                                     .not_after_unix_seconds = kNow + kDay},
                                                    nullptr);
  EXPECT_EQ(Verdict(self), "the peer's certificate is self-signed and not trusted: CN=me");
  client_.trust_pem = self.certificate_pem;
  EXPECT_EQ(Verdict(self), "");
}

TEST_F(TlsVerification, Expired) {
  EXPECT_EQ(Verdict(Leaf({.names = {"far.example"},
                          .not_before_unix_seconds = kNow - 9 * kDay,
                          .not_after_unix_seconds = kNow - 3 * kDay - 5})),
            "the peer's certificate expired 3 days ago (2027-01-12T07:59:55Z)");
  EXPECT_EQ(refusal_, "the peer refused: alert certificate_expired (45)");
}

TEST_F(TlsVerification, NotYetValid) {
  EXPECT_EQ(
      Verdict(Leaf(
          {.names = {"far.example"}, .not_before_unix_seconds = kNow + 7200, .not_after_unix_seconds = kNow + kDay})),
      "the peer's certificate becomes valid in 2 hours (2027-01-15T10:00:00Z)");
}

TEST_F(TlsVerification, AnExpiredAuthorityIsNamed) {
  const Certificate old = testing::MakeCertificate({.common_name = "old CA",
                                                    .not_before_unix_seconds = kNow - 10 * kDay,
                                                    .not_after_unix_seconds = kNow - kDay,
                                                    .is_authority = true},
                                                   nullptr);
  client_.trust_pem = old.certificate_pem;
  EXPECT_EQ(Verdict(Leaf({.names = {"far.example"}}, &old)),
            "the certificate of the peer's authority CN=old CA expired 1 day ago (2027-01-14T08:00:00Z)");
}

TEST_F(TlsVerification, Intermediates) {
  const Certificate middle = testing::MakeCertificate({.common_name = "middle",
                                                       .not_before_unix_seconds = kNow - kDay,
                                                       .not_after_unix_seconds = kNow + kDay,
                                                       .is_authority = true},
                                                      &ca_);
  Certificate leaf = Leaf({.names = {"far.example"}}, &middle);
  EXPECT_EQ(Verdict(leaf), "");
  leaf.chain_pem = leaf.certificate_pem;  // the server forgot to send it
  EXPECT_EQ(Verdict(leaf), "the peer's certificate is signed by an unknown authority: CN=middle");
  client_.trust_pem = middle.certificate_pem;  // trusted by itself, without its root
  EXPECT_EQ(Verdict(leaf), "");
}

TEST_F(TlsVerification, ALeafIsNoAuthority) {
  const Certificate leaf = Leaf({.common_name = "far.example", .names = {"far.example"}});
  const std::string verdict = Verdict(Leaf({.names = {"far.example"}}, &leaf));
  EXPECT_NE(verdict, "");
}

TEST_F(TlsVerification, WrongNames) {
  EXPECT_EQ(Verdict(Leaf({.names = {"far.example"}}), "near.example"),
            "the peer's certificate is for far.example, not near.example");
  EXPECT_EQ(refusal_, "the peer refused: alert bad_certificate (42)");
  EXPECT_EQ(Verdict(Leaf({.names = {"a.example", "b.example", "c.example", "d.example", "10.0.0.1"}})),
            "the peer's certificate is for a.example, b.example, c.example and 2 more, not far.example");
  EXPECT_EQ(Verdict(Leaf({.names = {"far.example"}}), "10.0.0.1"),
            "the peer's certificate is for far.example, not 10.0.0.1");
  EXPECT_EQ(Verdict(Leaf({.names = {"far.example"}}), ""),
            "there is no server name to check the peer's certificate against");
}

TEST_F(TlsVerification, ACommonNameIsNoName) {
  EXPECT_EQ(Verdict(Leaf({.common_name = "far.example"})),
            "the peer's certificate is for no name of subjectAltName (subject: CN=far.example), not far.example");
}

TEST_F(TlsVerification, NameRules) {
  const Certificate wildcard = Leaf({.names = {"*.example.org"}});
  EXPECT_EQ(Verdict(wildcard, "a.example.org"), "");
  EXPECT_EQ(Verdict(wildcard, "A.Example.ORG"), "");
  EXPECT_NE(Verdict(wildcard, "a.b.example.org"), "");
  EXPECT_NE(Verdict(wildcard, "example.org"), "");
  EXPECT_NE(Verdict(wildcard, ".example.org"), "");
  EXPECT_NE(Verdict(Leaf({.names = {"f*.example.org"}}), "far.example.org"), "");
  EXPECT_EQ(Verdict(Leaf({.names = {"FAR.example"}}), "far.example."), "");
  EXPECT_NE(Verdict(Leaf({.names = {"10.0.0.1"}}), "10.0.0.2"), "");
  EXPECT_EQ(Verdict(Leaf({.names = {"10.0.0.1"}}), "10.0.0.1"), "");
  EXPECT_EQ(Verdict(Leaf({.names = {"2001:db8::1"}}), "2001:db8:0::1"), "");
  EXPECT_EQ(Verdict(Leaf({.names = {"2001:db8::1"}}), "[2001:db8::1]"), "");
  EXPECT_NE(Verdict(Leaf({.names = {std::string("far.example\0.evil.example", 25)}})), "");
  // An address written as another kind of name is none.
  EXPECT_NE(Verdict(Leaf({.names = {std::string("URI:10.0.0.1")}}), "10.0.0.1"), "");
}

TEST_F(TlsVerification, NamesWithControlCharactersAreEscapedAndLongOnesCut) {
  const std::string verdict = Verdict(Leaf({.names = {"a\x1b[2J\nb\"", std::string(500, 'x')}}));
  EXPECT_EQ(verdict,
            "the peer's certificate is for a\\x1b[2J\\x0ab\\x22, " + std::string(80, 'x') + "..., not far.example");
}

TEST_F(TlsVerification, Purpose) {
  EXPECT_EQ(Verdict(Leaf({.names = {"far.example"}, .is_for_servers = false})),
            "the peer's certificate is not meant for a server (extended key usage)");
  EXPECT_EQ(Verdict(Leaf({.names = {"far.example"}, .is_for_clients = false})), "");
  EXPECT_EQ(Verdict(Leaf({.names = {"far.example"}, .is_for_servers = false, .is_for_clients = false})), "");
}

TEST_F(TlsVerification, WeakChains) {
  const Certificate weak = testing::MakeCertificate({.common_name = "weak CA",
                                                     .not_before_unix_seconds = kNow - kDay,
                                                     .not_after_unix_seconds = kNow + kDay,
                                                     .key = KeyKind::kRsa1024,
                                                     .is_authority = true},
                                                    nullptr);
  client_.trust_pem = weak.certificate_pem;
  EXPECT_EQ(Verdict(Leaf({.names = {"far.example"}}, &weak)),
            "the key of CN=weak CA in the peer's chain is RSA with 1024 bits, fewer than 2048");
  const Certificate middle = testing::MakeCertificate({.common_name = "SHA-1 CA",
                                                       .not_before_unix_seconds = kNow - kDay,
                                                       .not_after_unix_seconds = kNow + kDay,
                                                       .is_authority = true,
                                                       .is_signed_with_sha1 = true},
                                                      &ca_);
  client_.trust_pem = ca_.certificate_pem;
  EXPECT_EQ(Verdict(Leaf({.names = {"far.example"}}, &middle)),
            "CN=SHA-1 CA in the peer's chain is signed with a broken hash");
}

TEST_F(TlsVerification, PinsHoldBesideTheChain) {
  const Certificate leaf = Leaf({.names = {"far.example"}});
  const Certificate other = Leaf({.names = {"far.example"}});
  client_.pinned_spki = {*ParseSpkiPin(other.pin), *ParseSpkiPin(leaf.pin)};
  EXPECT_EQ(Verdict(leaf), "");
  EXPECT_EQ(Verdict(leaf, "near.example"), "the peer's certificate is for far.example, not near.example");
  client_.pinned_spki = {*ParseSpkiPin(other.pin)};
  EXPECT_EQ(Verdict(leaf), "the peer's key " + leaf.pin + " is not the pinned " + other.pin);
  EXPECT_EQ(refusal_, "the peer refused: alert bad_certificate (42)");
  client_.pinned_spki.push_back(*ParseSpkiPin(ca_.pin));  // of the authority: only the leaf's counts
  EXPECT_EQ(Verdict(leaf), "the peer's key " + leaf.pin + " is not one of the 2 pinned");
}

TEST_F(TlsVerification, APinAloneIsTrust) {
  client_.trust_pem = "";
  const Certificate leaf = testing::MakeSelfSigned({"elsewhere.example"});
  client_.pinned_spki = {*ParseSpkiPin(leaf.pin)};
  EXPECT_EQ(Verdict(leaf), "");
  EXPECT_NE(Verdict(testing::MakeSelfSigned({"elsewhere.example"})), "");
  client_.allowed_peer_names = {"far.example"};  // still a demand
  EXPECT_EQ(Verdict(leaf),
            "the peer's certificate is for elsewhere.example, which is none of the allowed names: far.example");
}

TEST_F(TlsVerification, SkippedButForPins) {
  client_.trust_pem = "";
  client_.skip_verification = true;
  const Certificate leaf = Leaf({.names = {"x.example"}, .not_before_unix_seconds = 1, .not_after_unix_seconds = 2});
  EXPECT_EQ(Verdict(leaf), "");
  client_.pinned_spki = {*ParseSpkiPin(ca_.pin)};
  EXPECT_EQ(Verdict(leaf), "the peer's key " + leaf.pin + " is not the pinned " + ca_.pin);
}

TEST_F(TlsVerification, AllowedNamesReplaceTheServersName) {
  client_.allowed_peer_names = {"b.example", "spiffe://site/b", "10.0.0.9", "ops@b.example"};
  EXPECT_EQ(Verdict(Leaf({.names = {"B.example"}})), "");
  EXPECT_EQ(Verdict(Leaf({.names = {"URI:spiffe://site/b"}})), "");
  EXPECT_EQ(Verdict(Leaf({.names = {"10.0.0.9"}})), "");
  EXPECT_EQ(Verdict(Leaf({.names = {"email:ops@b.example"}})), "");
  EXPECT_NE(Verdict(Leaf({.names = {"*.example"}})), "");  // all of a top level: never
  EXPECT_EQ(
      Verdict(Leaf({.names = {"far.example"}})),
      "the peer's certificate is for far.example, which is none of the allowed names: b.example, spiffe://site/b, "
      "10.0.0.9 and 1 more");
  client_.allowed_peer_names = {"spiffe://site/b", "b.site.example"};
  EXPECT_EQ(Verdict(Leaf({.names = {"*.site.example"}})), "");
  EXPECT_NE(Verdict(Leaf({.names = {"URI:spiffe://site/B"}})), "");
  EXPECT_NE(Verdict(Leaf({.names = {"URI:spiffe://site/b/c"}})), "");
  EXPECT_NE(Verdict(Leaf({.names = {"b.site.example.evil.example"}})), "");
}

}  // namespace
}  // namespace culvert::tls
