#include "core/tls/peer_verification.h"

#include <openssl/err.h>
#include <openssl/mem.h>

#include <algorithm>

#include "absl/strings/str_format.h"
#include "core/crypto/secret.h"
#include "core/tls/certificate_info.h"

namespace culvert::tls {
namespace {

// Authorities between a leaf and its root. Real chains have one or two; each costs us a signature.
constexpr int kMaxDepth = 8;
constexpr size_t kNamesTold = 3;
constexpr size_t kNameLengthTold = 80;

// DNS names are those of subjectAltName only: a common name is no promise about hosts (RFC 6125 appendix B.2).
constexpr unsigned kNameFlags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;

PeerVerdict Rejected(int alert, std::string message) {
  return {false, static_cast<uint8_t>(alert), std::move(message)};
}

bool HasUri(X509& leaf, std::string_view name) {
  const bssl::UniquePtr<GENERAL_NAMES> list(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&leaf, NID_subject_alt_name, nullptr, nullptr)));
  for (size_t i = 0; list != nullptr && i < sk_GENERAL_NAME_num(list.get()); ++i) {
    const GENERAL_NAME* entry = sk_GENERAL_NAME_value(list.get(), i);
    if (entry->type != GEN_URI) continue;
    const ASN1_STRING* uri = entry->d.uniformResourceIdentifier;
    const ByteView bytes(ASN1_STRING_get0_data(uri), static_cast<size_t>(ASN1_STRING_length(uri)));
    if (AsText(bytes) == name) return true;
  }
  return false;
}

bool HasHost(X509& leaf, std::string_view given) {
  const std::string name(BareName(given));
  if (IsIpAddress(name)) return X509_check_ip_asc(&leaf, name.c_str(), 0) == 1;
  // A dot in front would ask for any name below.
  if (name.empty() || name.front() == '.') return false;
  return X509_check_host(&leaf, name.data(), name.size(), kNameFlags, nullptr) == 1;
}

bool HasAllowedName(X509& leaf, std::string_view name) {
  if (name.empty()) return false;
  return HasHost(leaf, name) || HasUri(leaf, name) ||
         X509_check_email(&leaf, name.data(), name.size(), kNameFlags) == 1;
}

// "a.example, b.example and 7 more". REQUIRES: the names are printable.
std::string List(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < kNamesTold; ++i) {
    const bool is_long = names[i].size() > kNameLengthTold;
    text += (i == 0 ? "" : ", ") + (is_long ? names[i].substr(0, kNameLengthTold) + "..." : names[i]);
  }
  if (names.size() > kNamesTold) text += absl::StrFormat(" and %d more", names.size() - kNamesTold);
  return text;
}

std::string ListAllowed(const PeerRules& rules) {
  std::vector<std::string> printable;
  for (const std::string& name : rules.allowed_names) printable.push_back(Printable(name));
  return List(printable);
}

std::string NamesOf(X509& leaf) {
  const CertificateInfo info = DescribeCertificate(leaf);
  if (!info.names.empty()) return List(info.names);
  return "no name of subjectAltName (subject: " + DescribeName(X509_get_subject_name(&leaf)) + ")";
}

PeerVerdict CheckName(const PeerRules& rules, X509& leaf, std::string_view server_name) {
  if (!rules.allowed_names.empty()) {
    for (const std::string& name : rules.allowed_names) {
      if (HasAllowedName(leaf, name)) return {.accepted = true};
    }
    return Rejected(SSL_AD_BAD_CERTIFICATE,
                    absl::StrFormat("the peer's certificate is for %s, which is none of the allowed names: %s",
                                    NamesOf(leaf), ListAllowed(rules)));
  }
  // Without a chain nobody vouches for the name; a client is whoever its chain or pin says.
  if (!rules.peer_is_server || rules.trust == nullptr) return {.accepted = true};
  if (server_name.empty())
    return Rejected(SSL_AD_INTERNAL_ERROR, "there is no server name to check the peer's certificate against");
  if (HasHost(leaf, server_name)) return {.accepted = true};
  return Rejected(SSL_AD_BAD_CERTIFICATE, absl::StrFormat("the peer's certificate is for %s, not %s", NamesOf(leaf),
                                                          Printable(BareName(server_name), 255)));
}

PeerVerdict CheckPin(const PeerRules& rules, X509& leaf) {
  if (rules.pins.empty()) return {.accepted = true};
  const SpkiPin shown = PinOf(leaf);
  for (const SpkiPin& pin : rules.pins) {
    if (ConstantTimeEqual(pin, shown)) return {.accepted = true};
  }
  const std::string which = rules.pins.size() == 1
                                ? absl::StrFormat("not the pinned %s", FormatSpkiPin(rules.pins.front()))
                                : absl::StrFormat("not one of the %d pinned", rules.pins.size());
  return Rejected(SSL_AD_BAD_CERTIFICATE, absl::StrFormat("the peer's key %s is %s", FormatSpkiPin(shown), which));
}

bool IsSelfIssued(const X509* certificate) {
  return certificate != nullptr &&
         X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)) == 0;
}

// What X509_verify_cert found, in words. `at`: the certificate it found it in, `depth` steps from the leaf.
std::string DescribeChainError(int error, X509* at, int depth, bool peer_is_server, int64_t now) {
  const std::string whose = depth == 0 || at == nullptr ? "the peer's certificate"
                                                        : absl::StrFormat("the certificate of the peer's authority %s",
                                                                          DescribeName(X509_get_subject_name(at)));
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED: {
      const int64_t when = DescribeCertificate(*at).not_after_unix_seconds;
      return absl::StrFormat("%s expired %s ago (%s)", whose, FormatAge(now - when), FormatTime(when));
    }
    case X509_V_ERR_CERT_NOT_YET_VALID: {
      const int64_t when = DescribeCertificate(*at).not_before_unix_seconds;
      return absl::StrFormat("%s becomes valid in %s (%s)", whose, FormatAge(when - now), FormatTime(when));
    }
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      if (depth == 0 && IsSelfIssued(at))
        return "the peer's certificate is self-signed and not trusted: " + DescribeName(X509_get_subject_name(at));
      return absl::StrFormat("%s is signed by an unknown authority: %s", whose,
                             at == nullptr ? "?" : DescribeName(X509_get_issuer_name(at)));
    case X509_V_ERR_INVALID_PURPOSE:
      return absl::StrFormat("%s is not meant for a %s (extended key usage)", whose,
                             peer_is_server ? "server" : "client");
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return absl::StrFormat("%s has a signature that %s did not make", whose,
                             at == nullptr ? "its authority" : DescribeName(X509_get_issuer_name(at)));
    case X509_V_ERR_INVALID_CA:
      return absl::StrFormat("%s signed another, but is no authority", whose);
    default:
      return absl::StrFormat("%s is not acceptable: %s", whose, X509_verify_cert_error_string(error));
  }
}

// Of a chain that holds together: keys and hashes that can be broken today. The anchor's own signature proves nothing.
PeerVerdict CheckStrength(const STACK_OF(X509) * chain) {
  for (size_t i = 0; i < sk_X509_num(chain); ++i) {
    X509* certificate = sk_X509_value(chain, i);
    const bool is_anchor = i + 1 == sk_X509_num(chain);
    const std::string weakness = WeaknessOfKey(*certificate, i == 0 ? KeyUse::kLeaf : KeyUse::kAuthority);
    const std::string subject = DescribeName(X509_get_subject_name(certificate));
    if (!weakness.empty())
      return Rejected(SSL_AD_BAD_CERTIFICATE,
                      absl::StrFormat("the key of %s in the peer's chain is %s", subject, weakness));
    if (!is_anchor && HasWeakSignature(*certificate))
      return Rejected(SSL_AD_BAD_CERTIFICATE,
                      absl::StrFormat("%s in the peer's chain is signed with a broken hash", subject));
  }
  return {.accepted = true};
}

PeerVerdict CheckChain(const PeerRules& rules, X509& leaf, const STACK_OF(CRYPTO_BUFFER) * chain, int64_t now) {
  const bssl::UniquePtr<STACK_OF(X509)> others(sk_X509_new_null());
  for (size_t i = 1; i < sk_CRYPTO_BUFFER_num(chain); ++i) {
    bssl::UniquePtr<X509> certificate = ParseCertificate(*sk_CRYPTO_BUFFER_value(chain, i));
    if (certificate == nullptr || !bssl::PushToStack(others.get(), std::move(certificate)))
      return Rejected(SSL_AD_BAD_CERTIFICATE,
                      absl::StrFormat("certificate %d of the peer's chain cannot be parsed", i + 1));
  }
  const bssl::UniquePtr<X509_STORE_CTX> context(X509_STORE_CTX_new());
  if (context == nullptr || !X509_STORE_CTX_init(context.get(), rules.trust.get(), &leaf, others.get()))
    return Rejected(SSL_AD_INTERNAL_ERROR, "the verification of the peer's certificate could not begin");
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_purpose(parameters, rules.peer_is_server ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT);
  X509_VERIFY_PARAM_set_depth(parameters, kMaxDepth);
  X509_VERIFY_PARAM_set_time_posix(parameters, now);
  // Whatever the trust file holds is trusted, be it a root, an intermediate authority or the leaf itself.
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
  if (X509_verify_cert(context.get()) != 1) {
    const int error = X509_STORE_CTX_get_error(context.get());
    return Rejected(SSL_alert_from_verify_result(error),
                    DescribeChainError(error, X509_STORE_CTX_get_current_cert(context.get()),
                                       X509_STORE_CTX_get_error_depth(context.get()), rules.peer_is_server, now));
  }
  return CheckStrength(X509_STORE_CTX_get0_chain(context.get()));
}

}  // namespace

PeerVerdict VerifyPeer(const PeerRules& rules, const STACK_OF(CRYPTO_BUFFER) * chain, std::string_view server_name,
                       int64_t now) {
  if (chain == nullptr || sk_CRYPTO_BUFFER_num(chain) == 0)
    return Rejected(SSL_AD_CERTIFICATE_REQUIRED, "the peer showed no certificate");
  const bssl::UniquePtr<X509> leaf = ParseCertificate(*sk_CRYPTO_BUFFER_value(chain, 0));
  if (leaf == nullptr) {
    ERR_clear_error();
    return Rejected(SSL_AD_BAD_CERTIFICATE, "the peer's certificate cannot be parsed");
  }
  PeerVerdict verdict = {.accepted = true};
  if (!rules.skip_verification) {
    if (rules.trust != nullptr) verdict = CheckChain(rules, *leaf, chain, now);
    if (verdict.accepted) verdict = CheckName(rules, *leaf, server_name);
  }
  if (verdict.accepted) verdict = CheckPin(rules, *leaf);
  ERR_clear_error();
  return verdict;
}

bool IsIpAddress(std::string_view name) {
  const std::string bare(BareName(name));
  const bssl::UniquePtr<ASN1_OCTET_STRING> address(a2i_IPADDRESS(bare.c_str()));
  ERR_clear_error();
  return address != nullptr;
}

std::string_view BareName(std::string_view name) {
  if (name.size() > 2 && name.front() == '[' && name.back() == ']') return name.substr(1, name.size() - 2);
  if (name.size() > 1 && name.back() == '.') name.remove_suffix(1);
  return name;
}

}  // namespace culvert::tls
