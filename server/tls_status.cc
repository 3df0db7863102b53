#include "server/tls_status.h"

#include <google/protobuf/util/time_util.h>

#include <utility>

#include "server/validate_quic.h"
#include "server/validate_tls.h"

namespace culvert::server {
namespace {

using google::protobuf::util::TimeUtil;
using Status = v1::Condition;
constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;

std::string TimeText(int64_t unix_seconds) { return TimeUtil::ToString(TimeUtil::SecondsToTimestamp(unix_seconds)); }

// Of our own certificate.
TlsCondition CertificateCondition(const tls::CertificateInfo& info, int64_t now_unix_ns) {
  const int64_t now = now_unix_ns / kNanosecondsPerSecond;
  if (now > info.not_after_unix_seconds) {
    return {"CertificateValid", Status::STATUS_FALSE, "Expired",
            info.subject + ": expired at " + TimeText(info.not_after_unix_seconds)};
  }
  if (now < info.not_before_unix_seconds) {
    return {"CertificateValid", Status::STATUS_FALSE, "NotYetValid",
            info.subject + ": valid from " + TimeText(info.not_before_unix_seconds)};
  }
  return {"CertificateValid", Status::STATUS_TRUE, "Valid",
          info.subject + ": valid until " + TimeText(info.not_after_unix_seconds)};
}

}  // namespace

std::vector<TlsCondition> TlsConditions(const Entry& entry, const std::string& reload_fault, int64_t now_unix_ns) {
  std::vector<TlsCondition> conditions;
  if (!reload_fault.empty()) {
    conditions.push_back({"CertificateValid", Status::STATUS_FALSE, "ReloadFailed",
                          "changed files are not used, those from before are: " + reload_fault});
  } else if (const auto& own = entry.tls->own_certificate()) {
    conditions.push_back(CertificateCondition(*own, now_unix_ns));
  }
  if (const v1::TlsSpec* spec = TlsOf(entry.object); spec != nullptr && spec->mode() == v1::TLS_MODE_XTLS) {
    conditions.push_back({"XtlsDirectCopy", Status::STATUS_FALSE, "NotSupported", kNoDirectCopy});
  }
  return conditions;
}

TlsCondition SecureCondition(const Entry& entry) {
  constexpr const char* kType = "Secure";
  const v1::TlsSpec* spec = TlsOf(entry.object);  // nullptr with TLS: QUIC without a tls block
  const bool is_quic = entry.quic != nullptr;
  const v1::QuicSpec* quic = QuicOf(entry.object);
  const bool is_keyed = is_quic ? quic != nullptr && HasSecretOuterKey(*quic) : entry.kcp != nullptr && !entry.kcp->is_unkeyed();
  if (entry.tls != nullptr) {
    if (entry.object.has_listener() && !is_keyed && (spec == nullptr || !spec->require_peer_certificate())) {
      return {kType, Status::STATUS_FALSE, "AnyoneMayConnect", is_quic ? kAnyoneMayConnectQuic : kAnyoneMayConnect};
    }
    if (!IsInsecure(entry)) {
      const char* keyed_text = is_quic ? "TLS 1.3 inside an outer key" : "TLS 1.3 inside AES-128-GCM";
      return {kType, Status::STATUS_TRUE, "Tls", is_keyed ? keyed_text : "TLS 1.3"};
    }
    const bool is_pinned = spec != nullptr && spec->pinned_spki_size() > 0;
    return {kType, Status::STATUS_FALSE, "PeerNotVerified",
            is_pinned ? "the peer's certificate is not verified beyond its pin" : "the peer's certificate is not verified"};
  }
  if (is_keyed) return {kType, Status::STATUS_TRUE, "Keyed", "AES-128-GCM"};
  return {kType, Status::STATUS_FALSE, "Unkeyed", "no secret seed: anyone who reaches the port can use it"};
}

TlsCondition StateKeptCondition(const Entry& entry) {
  constexpr const char* kType = "StateKept";
  const std::string& why = entry.quic_shared->why_not_kept;
  if (why.empty()) return {kType, Status::STATUS_TRUE, "Kept", "the state directory holds them"};
  const bool shows_own = TlsOf(entry.object) == nullptr;
  return {kType, Status::STATUS_FALSE, "InMemory",
          std::string(shows_own ? "the certificate, its pin and the reset key end" : "the reset key ends") +
              " with this run of the daemon: " + why};
}

v1::TlsStatus ToTlsStatus(const tls::TlsContext& context, const ObjectCounters& counters) {
  v1::TlsStatus status;
  if (const auto& own = context.own_certificate()) {
    status.set_certificate_subject(own->subject);
    for (const std::string& name : own->names) status.add_certificate_names(name);
    *status.mutable_certificate_not_before() = TimeUtil::SecondsToTimestamp(own->not_before_unix_seconds);
    *status.mutable_certificate_not_after() = TimeUtil::SecondsToTimestamp(own->not_after_unix_seconds);
    status.set_spki_pin(tls::FormatSpkiPin(own->spki));
  }
  status.set_handshakes(counters.tls_handshakes);
  status.set_handshakes_resumed(counters.tls_resumed);
  status.set_handshakes_failed(counters.tls_failed);
  return status;
}

void WarnOfCertificate(const tls::TlsContext& context, const std::string& field, int64_t now_unix_ns,
                       std::vector<v1::Warning>& warnings) {
  if (!context.own_certificate()) return;
  TlsCondition condition = CertificateCondition(*context.own_certificate(), now_unix_ns);
  if (condition.status == Status::STATUS_TRUE) return;
  v1::Warning& warning = warnings.emplace_back();
  warning.set_field(field);
  warning.set_reason(std::string_view(condition.reason) == "Expired" ? "CERTIFICATE_EXPIRED" : "CERTIFICATE_NOT_YET_VALID");
  warning.set_message(std::move(condition.message));
}

}  // namespace culvert::server
