// TlsContext: what all TLS connections of one listener or dialer share: own certificate and key, whom to trust, ALPN, tickets.
// Immutable once made; renewed certificates make a new context, which new handshakes use while old connections keep theirs.
//
// It is given the contents of files, never their names: reading them is the caller's.
// TLS 1.3 only. Source: RFC 8446; spec/tls.md section 1 for what v2ray peers expect.
// Thread: immutable; may be used by any number of threads.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/bytes.h"

namespace culvert::tls {

enum class Role : uint8_t { kClient, kServer };

// SHA-256 of a certificate's DER SubjectPublicKeyInfo (RFC 7469 section 2.4).
using SpkiPin = std::array<uint8_t, 32>;
// "sha256/" and 44 characters of base64. INVALID_ARGUMENT, without the name of a field, for anything else.
absl::StatusOr<SpkiPin> ParseSpkiPin(std::string_view text);
std::string FormatSpkiPin(const SpkiPin& pin);

struct TlsOptions {
  Role role = Role::kClient;
  std::string certificate_pem;   // own chain, leaf first. Server: required. Client: empty means none
  ByteView private_key_pem;      // a loan for the call of Create; of the leaf, unencrypted. Required with certificate_pem
  // Certificates to trust. Client: required unless there are pins or verification is off. Server: whom a client certificate
  // must come from; required with require_peer_certificate.
  std::string trust_pem;
  bool require_peer_certificate = false;        // server only
  // Client only: neither chain nor name is verified. Pins, where given, still are.
  bool skip_verification = false;
  // Beyond the chain: the peer's leaf must carry one of these as DNS name, URI, IP address or e-mail address of its
  // subjectAltName, exactly (DNS names without regard to case, "*." in the certificate matching one label below at least two
  // others). On a client they replace the check of the server's name. Empty: no such demand. A server needs trust_pem for them.
  std::vector<std::string> allowed_peer_names;
  // The leaf's key must be one of these. A client with pins and without trust_pem needs no chain and no name, and the dates do
  // not count: the pin is the trust. A server needs trust_pem for them.
  std::vector<SpkiPin> pinned_spki;
  std::vector<std::string> alpn;                // in order of preference; each 1..255 bytes
};

// About a certificate, for status and logs.
struct CertificateInfo {
  std::string subject;                 // common name, or the first alternative name
  std::vector<std::string> names;      // of subjectAltName
  int64_t not_before_unix_seconds = 0;
  int64_t not_after_unix_seconds = 0;
  SpkiPin spki{};
};

class TlsContext {
 public:
  // Errors: INVALID_ARGUMENT "certificate_pem: ...", "private_key_pem: ...", "trust_pem: ...", "alpn: ...": what cannot be parsed, is
  // missing, does not match its key, or uses a key or signature we refuse (RSA below 2048 bits, curves other than P-256, P-384, Ed25519).
  // "require_peer_certificate: ..." and "skip_verification: ..." for the wrong role.
  // The text names the field up to the colon and never holds a byte of a key. An expired or not yet valid certificate of ours is no error
  // here: ask own_certificate().
  static absl::StatusOr<std::shared_ptr<const TlsContext>> Create(const TlsOptions& options);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  Role role() const;
  // Of the leaf; nullopt: none is configured.
  const std::optional<CertificateInfo>& own_certificate() const;

  struct Impl;  // BoringSSL's side; defined in tls_context_impl.h, for this folder (and core/quic) only
  const Impl& impl() const { return *impl_; }

 private:
  explicit TlsContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace culvert::tls
