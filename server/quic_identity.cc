// quic-certificate.pem: a line with the SHA-256 of what follows it, so that any damage is found; then the key, then the
// certificate, in PEM. A tool that reads PEM passes over the line.
#include "server/quic_identity.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"
#include "core/crypto/secret.h"
#include "core/crypto/sha256.h"
#include "core/tls/self_signed.h"
#include "server/config.h"

namespace culvert::server {
namespace {

constexpr std::string_view kHead = "culvert-quic-certificate 1 sha256 ";
constexpr size_t kHeadSize = kHead.size() + 2 * kSha256Size + 1;  // with the digest and the end of the line
constexpr size_t kMaxCertificateFileBytes = 16 * 1024;
constexpr int64_t kDaySeconds = 86400;
constexpr int64_t kBackdatedSeconds = 3600;  // a peer's clock may be behind ours

void Erase(std::string& text) { SecureErase({reinterpret_cast<uint8_t*>(text.data()), text.size()}); }

std::string HeadOf(std::string_view body) {
  const std::array<uint8_t, kSha256Size> digest = Sha256(AsBytes(body));
  return absl::StrCat(std::string(kHead), absl::BytesToHexString(std::string(AsText(digest))), "\n");
}

absl::StatusOr<std::shared_ptr<const tls::TlsContext>> MakeContext(const std::string& certificate, const std::string& key) {
  tls::TlsOptions options;
  options.role = tls::Role::kServer;
  options.certificate_pem = certificate;
  options.private_key_pem = AsBytes(key);
  options.alpn = {"h2", "http/1.1"};  // v2ray's (spec/quic.md section 2)
  return tls::TlsContext::Create(options);
}

}  // namespace

absl::StatusOr<std::unique_ptr<QuicIdentity>> QuicIdentity::Create(std::unique_ptr<StateDir> state, std::string why_in_memory,
                                                                   RandomSource& random, int64_t unix_seconds) {
  std::unique_ptr<QuicIdentity> identity(new QuicIdentity(std::move(state), std::move(why_in_memory), random));
  CULVERT_RETURN_IF_ERROR(identity->LoadCertificate(unix_seconds));
  identity->LoadKeys(unix_seconds);
  identity->Renew(unix_seconds);
  return identity;
}

QuicIdentity::~QuicIdentity() { Erase(private_key_pem_); }

absl::Status QuicIdentity::LoadCertificate(int64_t unix_seconds) {
  std::string content = ReadOrSetAside(kCertificateFile, kMaxCertificateFileBytes);
  if (content.empty()) return MakeCertificate(unix_seconds);
  const std::string_view body = std::string_view(content).substr(std::min(kHeadSize, content.size()));
  const size_t end_of_key = body.find("-----BEGIN CERTIFICATE-----");
  absl::StatusOr<std::shared_ptr<const tls::TlsContext>> context = absl::DataLossError("its checksum does not fit");
  if (content.size() > kHeadSize && content.substr(0, kHeadSize) == HeadOf(body) && end_of_key != std::string_view::npos) {
    private_key_pem_ = body.substr(0, end_of_key);
    certificate_pem_ = body.substr(end_of_key);
    context = MakeContext(certificate_pem_, private_key_pem_);
  }
  Erase(content);
  if (context.ok()) {
    server_tls_ = *std::move(context);
    return absl::OkStatus();
  }
  Erase(private_key_pem_);
  private_key_pem_.clear();
  SetAside(kCertificateFile, std::string(context.status().message()));
  return MakeCertificate(unix_seconds);
}

// With the key there is, or a new one.
absl::Status QuicIdentity::MakeCertificate(int64_t unix_seconds) {
  tls::SelfSignedOptions options;
  options.name = kQuicServerName;
  options.not_before_unix_seconds = unix_seconds - kBackdatedSeconds;
  options.not_after_unix_seconds = unix_seconds + kCertificateDays * kDaySeconds;
  options.private_key_pem = AsBytes(private_key_pem_);
  CULVERT_ASSIGN_OR_RETURN(const tls::SelfSigned made, tls::MakeSelfSigned(options));
  CULVERT_ASSIGN_OR_RETURN(server_tls_, MakeContext(made.certificate_pem, made.private_key_pem));
  if (private_key_pem_.empty()) private_key_pem_ = made.private_key_pem;
  certificate_pem_ = made.certificate_pem;
  SaveCertificate();
  return absl::OkStatus();
}

void QuicIdentity::SaveCertificate() {
  std::string body = private_key_pem_ + certificate_pem_;
  std::string content = HeadOf(body) + body;
  Save(certificate_file_, AsBytes(content));
  Erase(body);
  Erase(content);
}

void QuicIdentity::LoadKeys(int64_t unix_seconds) {
  std::string content = ReadOrSetAside(kKeysFile, quic::EndpointKeys::kFileSize);
  if (!content.empty()) {
    absl::StatusOr<std::shared_ptr<quic::EndpointKeys>> keys = quic::EndpointKeys::Load(AsBytes(content));
    Erase(content);
    if (keys.ok()) {
      keys_ = *std::move(keys);
      return;
    }
    SetAside(kKeysFile, std::string(keys.status().message()));
  }
  keys_ = quic::EndpointKeys::Generate(random_, unix_seconds);
  SaveKeys();
}

void QuicIdentity::SaveKeys() {
  SecretBytes<quic::EndpointKeys::kFileSize> saved;
  keys_->Save(saved.span());
  Save(keys_file_, saved.view());
}

std::string QuicIdentity::ReadOrSetAside(const char* name, size_t max_bytes) {
  if (state_ == nullptr) return {};
  absl::StatusOr<std::optional<std::string>> content = state_->Read(name, max_bytes);
  if (content.ok() && !content->has_value()) return {};
  if (content.ok() && !(*content)->empty()) return **std::move(content);
  if (content.ok() || absl::IsDataLoss(content.status())) {
    SetAside(name, content.ok() ? "is empty" : std::string(content.status().message()));
    return {};
  }
  // What cannot be read today may be sound: nothing is put in its place.
  why_in_memory_ = std::string(content.status().message());
  Log(LogLevel::kError, "state", absl::StrCat(state_->path(), " is not used in this run"),
      {{"reason", "STATE_NOT_KEPT"}, {"error", why_in_memory_}});
  state_ = nullptr;
  return {};
}

void QuicIdentity::SetAside(const char* name, const std::string& why) {
  const absl::StatusOr<std::string> aside = state_->SetAside(name);
  Log(LogLevel::kError, "state", absl::StrCat(state_->path(), "/", name, " cannot be used and is made anew"),
      {{"reason", "STATE_DAMAGED"}, {"error", why}, {"kept_as", aside.ok() ? *aside : std::string(aside.status().message())}});
}

void QuicIdentity::Save(Kept& kept, ByteView content) {
  if (state_ == nullptr) return;
  const absl::Status status = state_->Write(kept.name, content);
  const bool was_saved = kept.is_saved;
  kept.is_saved = status.ok();
  kept.why_not = std::string(status.message());
  if (status.ok() || !was_saved) return;
  Log(LogLevel::kError, "state", absl::StrCat(state_->path(), "/", kept.name, " cannot be written; tried again every hour"),
      {{"reason", "STATE_NOT_KEPT"}, {"error", kept.why_not}});
}

void QuicIdentity::Renew(int64_t unix_seconds) {
  if (keys_->Rotate(random_, unix_seconds) || !keys_file_.is_saved) SaveKeys();
  const int64_t expires = server_tls_->own_certificate()->not_after_unix_seconds;
  if (expires - unix_seconds < kRenewBeforeDays * kDaySeconds) {
    // Whoever pinned the key goes on trusting it.
    const absl::Status status = MakeCertificate(unix_seconds);
    if (!status.ok()) Log(LogLevel::kError, "state", "the certificate is not renewed", {{"error", std::string(status.message())}});
  } else if (!certificate_file_.is_saved) {
    SaveCertificate();
  }
  Publish();
}

void QuicIdentity::Publish() {
  const Kept& unsaved = certificate_file_.is_saved ? keys_file_ : certificate_file_;
  QuicShared now{keys_, server_tls_, state_ == nullptr ? why_in_memory_ : unsaved.why_not};
  if (shared_ != nullptr && shared_->keys == now.keys && shared_->server_tls == now.server_tls &&
      shared_->why_not_kept == now.why_not_kept) {
    return;
  }
  shared_ = std::make_shared<const QuicShared>(std::move(now));
}

}  // namespace culvert::server
