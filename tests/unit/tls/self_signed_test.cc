// Certificates of our own making: what they say, that peers can pin them, and that a renewal keeps the pin.
#include "core/tls/self_signed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>

#include "tests/unit/tls/tls_pair.h"

namespace culvert::tls {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kBegin = 1'700'000'000;
constexpr int64_t kEnd = kBegin + 10 * 365 * 86400;

SelfSignedOptions Options(const std::string& name = "quic.internal.v2ray.com") {
  return {.name = name, .not_before_unix_seconds = kBegin, .not_after_unix_seconds = kEnd, .private_key_pem = {}};
}

ContextPtr ServerOf(const SelfSigned& made) {
  TlsOptions options{.role = Role::kServer};
  options.certificate_pem = made.certificate_pem;
  options.private_key_pem = AsBytes(made.private_key_pem);
  options.alpn = {"h2"};
  return MakeContext(options);
}

TEST(SelfSigned, SaysWhatItWasAskedTo) {
  const auto made = MakeSelfSigned(Options());
  ASSERT_TRUE(made.ok()) << made.status();
  const ContextPtr context = ServerOf(*made);
  ASSERT_TRUE(context->own_certificate().has_value());
  EXPECT_EQ(context->own_certificate()->subject, "quic.internal.v2ray.com");
  EXPECT_THAT(context->own_certificate()->names, ElementsAre("quic.internal.v2ray.com"));
  EXPECT_EQ(context->own_certificate()->not_before_unix_seconds, kBegin);
  EXPECT_EQ(context->own_certificate()->not_after_unix_seconds, kEnd);
}

TEST(SelfSigned, ValidBeyond2049) {
  // Above that year X.509 writes times in another form (RFC 5280 section 4.1.2.5).
  SelfSignedOptions options = Options();
  options.not_after_unix_seconds = 2'524'608'000 + 86400;
  const auto made = MakeSelfSigned(options);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(ServerOf(*made)->own_certificate()->not_after_unix_seconds, options.not_after_unix_seconds);
}

TEST(SelfSigned, APeerConnectsByItsPin) {
  const auto made = MakeSelfSigned(Options());
  ASSERT_TRUE(made.ok()) << made.status();
  const ContextPtr server = ServerOf(*made);
  TlsOptions client{.role = Role::kClient};
  client.pinned_spki = {server->own_certificate()->spki};
  client.alpn = {"h2"};
  TlsPair good(MakeContext(client), server, {.server_name = "anything.example"});
  good.MustConnect();

  client.pinned_spki.front()[0] ^= 1;
  TlsPair bad(MakeContext(client), server, {.server_name = "anything.example"});
  EXPECT_FALSE(bad.Handshake());
}

TEST(SelfSigned, APeerThatTrustsItVerifiesChainAndName) {
  const int64_t now = std::time(nullptr);
  SelfSignedOptions options = Options();
  options.not_before_unix_seconds = now - 3600;
  options.not_after_unix_seconds = now + 3600;
  const auto made = MakeSelfSigned(options);
  ASSERT_TRUE(made.ok()) << made.status();
  TlsOptions client{.role = Role::kClient};
  client.trust_pem = made->certificate_pem;
  client.alpn = {"h2"};
  TlsPair good(MakeContext(client), ServerOf(*made), {.server_name = "quic.internal.v2ray.com"});
  good.MustConnect();
  TlsPair bad(MakeContext(client), ServerOf(*made), {.server_name = "far.example"});
  EXPECT_FALSE(bad.Handshake());
}

TEST(SelfSigned, ARenewalKeepsTheKeyAndThePin) {
  const auto first = MakeSelfSigned(Options());
  ASSERT_TRUE(first.ok()) << first.status();
  SelfSignedOptions options = Options();
  options.not_after_unix_seconds += 86400;
  options.private_key_pem = AsBytes(first->private_key_pem);
  const auto second = MakeSelfSigned(options);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->private_key_pem, first->private_key_pem);
  EXPECT_NE(second->certificate_pem, first->certificate_pem);
  EXPECT_EQ(ServerOf(*second)->own_certificate()->spki, ServerOf(*first)->own_certificate()->spki);
  EXPECT_EQ(ServerOf(*second)->own_certificate()->not_after_unix_seconds, kEnd + 86400);
}

TEST(SelfSigned, EachHasItsOwnKey) {
  const auto one = MakeSelfSigned(Options());
  const auto other = MakeSelfSigned(Options());
  ASSERT_TRUE(one.ok() && other.ok());
  EXPECT_NE(ServerOf(*one)->own_certificate()->spki, ServerOf(*other)->own_certificate()->spki);
}

TEST(SelfSigned, RefusesWhatMakesNoSense) {
  const auto error = [](const SelfSignedOptions& options) {
    const auto made = MakeSelfSigned(options);
    EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(made.status().message());
  };
  EXPECT_THAT(error(Options("")), HasSubstr("name"));
  EXPECT_THAT(error(Options(std::string(65, 'a'))), HasSubstr("name"));
  SelfSignedOptions no_time = Options();
  no_time.not_after_unix_seconds = kBegin;
  EXPECT_THAT(error(no_time), HasSubstr("not_after"));
  SelfSignedOptions bad_key = Options();
  const std::string text = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
  bad_key.private_key_pem = AsBytes(text);
  EXPECT_THAT(error(bad_key), HasSubstr("private_key_pem"));
  EXPECT_THAT(error(bad_key), Not(HasSubstr("AAAA")));
  const testing::Certificate rsa = testing::MakeCertificate({.common_name = "a.example", .key = testing::KeyKind::kRsa2048}, nullptr);
  SelfSignedOptions other_kind = Options();
  other_kind.private_key_pem = AsBytes(rsa.private_key_pem);
  EXPECT_THAT(error(other_kind), HasSubstr("P-256"));
}

}  // namespace
}  // namespace culvert::tls
