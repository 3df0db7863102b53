// What TlsContext::Create refuses, and what it tells about an own certificate.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/tls/tls_pair.h"

namespace culvert::tls {
namespace {

using testing::Certificate;
using testing::KeyKind;

std::string ErrorOf(const TlsOptions& options) {
  const auto context = TlsContext::Create(options);
  if (context.ok()) return "no error";
  EXPECT_EQ(context.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(context.status().message());
}

std::string ErrorWithKey(KeyKind kind) {
  const Certificate ca = testing::MakeCa("ca");
  const Certificate leaf = testing::MakeCertificate({.common_name = "a.example", .key = kind}, &ca);
  TlsOptions options{.role = Role::kServer};
  UseCertificate(options, leaf);
  return ErrorOf(options);
}

TEST(TlsContext, TellsOfItsOwnCertificate) {
  const Certificate ca = testing::MakeCa("ca");
  const Certificate leaf = testing::MakeLeaf(
      ca, {"far.example", "10.0.0.1", "2001:db8::1", "URI:spiffe://x/y", "email:a@b.example"}, 1000000, 2000000);
  TlsOptions options{.role = Role::kServer};
  UseCertificate(options, leaf);
  const ContextPtr context = MakeContext(options);
  EXPECT_EQ(context->role(), Role::kServer);
  ASSERT_TRUE(context->own_certificate().has_value());
  const CertificateInfo& info = *context->own_certificate();
  EXPECT_EQ(info.subject, "far.example");
  EXPECT_EQ(info.names, (std::vector<std::string>{"far.example", "10.0.0.1", "2001:db8:0:0:0:0:0:1", "spiffe://x/y",
                                                  "a@b.example"}));
  // An expired one is no error: whoever asks decides.
  EXPECT_EQ(info.not_before_unix_seconds, 1000000);
  EXPECT_EQ(info.not_after_unix_seconds, 2000000);
  EXPECT_EQ(FormatSpkiPin(info.spki), leaf.pin);
}

TEST(TlsContext, ACertificateWithoutCommonNameIsCalledByItsFirstName) {
  const Certificate ca = testing::MakeCa("ca");
  TlsOptions options{.role = Role::kServer};
  const Certificate leaf = testing::MakeCertificate({.names = {"URI:spiffe://a/b"}}, &ca);
  UseCertificate(options, leaf);
  EXPECT_EQ(MakeContext(options)->own_certificate()->subject, "spiffe://a/b");
}

TEST(TlsContext, MissingPartsAreNamed) {
  const Identity identity;
  EXPECT_EQ(ErrorOf({.role = Role::kServer}), "certificate_pem: is missing; a server needs a certificate");
  EXPECT_EQ(ErrorOf({}), "trust_pem: is missing; a client must know whom to trust");
  TlsOptions options = identity.ServerOptions();
  options.private_key_pem = {};
  EXPECT_EQ(ErrorOf(options), "private_key_pem: is missing; the certificate needs its key");
  options = identity.ServerOptions();
  options.certificate_pem = "";
  options.role = Role::kClient;
  EXPECT_EQ(ErrorOf(options), "certificate_pem: is missing, but there is a private key");
  options = identity.ServerOptions();
  options.require_peer_certificate = true;
  EXPECT_THAT(ErrorOf(options), ::testing::StartsWith("trust_pem: is missing"));
  options = identity.ServerOptions();
  options.allowed_peer_names = {"a"};
  EXPECT_THAT(ErrorOf(options), ::testing::StartsWith("trust_pem: is missing"));
  options = identity.ClientOptions();
  options.require_peer_certificate = true;
  EXPECT_THAT(ErrorOf(options), ::testing::StartsWith("require_peer_certificate: "));
  options = identity.ServerOptions();
  options.skip_verification = true;
  EXPECT_THAT(ErrorOf(options), ::testing::StartsWith("skip_verification: "));
}

TEST(TlsContext, WhatCannotBeParsedIsNamedAndNotShown) {
  const Identity identity;
  TlsOptions options = identity.ServerOptions();
  options.certificate_pem = "hello";
  EXPECT_EQ(ErrorOf(options), "certificate_pem: holds no certificate in PEM form (BEGIN CERTIFICATE)");
  options.certificate_pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  EXPECT_EQ(ErrorOf(options), "certificate_pem: certificate 1 cannot be parsed");
  options.certificate_pem = identity.leaf.certificate_pem.substr(0, 100);
  EXPECT_EQ(ErrorOf(options), "certificate_pem: block 1 is not well-formed PEM");
  options = identity.ServerOptions();
  const std::string broken = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
  options.private_key_pem = AsBytes(broken);
  EXPECT_EQ(ErrorOf(options), "private_key_pem: holds no private key in PEM form that can be read");
  const std::string encrypted =
      "-----BEGIN ENCRYPTED PRIVATE KEY-----\nc2VjcmV0\n-----END ENCRYPTED PRIVATE KEY-----\n";
  options.private_key_pem = AsBytes(encrypted);
  EXPECT_EQ(ErrorOf(options), "private_key_pem: the key is encrypted; give it without a password");
  options = identity.ClientOptions();
  options.trust_pem = identity.ca.certificate_pem + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  EXPECT_EQ(ErrorOf(options), "trust_pem: certificate 2 cannot be parsed");
}

TEST(TlsContext, TheKeyMustBelongToTheFirstCertificate) {
  const Identity identity;
  TlsOptions options = identity.ServerOptions();
  options.private_key_pem = AsBytes(identity.ca.private_key_pem);
  EXPECT_EQ(ErrorOf(options),
            "private_key_pem: is not the key of the first certificate of certificate_pem (far.example)");
  options = identity.ServerOptions();
  options.certificate_pem = identity.ca.certificate_pem + identity.leaf.certificate_pem;
  EXPECT_EQ(ErrorOf(options),
            "private_key_pem: belongs to certificate 2 of certificate_pem, not to the first; the leaf must come first");
}

TEST(TlsContext, OtherBlocksInAPemFileArePassedOver) {
  const Identity identity;
  TlsOptions options = identity.ServerOptions();
  const std::string both = "a comment\n" + identity.leaf.private_key_pem + identity.leaf.certificate_pem;
  options.certificate_pem = both;
  options.private_key_pem = AsBytes(both);
  EXPECT_EQ(ErrorOf(options), "no error");
}

TEST(TlsContext, KeysAreJudged) {
  EXPECT_EQ(ErrorWithKey(KeyKind::kP256), "no error");
  EXPECT_EQ(ErrorWithKey(KeyKind::kP384), "no error");
  EXPECT_EQ(ErrorWithKey(KeyKind::kEd25519), "no error");
  EXPECT_EQ(ErrorWithKey(KeyKind::kRsa2048), "no error");
  EXPECT_EQ(ErrorWithKey(KeyKind::kRsa1024),
            "certificate_pem: the key of a.example is RSA with 1024 bits, fewer than 2048");
  EXPECT_EQ(ErrorWithKey(KeyKind::kP521),
            "certificate_pem: the key of a.example is on the curve secp521r1, not P-256 or P-384");
}

TEST(TlsContext, ABrokenSignatureHashIsRefused) {
  const Certificate ca = testing::MakeCa("ca");
  const Certificate leaf = testing::MakeCertificate({.common_name = "a.example", .is_signed_with_sha1 = true}, &ca);
  TlsOptions options{.role = Role::kServer};
  UseCertificate(options, leaf);
  EXPECT_EQ(ErrorOf(options),
            "certificate_pem: the certificate of a.example is signed with a broken hash (SHA-1 or MD5)");
}

TEST(TlsContext, AlpnNamesHaveBounds) {
  const Identity identity;
  TlsOptions options = identity.ClientOptions();
  options.alpn = {"h2", ""};
  EXPECT_EQ(ErrorOf(options), "alpn: a name has 0 bytes, which is not in [1, 255]");
  options.alpn = {std::string(256, 'a')};
  EXPECT_EQ(ErrorOf(options), "alpn: a name has 256 bytes, which is not in [1, 255]");
  options.alpn = {std::string(255, 'a')};
  EXPECT_EQ(ErrorOf(options), "no error");
  options.alpn.assign(300, std::string(255, 'a'));
  EXPECT_THAT(ErrorOf(options), ::testing::StartsWith("alpn: "));
}

TEST(SpkiPins, AreReadAsTheyAreWritten) {
  const std::string text = "sha256/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
  const auto pin = ParseSpkiPin(text);
  ASSERT_TRUE(pin.ok()) << pin.status();
  for (size_t i = 0; i < pin->size(); ++i) EXPECT_EQ((*pin)[i], i);
  EXPECT_EQ(FormatSpkiPin(*pin), text);
  for (const char* wrong :
       {"", "sha256/", "sha1/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "sha256/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",   // no padding
        "sha256/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=",  // bits that stand for nothing
        "sha256/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8f",  // 33 bytes
        "sha256/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxw*Hh8=", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}) {
    EXPECT_EQ(ParseSpkiPin(wrong).status().code(), absl::StatusCode::kInvalidArgument) << wrong;
  }
}

}  // namespace
}  // namespace culvert::tls
