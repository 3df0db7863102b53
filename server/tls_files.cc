#include "server/tls_files.h"

#include <array>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "core/base/status_macros.h"
#include "core/crypto/secret.h"
#include "server/error_builder.h"
#include "server/message_walk.h"
#include "server/spec_defaults.h"

namespace culvert::server {
namespace {

void Erase(std::string& text) { SecureErase({reinterpret_cast<uint8_t*>(text.data()), text.size()}); }

// Where Debian's ca-certificates puts all roots.
constexpr const char* kSystemTrustFile = "/etc/ssl/certs/ca-certificates.crt";

// What core/tls calls a part, and the field it came from.
constexpr std::pair<std::string_view, std::string_view> kFields[] = {{"certificate_pem", "certificate_file"},
                                                                     {"private_key_pem", "private_key_file"},
                                                                     {"trust_pem", "trust_file"},
                                                                     {"alpn", "alpn"}};

constexpr const char* kTrustField = "trust_file";

// A user who named no file is told which one was wanted, and what to do.
absl::Status NoSystemTrust(const absl::Status& why, const std::string& file, const TlsUse& use) {
  const std::string field = JoinPath(use.path, kTrustField);
  return ErrorBuilder(absl::StatusCode::kFailedPrecondition, "CREDENTIAL_UNREADABLE",
                      std::string(why.message()) + " (the system's roots: install ca-certificates, or name a trust_file)")
      .Metadata("field", field)
      .Metadata("file", file)
      .Precondition("FILE", file, std::string(why.message()))
      .Build();
}

TlsFault ToFault(const absl::Status& status, const std::string& path) {
  const std::string message(status.message());
  for (const auto& [part, field] : kFields) {
    if (!message.starts_with(std::string(part) + ": ")) continue;
    return {JoinPath(path, std::string(field)), message.substr(part.size() + 2)};
  }
  return {path, message};
}

}  // namespace

TlsFiles::~TlsFiles() {
  Erase(certificate);
  Erase(private_key);
  Erase(trust);
}

TlsUse TlsUseOf(const v1::Object& object, std::string path) {
  const bool is_dialer = object.has_dialer();
  return {.role = is_dialer ? tls::Role::kClient : tls::Role::kServer,
          .insecure = is_dialer && object.dialer().spec().insecure(),
          .path = std::move(path)};
}

std::string SystemTrustFile() {
  const char* named = std::getenv("SSL_CERT_FILE");
  return named != nullptr && *named != '\0' ? named : kSystemTrustFile;
}

bool UsesSystemTrust(const v1::TlsSpec& spec, const TlsUse& use) {
  return use.role == tls::Role::kClient && !use.insecure && spec.trust_file().empty() && spec.pinned_spki_size() == 0;
}

absl::StatusOr<TlsFiles> ReadTlsFiles(const v1::TlsSpec& spec, const TlsUse& use, const ReadFile& read, const KeyedHash& hash) {
  TlsFiles files;
  std::string* const contents[] = {&files.certificate, &files.private_key, &files.trust};
  size_t next = 0;
  const HashFile read_and_hash = [&](const std::string& path, const std::string& field) -> absl::StatusOr<uint64_t> {
    std::string& content = *contents[next++];
    if (path.empty()) return hash({});
    CULVERT_ASSIGN_OR_RETURN(content, read(path, field, kMaxTlsFileBytes));
    return hash(AsBytes(content));
  };
  CULVERT_ASSIGN_OR_RETURN(files.fingerprint, FingerprintOf(spec, use, read_and_hash, hash));
  return files;
}

absl::StatusOr<uint64_t> FingerprintOf(const v1::TlsSpec& spec, const TlsUse& use, const HashFile& hash_of, const KeyedHash& hash) {
  const bool uses_system = UsesSystemTrust(spec, use);
  const std::string trust = uses_system ? SystemTrustFile() : spec.trust_file();
  // A hash of hashes, so that bytes cannot move from one file to the next unseen.
  std::array<uint64_t, 3> parts{};
  CULVERT_ASSIGN_OR_RETURN(parts[0], hash_of(spec.certificate_file(), JoinPath(use.path, "certificate_file")));
  CULVERT_ASSIGN_OR_RETURN(parts[1], hash_of(spec.private_key_file(), JoinPath(use.path, "private_key_file")));
  const absl::StatusOr<uint64_t> of_trust = hash_of(trust, JoinPath(use.path, kTrustField));
  if (!of_trust.ok()) return uses_system ? NoSystemTrust(of_trust.status(), trust, use) : of_trust.status();
  parts[2] = *of_trust;
  return hash(ByteView(reinterpret_cast<const uint8_t*>(parts.data()), sizeof parts));
}

TlsResult MakeTlsContext(const v1::TlsSpec& spec, const TlsUse& use, const TlsFiles& files) {
  const auto is_empty = [&](const std::string& name, const std::string& content, const char* field) -> std::optional<TlsFault> {
    if (name.empty() || !content.empty()) return std::nullopt;
    return TlsFault{JoinPath(use.path, field), name + ": the file is empty"};
  };
  for (auto& fault : {is_empty(spec.certificate_file(), files.certificate, "certificate_file"),
                      is_empty(spec.private_key_file(), files.private_key, "private_key_file"),
                      is_empty(spec.trust_file(), files.trust, "trust_file")}) {
    if (fault) return {nullptr, fault};
  }
  tls::TlsOptions options;
  options.role = use.role;
  options.certificate_pem = files.certificate;
  options.private_key_pem = AsBytes(files.private_key);
  options.trust_pem = files.trust;
  options.require_peer_certificate = spec.require_peer_certificate();
  options.skip_verification = use.role == tls::Role::kClient && use.insecure;
  options.allowed_peer_names.assign(spec.allowed_peer_names().begin(), spec.allowed_peer_names().end());
  for (const std::string& text : spec.pinned_spki()) {
    if (const auto pin = tls::ParseSpkiPin(text); pin.ok()) options.pinned_spki.push_back(*pin);
  }
  const v1::TlsSpec whole = WithDefaults(spec);
  options.alpn.assign(whole.alpn().begin(), whole.alpn().end());
  auto context = tls::TlsContext::Create(options);
  if (!context.ok()) return {nullptr, ToFault(context.status(), use.path)};
  return {*std::move(context), std::nullopt};
}

}  // namespace culvert::server
