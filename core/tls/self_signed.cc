#include "core/tls/self_signed.h"

#include "core/tls/boringssl_types.h"

#include <openssl/asn1.h>
#include <openssl/bytestring.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <array>
#include <utility>

#include "absl/status/status.h"
#include "core/base/status_macros.h"
#include "core/crypto/secret.h"
#include "core/tls/failure_text.h"
#include "core/tls/pem.h"

namespace culvert::tls {
namespace {

constexpr size_t kMaxCommonNameBytes = 64;  // RFC 5280 appendix A, ub-common-name
constexpr long kVersion3 = 2;
constexpr size_t kSerialBytes = 16;         // RFC 5280 section 4.1.2.2: at most 20

absl::Status Failed(const char* step) {
  return absl::InternalError(std::string("a certificate cannot be made: ") + step + ": " + TakeErrorText());
}

bool IsP256(const EVP_PKEY& key) {
  const EC_KEY* ec = EVP_PKEY_id(&key) == EVP_PKEY_EC ? EVP_PKEY_get0_EC_KEY(&key) : nullptr;
  return ec != nullptr && EC_GROUP_get_curve_name(EC_KEY_get0_group(ec)) == NID_X9_62_prime256v1;
}

absl::StatusOr<bssl::UniquePtr<EVP_PKEY>> NewKey() {
  bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (ec == nullptr || key == nullptr || !EC_KEY_generate_key(ec.get()) || !EVP_PKEY_set1_EC_KEY(key.get(), ec.get())) {
    return Failed("key");
  }
  return key;
}

absl::StatusOr<bssl::UniquePtr<EVP_PKEY>> KeyFor(const SelfSignedOptions& options) {
  if (options.private_key_pem.empty()) return NewKey();
  CULVERT_ASSIGN_OR_RETURN(bssl::UniquePtr<EVP_PKEY> key, ReadPrivateKey(options.private_key_pem));
  if (!IsP256(*key)) return absl::InvalidArgumentError("private_key_pem: is not an ECDSA key on P-256");
  return key;
}

bool SetSerial(X509& certificate) {
  std::array<uint8_t, kSerialBytes> bytes;
  RAND_bytes(bytes.data(), bytes.size());
  bytes[0] = static_cast<uint8_t>((bytes[0] & 0x7f) | 0x40);  // positive, and always of the full length
  const bssl::UniquePtr<BIGNUM> number(BN_bin2bn(bytes.data(), bytes.size(), nullptr));
  const bssl::UniquePtr<ASN1_INTEGER> serial(number ? BN_to_ASN1_INTEGER(number.get(), nullptr) : nullptr);
  return serial != nullptr && X509_set_serialNumber(&certificate, serial.get());
}

bool SetName(X509& certificate, const std::string& name) {
  X509_NAME* subject = X509_get_subject_name(&certificate);
  return X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                    reinterpret_cast<const uint8_t*>(name.data()),
                                    static_cast<ossl_ssize_t>(name.size()), -1, 0) &&
         X509_set_issuer_name(&certificate, subject);
}

bool SetTimes(X509& certificate, int64_t not_before, int64_t not_after) {
  return ASN1_TIME_set_posix(X509_getm_notBefore(&certificate), not_before) != nullptr &&
         ASN1_TIME_set_posix(X509_getm_notAfter(&certificate), not_after) != nullptr;
}

bool AddAlternativeName(X509& certificate, const std::string& name) {
  const bssl::UniquePtr<GENERAL_NAMES> names(GENERAL_NAMES_new());
  bssl::UniquePtr<GENERAL_NAME> entry(GENERAL_NAME_new());
  bssl::UniquePtr<ASN1_IA5STRING> text(ASN1_IA5STRING_new());
  if (names == nullptr || entry == nullptr || text == nullptr) return false;
  if (!ASN1_STRING_set(text.get(), name.data(), static_cast<ossl_ssize_t>(name.size()))) return false;
  GENERAL_NAME_set0_value(entry.get(), GEN_DNS, text.release());
  if (!sk_GENERAL_NAME_push(names.get(), entry.get())) return false;
  static_cast<void>(entry.release());  // it is the list's now
  return X509_add1_ext_i2d(&certificate, NID_subject_alt_name, names.get(), /*crit=*/0, X509V3_ADD_DEFAULT) == 1;
}

// For what this certificate is good: to sign the handshakes of a server, and no other certificate.
bool AddUsage(X509& certificate) {
  const bssl::UniquePtr<BASIC_CONSTRAINTS> constraints(BASIC_CONSTRAINTS_new());
  const bssl::UniquePtr<ASN1_BIT_STRING> usage(ASN1_BIT_STRING_new());
  const bssl::UniquePtr<EXTENDED_KEY_USAGE> purposes(sk_ASN1_OBJECT_new_null());
  if (constraints == nullptr || usage == nullptr || purposes == nullptr) return false;
  if (!ASN1_BIT_STRING_set_bit(usage.get(), 0, 1)) return false;  // digitalSignature
  if (!sk_ASN1_OBJECT_push(purposes.get(), OBJ_nid2obj(NID_server_auth))) return false;
  return X509_add1_ext_i2d(&certificate, NID_basic_constraints, constraints.get(), /*crit=*/1, X509V3_ADD_DEFAULT) == 1 &&
         X509_add1_ext_i2d(&certificate, NID_key_usage, usage.get(), /*crit=*/1, X509V3_ADD_DEFAULT) == 1 &&
         X509_add1_ext_i2d(&certificate, NID_ext_key_usage, purposes.get(), /*crit=*/0, X509V3_ADD_DEFAULT) == 1;
}

// Takes what was written to `bio` and erases it there.
std::string TakeText(BIO& bio) {
  const uint8_t* bytes = nullptr;
  size_t size = 0;
  if (!BIO_mem_contents(&bio, &bytes, &size)) return {};
  std::string text(reinterpret_cast<const char*>(bytes), size);
  SecureErase({const_cast<uint8_t*>(bytes), size});
  return text;
}

}  // namespace

SelfSigned::~SelfSigned() { SecureErase({reinterpret_cast<uint8_t*>(private_key_pem.data()), private_key_pem.size()}); }

absl::StatusOr<SelfSigned> MakeSelfSigned(const SelfSignedOptions& options) {
  if (options.name.empty() || options.name.size() > kMaxCommonNameBytes) {
    return absl::InvalidArgumentError("name: has 1 to 64 bytes");
  }
  if (options.not_after_unix_seconds <= options.not_before_unix_seconds) {
    return absl::InvalidArgumentError("not_after_unix_seconds: is not after not_before_unix_seconds");
  }
  CULVERT_ASSIGN_OR_RETURN(const bssl::UniquePtr<EVP_PKEY> key, KeyFor(options));
  const bssl::UniquePtr<X509> certificate(X509_new());
  if (certificate == nullptr || !X509_set_version(certificate.get(), kVersion3)) return Failed("version");
  if (!SetSerial(*certificate) || !SetName(*certificate, options.name)) return Failed("name");
  if (!SetTimes(*certificate, options.not_before_unix_seconds, options.not_after_unix_seconds)) return Failed("times");
  if (!X509_set_pubkey(certificate.get(), key.get())) return Failed("public key");
  if (!AddAlternativeName(*certificate, options.name) || !AddUsage(*certificate)) return Failed("extensions");
  if (X509_sign(certificate.get(), key.get(), EVP_sha256()) == 0) return Failed("signature");

  const bssl::UniquePtr<BIO> public_part(BIO_new(BIO_s_mem()));
  const bssl::UniquePtr<BIO> private_part(BIO_new(BIO_s_mem()));
  if (public_part == nullptr || !PEM_write_bio_X509(public_part.get(), certificate.get())) return Failed("PEM");
  if (private_part == nullptr ||
      !PEM_write_bio_PKCS8PrivateKey(private_part.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr)) {
    return Failed("PEM of the key");
  }
  SelfSigned made;
  made.certificate_pem = TakeText(*public_part);
  made.private_key_pem = TakeText(*private_part);
  return made;
}

}  // namespace culvert::tls
