#include "core/tls/tls_context.h"

#include <openssl/err.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "core/crypto/sha256.h"
#include "core/tls/certificate_info.h"
#include "core/tls/failure_text.h"
#include "core/tls/handshake_hooks.h"
#include "core/tls/pem.h"
#include "core/tls/tls_context_impl.h"

namespace culvert::tls {
namespace {

// A peer's chain with four fat certificates has some 8 KiB; more only costs us memory before we know the peer.
constexpr size_t kMaxPeerChainBytes = 64 << 10;

absl::Status Invalid(const std::string& text) { return absl::InvalidArgumentError(text); }

// Equal certificates of many peers are kept once. Never freed: certificates point to it, and tickets hold certificates
// for longer than any context lives.
CRYPTO_BUFFER_POOL* Pool() {
  static CRYPTO_BUFFER_POOL* const pool = CRYPTO_BUFFER_POOL_new();
  return pool;
}

// Appends fields so that no two different lists of fields give the same bytes.
class Fingerprint {
 public:
  void Add(ByteView bytes) {
    uint8_t length[4];
    StoreBigEndian32(length, static_cast<uint32_t>(bytes.size()));
    text_.append(AsText(length));
    text_.append(AsText(bytes));
  }
  void Add(const std::vector<std::string>& list) {
    for (const std::string& text : list) Add(AsBytes(text));
    text_.push_back('\0');
  }
  std::array<uint8_t, kSha256Size> Finish() const { return Sha256(AsBytes(text_)); }

 private:
  std::string text_;
};

std::array<uint8_t, kSha256Size> FingerprintOf(const TlsOptions& options) {
  Fingerprint fingerprint;
  const uint8_t flags[] = {static_cast<uint8_t>(options.role), options.require_peer_certificate,
                           options.skip_verification};
  fingerprint.Add(flags);
  fingerprint.Add(AsBytes(options.certificate_pem));
  fingerprint.Add(AsBytes(options.trust_pem));
  fingerprint.Add(options.allowed_peer_names);
  for (const SpkiPin& pin : options.pinned_spki) fingerprint.Add(pin);
  fingerprint.Add(options.alpn);
  return fingerprint.Finish();
}

absl::Status CheckOwnCertificate(const CertificateChain& chain, const EVP_PKEY& key, CertificateInfo& info) {
  const bssl::UniquePtr<X509> leaf = ParseCertificate(*chain.front());
  info = DescribeCertificate(*leaf);
  const std::string weakness = WeaknessOfKey(*leaf, KeyUse::kLeaf);
  if (!weakness.empty()) return Invalid("certificate_pem: the key of " + info.subject + " is " + weakness);
  for (size_t i = 0; i < chain.size(); ++i) {
    const bssl::UniquePtr<X509> certificate = ParseCertificate(*chain[i]);
    const bool matches = X509_check_private_key(certificate.get(), &key) == 1;
    ERR_clear_error();
    if (i == 0 && matches) continue;
    if (matches)
      return Invalid(
          absl::StrFormat("private_key_pem: belongs to certificate %d of certificate_pem, not to the first; the "
                          "leaf must come first",
                          i + 1));
  }
  if (X509_check_private_key(leaf.get(), &key) != 1) {
    ERR_clear_error();
    return Invalid("private_key_pem: is not the key of the first certificate of certificate_pem (" + info.subject +
                   ")");
  }
  // A root that somebody appended is no part of the proof, so its own signature does not matter.
  const bool is_self_issued = X509_NAME_cmp(X509_get_subject_name(leaf.get()), X509_get_issuer_name(leaf.get())) == 0;
  if (!is_self_issued && HasWeakSignature(*leaf))
    return Invalid("certificate_pem: the certificate of " + info.subject +
                   " is signed with a broken hash (SHA-1 or MD5)");
  return absl::OkStatus();
}

absl::Status SetOwnCertificate(const TlsOptions& options, TlsContext::Impl& impl) {
  if (options.certificate_pem.empty()) {
    if (options.role == Role::kServer) return Invalid("certificate_pem: is missing; a server needs a certificate");
    if (!options.private_key_pem.empty()) return Invalid("certificate_pem: is missing, but there is a private key");
    return absl::OkStatus();
  }
  if (options.private_key_pem.empty()) return Invalid("private_key_pem: is missing; the certificate needs its key");
  CULVERT_ASSIGN_OR_RETURN(const CertificateChain chain,
                           ReadCertificates(options.certificate_pem, "certificate_pem", Pool()));
  CULVERT_ASSIGN_OR_RETURN(const bssl::UniquePtr<EVP_PKEY> key, ReadPrivateKey(options.private_key_pem));
  CertificateInfo info;
  CULVERT_RETURN_IF_ERROR(CheckOwnCertificate(chain, *key, info));
  std::vector<CRYPTO_BUFFER*> certificates;
  for (const CertificateBuffer& certificate : chain) certificates.push_back(certificate.get());
  if (!SSL_CTX_set_chain_and_key(impl.ssl.get(), certificates.data(), certificates.size(), key.get(), nullptr))
    return Invalid("certificate_pem: cannot be used with TLS 1.3: " + TakeErrorText());
  impl.own_certificate = std::move(info);
  return absl::OkStatus();
}

absl::Status SetTrust(const TlsOptions& options, TlsContext::Impl& impl) {
  const bool is_client = options.role == Role::kClient;
  impl.rules.peer_is_server = is_client;
  impl.rules.skip_verification = is_client && options.skip_verification;
  impl.rules.allowed_names = options.allowed_peer_names;
  impl.rules.pins = options.pinned_spki;
  impl.requires_peer_certificate = options.require_peer_certificate;
  if (!is_client && options.skip_verification) return Invalid("skip_verification: is for clients only");
  if (is_client && options.require_peer_certificate)
    return Invalid("require_peer_certificate: is for servers; a client always requires one");
  if (options.trust_pem.empty()) {
    if (is_client && options.pinned_spki.empty() && !options.skip_verification)
      return Invalid("trust_pem: is missing; a client must know whom to trust");
    if (!is_client && options.require_peer_certificate)
      return Invalid("trust_pem: is missing; it says who may sign the certificates that are required");
    if (!is_client && (!options.pinned_spki.empty() || !options.allowed_peer_names.empty()))
      return Invalid(
          "trust_pem: is missing; without it no client is asked for a certificate that names and pins could fit");
    return absl::OkStatus();
  }
  CULVERT_ASSIGN_OR_RETURN(const CertificateChain trusted, ReadCertificates(options.trust_pem, "trust_pem", nullptr));
  impl.rules.trust.reset(X509_STORE_new());
  for (const CertificateBuffer& der : trusted) {
    const bssl::UniquePtr<X509> certificate = ParseCertificate(*der);
    CULVERT_CHECK(X509_STORE_add_cert(impl.rules.trust.get(), certificate.get()));
  }
  return absl::OkStatus();
}

absl::Status SetAlpn(const TlsOptions& options, TlsContext::Impl& impl) {
  for (const std::string& name : options.alpn) {
    if (name.empty() || name.size() > 255)
      return Invalid(absl::StrFormat("alpn: a name has %d bytes, which is not in [1, 255]", name.size()));
    impl.alpn += (impl.alpn.empty() ? "" : ", ") + Printable(name);
    impl.alpn_wire += static_cast<char>(name.size());
    impl.alpn_wire += name;
  }
  if (impl.alpn_wire.size() > 0xffff - 2) return Invalid("alpn: the names have more than 65533 bytes together");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const TlsContext>> TlsContext::Create(const TlsOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->role = options.role;
  impl->fingerprint = FingerprintOf(options);
  // The method without X509 objects: they would stay with every connection for as long as it lives.
  impl->ssl.reset(SSL_CTX_new(TLS_with_buffers_method()));
  CULVERT_CHECK(impl->ssl != nullptr);
  SSL_CTX* ssl = impl->ssl.get();
  SSL_CTX_set0_buffer_pool(ssl, Pool());
  CULVERT_CHECK(SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION));
  CULVERT_CHECK(SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION));
  CULVERT_CHECK(SSL_CTX_set_session_id_context(ssl, impl->fingerprint.data(), impl->fingerprint.size()));
  SSL_CTX_set_early_data_enabled(ssl, 0);  // can be replayed
  SSL_CTX_set_max_cert_list(ssl, kMaxPeerChainBytes);
  // BoringSSL's own list lacks Ed25519 and ends with SHA-1.
  constexpr uint16_t kSignatures[] = {SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_ED25519,
                                      SSL_SIGN_RSA_PSS_RSAE_SHA256,    SSL_SIGN_ECDSA_SECP384R1_SHA384,
                                      SSL_SIGN_RSA_PSS_RSAE_SHA384,    SSL_SIGN_RSA_PSS_RSAE_SHA512};
  CULVERT_CHECK(SSL_CTX_set_verify_algorithm_prefs(ssl, kSignatures, std::size(kSignatures)));
  CULVERT_CHECK(SSL_CTX_set_signing_algorithm_prefs(ssl, kSignatures, std::size(kSignatures)));

  CULVERT_RETURN_IF_ERROR(SetOwnCertificate(options, *impl));
  CULVERT_RETURN_IF_ERROR(SetTrust(options, *impl));
  CULVERT_RETURN_IF_ERROR(SetAlpn(options, *impl));
  InstallHooks(*impl);
  return std::shared_ptr<const TlsContext>(new TlsContext(std::move(impl)));
}

TlsContext::TlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsContext::~TlsContext() = default;

Role TlsContext::role() const { return impl_->role; }
const std::optional<CertificateInfo>& TlsContext::own_certificate() const { return impl_->own_certificate; }

}  // namespace culvert::tls
