#include "server/validate_quic.h"

#include <google/protobuf/util/time_util.h>

#include <utility>

#include "absl/strings/str_format.h"
#include "proto/manifest/manifest.h"
#include "server/message_walk.h"
#include "server/spec_defaults.h"
#include "server/validate_tls.h"

namespace culvert::server {
namespace {

constexpr uint32_t kMostPayloadInWrapper = 1452;  // spec/quic.md section 1: one byte more ends a v2ray process

constexpr int64_t kLeastIdleTimeoutNs = 5'000'000'000;

void Add(Violations& violations, const std::string& prefix, const std::string& field, std::string description) {
  if (violations.size() < kMaxViolations) violations.push_back({JoinPath(prefix, field), std::move(description)});
}

void Warn(std::vector<v1::Warning>& warnings, std::string field, std::string reason, std::string message) {
  v1::Warning& warning = warnings.emplace_back();
  warning.set_field(std::move(field));
  warning.set_reason(std::move(reason));
  warning.set_message(std::move(message));
}

int64_t Nanoseconds(const google::protobuf::Duration& duration) {
  return google::protobuf::util::TimeUtil::DurationToNanoseconds(duration);
}

bool HasSecurity(const v1::QuicOuterSpec& outer) {
  return outer.security() != v1::OUTER_SECURITY_UNSPECIFIED && outer.security() != v1::OUTER_SECURITY_NONE;
}

bool HasHeader(const v1::QuicOuterSpec& outer) {
  return outer.header() != v1::PACKET_HEADER_UNSPECIFIED && outer.header() != v1::PACKET_HEADER_NONE;
}

void CheckOuter(const v1::QuicOuterSpec& outer, const std::string& path, Violations& violations,
                std::vector<v1::Warning>& warnings) {
  constexpr const char* kNeedsSecurity = "needs security: AES_128_GCM or CHACHA20_POLY1305; without one nothing is encrypted with it";
  if (outer.has_key() && !outer.key_file().empty()) Add(violations, path, "key_file", "excludes key: give one of them");
  if (!HasSecurity(outer)) {
    if (outer.has_key()) Add(violations, path, "key", kNeedsSecurity);
    if (!outer.key_file().empty()) Add(violations, path, "key_file", kNeedsSecurity);
    return;
  }
  if (!outer.key_file().empty()) return;  // judged when it is read
  if (outer.key().empty()) {
    Warn(warnings, JoinPath(path, "key"), "OUTER_KEY_PUBLIC",
         "the empty key is known to everybody: it keeps nobody out; TLS inside is not affected");
  } else {
    WarnOfShortKey(outer.key().size(), JoinPath(path, "key"), warnings);
  }
}

void CheckQuic(const v1::QuicSpec& spec, const std::string& path, Violations& violations, std::vector<v1::Warning>& warnings) {
  CheckOuter(spec.outer(), JoinPath(path, "outer"), violations, warnings);
  const v1::QuicSpec whole = WithDefaults(spec);
  const bool is_wrapped = HasSecurity(spec.outer()) || HasHeader(spec.outer());
  if (is_wrapped && spec.max_udp_payload_bytes() > kMostPayloadInWrapper) {
    Add(violations, path, "max_udp_payload_bytes",
        absl::StrFormat("%d is not in [1200, %d]: inside the wrapper of outer a longer datagram ends a v2ray process",
                        spec.max_udp_payload_bytes(), kMostPayloadInWrapper));
  }
  const bool is_idle_sound = Nanoseconds(whole.idle_timeout()) >= kLeastIdleTimeoutNs;  // else that is said already
  if (is_idle_sound && Nanoseconds(whole.keepalive_interval()) >= Nanoseconds(whole.idle_timeout())) {
    // Named after the one that was written.
    const bool is_keepalive = spec.has_keepalive_interval();
    const std::string keepalive = manifest::FormatDuration(whole.keepalive_interval());
    const std::string idle = manifest::FormatDuration(whole.idle_timeout());
    Add(violations, path, is_keepalive ? "keepalive_interval" : "idle_timeout",
        is_keepalive ? keepalive + " is not below idle_timeout, " + idle : idle + " is not above keepalive_interval, " + keepalive);
  }
  if (spec.congestion_control() == v1::CONGESTION_CONTROL_FIXED_RATE) {
    Add(violations, path, "congestion_control", "FIXED_RATE belongs to transport KCP; QUIC takes BBR or CUBIC");
  }
  if (spec.early_data()) {
    Warn(warnings, JoinPath(path, "early_data"), "EARLY_DATA_REPLAY",
         "who records the first datagram of a session may be able to have its bytes reach the backend again");
  }
}

void CheckMode(const v1::TlsSpec& tls, const std::string& prefix, Violations& violations) {
  if (tls.mode() == v1::TLS_MODE_XTLS) Add(violations, prefix, "tls.mode", "XTLS belongs to transport KCP; QUIC has TLS only");
}

}  // namespace

bool HasSecretOuterKey(const v1::QuicSpec& spec) {
  return HasSecurity(spec.outer()) && (!spec.outer().key().empty() || !spec.outer().key_file().empty());
}

void WarnOfShortKey(size_t key_bytes, const std::string& path, std::vector<v1::Warning>& warnings) {
  if (key_bytes >= kShortKeyBytes) return;
  Warn(warnings, path, "OUTER_KEY_SHORT",
       absl::StrFormat("has fewer than %d bytes and can be guessed from one recorded datagram", kShortKeyBytes));
}

void CheckQuicListener(const v1::ListenerSpec& spec, const std::string& prefix, Violations& violations,
                       std::vector<v1::Warning>& warnings) {
  CheckQuic(spec.quic(), JoinPath(prefix, "quic"), violations, warnings);
  if (spec.has_tls()) {
    CheckListenerTls(spec.tls(), JoinPath(prefix, "tls"), violations, warnings);
    CheckMode(spec.tls(), prefix, violations);
  }
  if (!spec.tls().require_peer_certificate() && !HasSecretOuterKey(spec.quic())) {
    Warn(warnings, JoinPath(prefix, "tls.require_peer_certificate"), "ANYONE_MAY_CONNECT", kAnyoneMayConnectQuic);
  }
}

void CheckQuicDialer(const v1::DialerSpec& spec, const std::string& prefix, Violations& violations,
                     std::vector<v1::Warning>& warnings) {
  CheckQuic(spec.quic(), JoinPath(prefix, "quic"), violations, warnings);
  if (spec.has_tls()) {
    CheckDialerTls(spec.tls(), spec.insecure(), JoinPath(prefix, "tls"), violations, warnings);
    CheckMode(spec.tls(), prefix, violations);
  } else if (spec.insecure()) {
    Warn(warnings, JoinPath(prefix, "insecure"), "INSECURE",
         "the peer's certificate is not verified: anyone on the path can be the peer");
  } else {
    Add(violations, prefix, "tls",
        "must say whom to trust: trust_file or pinned_spki, or an empty block for the system's roots; insecure: true verifies nobody");
  }
  const v1::DialerSpec whole = WithDefaults(spec);
  if (whole.min_sessions() > whole.max_sessions()) {
    Add(violations, prefix, "min_sessions",
        absl::StrFormat("%d is above max_sessions, %d", whole.min_sessions(), whole.max_sessions()));
  }
  if (Nanoseconds(whole.backoff_min()) > Nanoseconds(whole.backoff_max())) {
    const std::string least = manifest::FormatDuration(whole.backoff_min());
    const std::string most = manifest::FormatDuration(whole.backoff_max());
    const bool is_max = spec.has_backoff_max();
    Add(violations, prefix, is_max ? "backoff_max" : "backoff_min",
        is_max ? most + " is below backoff_min, " + least : least + " is above backoff_max, " + most);
  }
}

void CheckNoQuic(const v1::DialerSpec& spec, const std::string& prefix, Violations& violations) {
  constexpr const char* kOnlyQuic = "belongs to transport QUIC";
  if (spec.min_sessions() != 0) {
    Add(violations, prefix, "min_sessions",
        absl::StrFormat("%d is not 0: sessions are opened when streams need them, except over QUIC", spec.min_sessions()));
  }
  if (spec.has_backoff_min()) Add(violations, prefix, "backoff_min", kOnlyQuic);
  if (spec.has_backoff_max()) Add(violations, prefix, "backoff_max", kOnlyQuic);
  if (spec.has_resolve_interval()) Add(violations, prefix, "resolve_interval", kOnlyQuic);
}

}  // namespace culvert::server
