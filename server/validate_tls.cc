#include "server/validate_tls.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "core/base/address.h"
#include "core/tls/tls_context.h"
#include "server/message_walk.h"
#include "server/validate.h"

namespace culvert::server {
namespace {

constexpr size_t kMaxProtocolBytes = 255;  // RFC 7301 section 3.1
constexpr size_t kMaxNameBytes = 253;      // RFC 1035 section 3.1, as text
constexpr size_t kMaxLabelBytes = 63;

class Checker {
 public:
  Checker(const v1::TlsSpec& tls, std::string path, Violations& violations, std::vector<v1::Warning>& warnings)
      : tls_(tls), path_(std::move(path)), violations_(violations), warnings_(warnings) {}

  void Add(const std::string& field, std::string description) {
    if (violations_.size() < kMaxViolations) violations_.push_back({JoinPath(path_, field), std::move(description)});
  }
  void Warn(std::string field, const char* reason, std::string message) {
    v1::Warning& warning = warnings_.emplace_back();
    warning.set_field(std::move(field));
    warning.set_reason(reason);
    warning.set_message(std::move(message));
  }

  void CheckCommon() {
    if (tls_.mode() == v1::TLS_MODE_XTLS) Warn(JoinPath(path_, "mode"), "XTLS_WITHOUT_DIRECT_COPY", kNoDirectCopy);
    for (int i = 0; i < tls_.pinned_spki_size(); ++i) {
      if (tls::ParseSpkiPin(tls_.pinned_spki(i)).ok()) continue;
      Add(absl::StrFormat("pinned_spki[%d]", i),
          QuotedValue(tls_.pinned_spki(i)) + " is not \"sha256/\" and 44 characters of base64");
    }
    for (int i = 0; i < tls_.alpn_size(); ++i) {
      if (tls_.alpn(i).size() <= kMaxProtocolBytes) continue;
      Add(absl::StrFormat("alpn[%d]", i),
          absl::StrFormat("has %d bytes, a protocol has 1 to %d", tls_.alpn(i).size(), kMaxProtocolBytes));
    }
    const bool has_certificate = !tls_.certificate_file().empty();
    const bool has_key = !tls_.private_key_file().empty();
    if (has_certificate && !has_key) Add("private_key_file", "must be set: certificate_file is");
    if (has_key && !has_certificate) Add("certificate_file", "must be set: private_key_file is");
  }

 private:
  const v1::TlsSpec& tls_;
  const std::string path_;
  Violations& violations_;
  std::vector<v1::Warning>& warnings_;
};

bool IsLabel(std::string_view label) {
  return !label.empty() && label.size() <= kMaxLabelBytes && label.front() != '-' && label.back() != '-' &&
         std::ranges::all_of(label, [](unsigned char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_'; });
}

bool IsDnsName(std::string_view name) {
  if (name.empty() || name.size() > kMaxNameBytes) return false;
  std::string_view last;
  for (size_t begin = 0; begin <= name.size(); begin += last.size() + 1) {
    last = name.substr(begin, name.find('.', begin) - begin);
    if (!IsLabel(last)) return false;
  }
  // What ends in a number is an address that went wrong.
  return !std::ranges::all_of(last, [](unsigned char c) { return absl::ascii_isdigit(c); });
}

}  // namespace

void CheckListenerTls(const v1::TlsSpec& tls, const std::string& path, Violations& violations,
                      std::vector<v1::Warning>& warnings) {
  Checker checker(tls, path, violations, warnings);
  checker.CheckCommon();
  if (tls.certificate_file().empty() && tls.private_key_file().empty()) {
    checker.Add("certificate_file", "must be set: a listener shows a certificate");
    checker.Add("private_key_file", "must be set: a listener shows a certificate");
  }
  if (!tls.server_name().empty()) checker.Add("server_name", "belongs to dialers; a listener takes any name");
  if (tls.require_peer_certificate()) {
    if (tls.trust_file().empty()) checker.Add("trust_file", "must be set: require_peer_certificate is");
    return;
  }
  // Each of these says who may come in. Taken without effect, they would let everybody in.
  constexpr const char* kUnused = "has no effect without require_peer_certificate: true";
  if (!tls.trust_file().empty()) checker.Add("trust_file", kUnused);
  if (tls.allowed_peer_names_size() > 0) checker.Add("allowed_peer_names", kUnused);
  if (tls.pinned_spki_size() > 0) checker.Add("pinned_spki", kUnused);
}

void CheckDialerTls(const v1::TlsSpec& tls, bool insecure, const std::string& path, Violations& violations,
                    std::vector<v1::Warning>& warnings) {
  Checker checker(tls, path, violations, warnings);
  checker.CheckCommon();
  const std::string& name = tls.server_name();
  if (!name.empty() && !IsDnsName(name) && !IpAddress::Parse(name).ok()) {
    checker.Add("server_name", QuotedValue(name) + " is not a DNS name or an IP address");
  }
  if (tls.require_peer_certificate()) {
    checker.Add("require_peer_certificate", "belongs to listeners; a dialer always wants a certificate");
  }
  const bool has_trust = !tls.trust_file().empty() || (tls.pinned_spki_size() == 0 && !insecure);
  if (tls.allowed_peer_names_size() > 0 && !has_trust) {
    checker.Add("allowed_peer_names", tls.pinned_spki_size() > 0
                                          ? "needs trust_file: with pins alone nobody vouches for names"
                                          : "needs trust_file: with insecure: true nobody vouches for names");
  }
  if (insecure) {
    const size_t at = path.rfind('.');
    checker.Warn(path.substr(0, at == std::string::npos ? 0 : at + 1) + "insecure", "INSECURE",
                 tls.pinned_spki_size() > 0 ? "the peer's certificate is not verified beyond its pin"
                                            : "the peer's certificate is not verified: anyone on the path can be the peer");
  }
}

}  // namespace culvert::server
