#include "tests/testing/certificate_maker.h"

#include "core/crypto/boringssl.h"

#include <openssl/base64.h>
#include <openssl/bio.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <ctime>

#include "core/base/check.h"

namespace culvert::testing {
namespace {

constexpr int64_t kHour = 3600;
constexpr int64_t kDay = 24 * kHour;

bssl::UniquePtr<EVP_PKEY> MakeRsaKey(int bits) {
  const bssl::UniquePtr<RSA> rsa(RSA_new());
  const bssl::UniquePtr<BIGNUM> exponent(BN_new());
  CULVERT_CHECK(BN_set_word(exponent.get(), RSA_F4));
  CULVERT_CHECK(RSA_generate_key_ex(rsa.get(), bits, exponent.get(), nullptr));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  CULVERT_CHECK(EVP_PKEY_set1_RSA(key.get(), rsa.get()));
  return key;
}

bssl::UniquePtr<EVP_PKEY> MakeEcKey(int curve) {
  const bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(curve));
  CULVERT_CHECK(EC_KEY_generate_key(ec.get()));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  CULVERT_CHECK(EVP_PKEY_set1_EC_KEY(key.get(), ec.get()));
  return key;
}

bssl::UniquePtr<EVP_PKEY> MakeEd25519Key() {
  const bssl::UniquePtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nullptr));
  EVP_PKEY* key = nullptr;
  CULVERT_CHECK(EVP_PKEY_keygen_init(context.get()) && EVP_PKEY_keygen(context.get(), &key));
  return bssl::UniquePtr<EVP_PKEY>(key);
}

bssl::UniquePtr<EVP_PKEY> MakeKey(KeyKind kind) {
  switch (kind) {
    case KeyKind::kP256:
      return MakeEcKey(NID_X9_62_prime256v1);
    case KeyKind::kP384:
      return MakeEcKey(NID_secp384r1);
    case KeyKind::kP521:
      return MakeEcKey(NID_secp521r1);
    case KeyKind::kEd25519:
      return MakeEd25519Key();
    case KeyKind::kRsa1024:
      return MakeRsaKey(1024);
    case KeyKind::kRsa2048:
      return MakeRsaKey(2048);
  }
  return nullptr;
}

// The text that `write` puts into a BIO.
template <typename Write>
std::string TextOf(Write write) {
  const bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  CULVERT_CHECK(write(bio.get()));
  const uint8_t* bytes = nullptr;
  size_t size = 0;
  CULVERT_CHECK(BIO_mem_contents(bio.get(), &bytes, &size));
  return std::string(reinterpret_cast<const char*>(bytes), size);
}

bssl::UniquePtr<BIO> ReaderOf(const std::string& text) {
  return bssl::UniquePtr<BIO>(BIO_new_mem_buf(text.data(), static_cast<ossl_ssize_t>(text.size())));
}

bssl::UniquePtr<X509> ReadCertificate(const std::string& pem) {
  return bssl::UniquePtr<X509>(PEM_read_bio_X509(ReaderOf(pem).get(), nullptr, nullptr, nullptr));
}

bssl::UniquePtr<EVP_PKEY> ReadKey(const std::string& pem) {
  return bssl::UniquePtr<EVP_PKEY>(PEM_read_bio_PrivateKey(ReaderOf(pem).get(), nullptr, nullptr, nullptr));
}

void AddExtension(X509* certificate, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const bssl::UniquePtr<X509_EXTENSION> extension(X509V3_EXT_nconf_nid(nullptr, &context, nid, value.c_str()));
  CULVERT_CHECK(extension != nullptr);
  CULVERT_CHECK(X509_add_ext(certificate, extension.get(), -1));
}

// A name of subjectAltName. Made without BoringSSL's text form, where commas and colons have meanings.
bssl::UniquePtr<GENERAL_NAME> MakeName(const std::string& name) {
  bssl::UniquePtr<GENERAL_NAME> made(GENERAL_NAME_new());
  if (ASN1_OCTET_STRING* address = a2i_IPADDRESS(name.c_str()); address != nullptr) {
    GENERAL_NAME_set0_value(made.get(), GEN_IPADD, address);
    return made;
  }
  int type = GEN_DNS;
  std::string text = name;
  if (name.starts_with("URI:")) {
    type = GEN_URI;
    text = name.substr(4);
  } else if (name.starts_with("email:")) {
    type = GEN_EMAIL;
    text = name.substr(6);
  }
  ASN1_IA5STRING* value = ASN1_IA5STRING_new();
  CULVERT_CHECK(ASN1_STRING_set(value, text.data(), static_cast<ossl_ssize_t>(text.size())));
  GENERAL_NAME_set0_value(made.get(), type, value);
  return made;
}

void AddNames(X509* certificate, const std::vector<std::string>& names) {
  if (names.empty()) return;
  const bssl::UniquePtr<GENERAL_NAMES> list(sk_GENERAL_NAME_new_null());
  for (const std::string& name : names) CULVERT_CHECK(bssl::PushToStack(list.get(), MakeName(name)));
  CULVERT_CHECK(X509_add1_ext_i2d(certificate, NID_subject_alt_name, list.get(), 0, 0));
}

void AddUsage(X509* certificate, const CertificateOptions& options) {
  AddExtension(certificate, NID_basic_constraints, options.is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  AddExtension(certificate, NID_key_usage, options.is_authority ? "critical,keyCertSign" : "critical,digitalSignature");
  if (options.is_authority) return;
  std::string usages;
  if (options.is_for_servers) usages = "serverAuth";
  if (options.is_for_clients) usages += usages.empty() ? "clientAuth" : ",clientAuth";
  if (!usages.empty()) AddExtension(certificate, NID_ext_key_usage, usages);
}

void SetSubject(X509* certificate, const CertificateOptions& options) {
  X509_NAME* name = X509_get_subject_name(certificate);
  if (options.common_name.empty()) return;
  CULVERT_CHECK(X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                           reinterpret_cast<const uint8_t*>(options.common_name.data()),
                                           static_cast<ossl_ssize_t>(options.common_name.size()), -1, 0));
}

void SetTimes(X509* certificate, const CertificateOptions& options) {
  const int64_t now = std::time(nullptr);
  const int64_t from = options.not_before_unix_seconds != 0 ? options.not_before_unix_seconds : now - kHour;
  const int64_t until = options.not_after_unix_seconds != 0 ? options.not_after_unix_seconds : now + 30 * kDay;
  CULVERT_CHECK(ASN1_TIME_set_posix(X509_getm_notBefore(certificate), from));
  CULVERT_CHECK(ASN1_TIME_set_posix(X509_getm_notAfter(certificate), until));
}

std::string PinOf(X509* certificate) {
  uint8_t* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  CULVERT_CHECK(size > 0);
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(der, static_cast<size_t>(size), digest);
  OPENSSL_free(der);
  uint8_t text[45];
  EVP_EncodeBlock(text, digest, sizeof digest);
  return std::string("sha256/") + reinterpret_cast<const char*>(text);
}

void Sign(X509* certificate, EVP_PKEY* key, bool sha1) {
  const EVP_MD* digest = sha1 ? EVP_sha1() : EVP_sha256();
  if (EVP_PKEY_id(key) == EVP_PKEY_ED25519) digest = nullptr;
  CULVERT_CHECK(X509_sign(certificate, key, digest) > 0);
}

}  // namespace

Certificate MakeCertificate(const CertificateOptions& options, const Certificate* authority) {
  const bssl::UniquePtr<EVP_PKEY> key = MakeKey(options.key);
  const bssl::UniquePtr<X509> certificate(X509_new());
  CULVERT_CHECK(X509_set_version(certificate.get(), X509_VERSION_3));
  const bssl::UniquePtr<BIGNUM> serial(BN_new());
  CULVERT_CHECK(BN_rand(serial.get(), 120, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY));
  CULVERT_CHECK(BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate.get())));
  SetSubject(certificate.get(), options);
  SetTimes(certificate.get(), options);
  CULVERT_CHECK(X509_set_pubkey(certificate.get(), key.get()));
  AddUsage(certificate.get(), options);
  AddNames(certificate.get(), options.names);
  if (authority == nullptr) {
    CULVERT_CHECK(X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get())));
    Sign(certificate.get(), key.get(), options.is_signed_with_sha1);
  } else {
    const bssl::UniquePtr<X509> issuer = ReadCertificate(authority->certificate_pem);
    const bssl::UniquePtr<EVP_PKEY> issuer_key = ReadKey(authority->private_key_pem);
    CULVERT_CHECK(issuer != nullptr && issuer_key != nullptr);
    CULVERT_CHECK(X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer.get())));
    Sign(certificate.get(), issuer_key.get(), options.is_signed_with_sha1);
  }
  Certificate made;
  made.certificate_pem = TextOf([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate.get()); });
  made.private_key_pem = TextOf(
      [&](BIO* bio) { return PEM_write_bio_PKCS8PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr); });
  made.pin = PinOf(certificate.get());
  const bool is_root = authority == nullptr && options.is_authority;
  if (!is_root) made.chain_pem = made.certificate_pem + (authority == nullptr ? "" : authority->chain_pem);
  return made;
}

Certificate MakeCa(const std::string& common_name) {
  return MakeCertificate({.common_name = common_name, .is_authority = true}, nullptr);
}

Certificate MakeIntermediate(const Certificate& authority, const std::string& common_name) {
  return MakeCertificate({.common_name = common_name, .is_authority = true}, &authority);
}

Certificate MakeLeaf(const Certificate& authority, const std::vector<std::string>& names,
                     int64_t not_before_unix_seconds, int64_t not_after_unix_seconds) {
  return MakeCertificate({.common_name = names.empty() ? "" : names.front(),
                          .names = names,
                          .not_before_unix_seconds = not_before_unix_seconds,
                          .not_after_unix_seconds = not_after_unix_seconds},
                         &authority);
}

Certificate MakeSelfSigned(const std::vector<std::string>& names) {
  return MakeCertificate({.common_name = names.empty() ? "" : names.front(), .names = names}, nullptr);
}

}  // namespace culvert::testing
