#include "core/tls/certificate_info.h"

#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "absl/strings/str_format.h"
#include "core/crypto/sha256.h"

namespace culvert::tls {
namespace {

// More names than anyone needs in a status; a certificate may hold thousands.
constexpr size_t kMaxNames = 64;
constexpr size_t kMaxNameLength = 255;

std::string TextOf(const ASN1_STRING* value) {
  uint8_t* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, value);
  if (size < 0) return {};
  std::string text(reinterpret_cast<const char*>(utf8), static_cast<size_t>(size));
  OPENSSL_free(utf8);
  return text;
}

// The first attribute of this kind; empty: there is none.
std::string Attribute(const X509_NAME* name, int nid) {
  const int at = X509_NAME_get_index_by_NID(name, nid, -1);
  if (at < 0) return {};
  return TextOf(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
}

std::string FormatIp(const ASN1_OCTET_STRING* address) {
  const uint8_t* bytes = ASN1_STRING_get0_data(address);
  const int size = ASN1_STRING_length(address);
  if (size == 4) return absl::StrFormat("%d.%d.%d.%d", bytes[0], bytes[1], bytes[2], bytes[3]);
  std::string text;
  if (size != 16) return text;
  for (int i = 0; i < 16; i += 2) {
    absl::StrAppendFormat(&text, "%s%x", i == 0 ? "" : ":", static_cast<unsigned>(bytes[i] << 8 | bytes[i + 1]));
  }
  return text;
}

std::vector<std::string> AlternativeNames(X509& certificate) {
  std::vector<std::string> names;
  const bssl::UniquePtr<GENERAL_NAMES> list(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (size_t i = 0; list != nullptr && i < sk_GENERAL_NAME_num(list.get()) && names.size() < kMaxNames; ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(list.get(), i);
    std::string text;
    if (name->type == GEN_DNS) text = TextOf(name->d.dNSName);
    if (name->type == GEN_URI) text = TextOf(name->d.uniformResourceIdentifier);
    if (name->type == GEN_EMAIL) text = TextOf(name->d.rfc822Name);
    if (name->type == GEN_IPADD) text = FormatIp(name->d.iPAddress);
    if (!text.empty()) names.push_back(Printable(text, kMaxNameLength));
  }
  return names;
}

int64_t TimeOf(const ASN1_TIME* time) {
  int64_t seconds = 0;
  return ASN1_TIME_to_posix(time, &seconds) ? seconds : 0;
}

}  // namespace

std::string Printable(std::string_view text, size_t limit) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    const bool plain = byte >= 0x20 && byte < 0x7f && c != '\\' && c != '"';
    const size_t needed = plain ? 1 : 4;
    if (out.size() + needed > limit) return out + "...";
    if (plain) {
      out += c;
    } else {
      absl::StrAppendFormat(&out, "\\x%02x", byte);
    }
  }
  return out;
}

std::string FormatTime(int64_t unix_seconds) {
  const time_t seconds = unix_seconds;
  std::tm parts{};
  std::array<char, 32> text{};
  if (gmtime_r(&seconds, &parts) == nullptr || parts.tm_year < -1900 || parts.tm_year > 8099 ||
      std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) {
    return absl::StrFormat("%d seconds since 1970", unix_seconds);
  }
  return text.data();
}

std::string FormatAge(int64_t seconds) {
  struct Unit {
    int64_t seconds;
    const char* name;
  };
  constexpr std::array<Unit, 4> kUnits = {{{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}}};
  const int64_t amount = seconds < 0 ? -seconds : seconds;
  for (const Unit& unit : kUnits) {
    if (amount < unit.seconds) continue;
    const int64_t count = amount / unit.seconds;
    return absl::StrFormat("%d %s%s", count, unit.name, count == 1 ? "" : "s");
  }
  return "0 seconds";
}

std::string DescribeName(const X509_NAME* name) {
  if (const std::string common_name = Attribute(name, NID_commonName); !common_name.empty())
    return "CN=" + Printable(common_name);
  if (const std::string organisation = Attribute(name, NID_organizationName); !organisation.empty())
    return "O=" + Printable(organisation);
  if (X509_NAME_entry_count(name) == 0) return "an empty name";
  char* line = X509_NAME_oneline(name, nullptr, 0);
  const std::string text = Printable(line == nullptr ? "" : line);
  OPENSSL_free(line);
  return text;
}

CertificateInfo DescribeCertificate(X509& certificate) {
  CertificateInfo info;
  info.names = AlternativeNames(certificate);
  info.subject = Printable(Attribute(X509_get_subject_name(&certificate), NID_commonName), kMaxNameLength);
  if (info.subject.empty() && !info.names.empty()) info.subject = info.names.front();
  info.not_before_unix_seconds = TimeOf(X509_get0_notBefore(&certificate));
  info.not_after_unix_seconds = TimeOf(X509_get0_notAfter(&certificate));
  info.spki = PinOf(certificate);
  return info;
}

SpkiPin PinOf(X509& certificate) {
  uint8_t* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(&certificate), &der);
  if (size <= 0) return {};
  const SpkiPin pin = Sha256(ByteView(der, static_cast<size_t>(size)));
  OPENSSL_free(der);
  return pin;
}

bssl::UniquePtr<X509> ParseCertificate(const CRYPTO_BUFFER& der) {
  // It takes a reference of its own, nothing else of the buffer changes.
  return bssl::UniquePtr<X509>(X509_parse_from_buffer(const_cast<CRYPTO_BUFFER*>(&der)));
}

std::string WeaknessOfKey(X509& certificate, KeyUse use) {
  const bssl::UniquePtr<EVP_PKEY> key(X509_get_pubkey(&certificate));
  ERR_clear_error();
  if (key == nullptr) return "of an unknown kind";
  if (EVP_PKEY_id(key.get()) == EVP_PKEY_RSA) {
    const unsigned bits = RSA_bits(EVP_PKEY_get0_RSA(key.get()));
    return bits >= 2048 ? "" : absl::StrFormat("RSA with %u bits, fewer than 2048", bits);
  }
  if (use == KeyUse::kAuthority) return "";
  switch (EVP_PKEY_id(key.get())) {
    case EVP_PKEY_EC: {
      const int curve = EC_GROUP_get_curve_name(EC_KEY_get0_group(EVP_PKEY_get0_EC_KEY(key.get())));
      if (curve == NID_X9_62_prime256v1 || curve == NID_secp384r1) return "";
      return absl::StrFormat("on the curve %s, not P-256 or P-384", OBJ_nid2sn(curve));
    }
    case EVP_PKEY_ED25519:
      return "";
    default:
      return absl::StrFormat("of the kind %s, not RSA, ECDSA or Ed25519", OBJ_nid2sn(EVP_PKEY_id(key.get())));
  }
}

bool HasWeakSignature(const X509& certificate) {
  int digest = NID_undef;
  int key = NID_undef;
  if (!OBJ_find_sigid_algs(X509_get_signature_nid(&certificate), &digest, &key)) return false;
  return digest == NID_sha1 || digest == NID_md5 || digest == NID_md4;
}

}  // namespace culvert::tls
