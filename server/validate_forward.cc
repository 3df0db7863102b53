#include "server/validate_forward.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "core/egress/destination_policy.h"
#include "proto/manifest/manifest.h"
#include "server/message_walk.h"

namespace culvert::server {
namespace {

// NATs forget a UDP flow after 30 s at the soonest, by what is common (RFC 4787 section 4.3 asks for two minutes).
constexpr int64_t kShortUdpIdleTimeoutSeconds = 30;

void Add(Violations& violations, const std::string& prefix, const std::string& field, std::string description) {
  if (violations.size() < kMaxViolations) violations.push_back({JoinPath(prefix, field), std::move(description)});
}

// `where`: what the fields of one side belong to.
void RefusePublicFields(const v1::ForwardSpec& spec, const std::string& prefix, const char* where, Violations& violations) {
  if (!spec.reverse_listener().empty()) Add(violations, prefix, "reverse_listener", where);
  if (spec.has_reverse_wait()) Add(violations, prefix, "reverse_wait", where);
}

void CheckPublic(const v1::ForwardSpec& spec, const std::string& prefix, Violations& violations) {
  constexpr const char* kFarSideDecides = "excludes reverse: the private side says where its streams go";
  if (!spec.destination().empty()) Add(violations, prefix, "destination", kFarSideDecides);
  if (spec.allowed_destinations_size() > 0) Add(violations, prefix, "allowed_destinations", kFarSideDecides);
  if (spec.reverse_parked() != 0) Add(violations, prefix, "reverse_parked", "belongs to the private side of reverse");
  if (spec.proxy_protocol()) {
    Add(violations, prefix, "proxy_protocol", "belongs to the private side of reverse, which dials the backends");
  }
}

void CheckPrivate(const v1::ForwardSpec& spec, const std::string& prefix, Violations& violations) {
  if (spec.destination().empty()) {
    Add(violations, prefix, "destination", "must be set: it is what the public side of reverse is given");
  }
  if (spec.allowed_destinations_size() > 0) {
    Add(violations, prefix, "allowed_destinations", "excludes reverse: its streams go to destination and nowhere else");
  }
  RefusePublicFields(spec, prefix, "belongs to the public side of reverse", violations);
}

void CheckOrdinary(const v1::ForwardSpec& spec, const std::string& prefix, Violations& violations) {
  if (spec.listener().empty()) {
    Add(violations, prefix, "listener", "must be set; only the private side of reverse, which has reverse and dialer, has none");
  }
  if (spec.dialer().empty() && spec.destination().empty() && spec.allowed_destinations_size() == 0) {
    Add(violations, prefix, "destination", "must be set, or else dialer");
  }
  RefusePublicFields(spec, prefix, "belongs to reverse", violations);
  if (spec.reverse_parked() != 0) Add(violations, prefix, "reverse_parked", "belongs to reverse");
}

void CheckAllowed(const v1::ForwardSpec& spec, const std::string& prefix, Violations& violations) {
  for (int i = 0; i < spec.allowed_destinations_size(); ++i) {
    const std::string& entry = spec.allowed_destinations(i);
    if (entry.empty()) continue;  // said already
    const auto policy = egress::DestinationPolicy::Create({entry});
    if (policy.ok()) continue;
    Add(violations, prefix, absl::StrFormat("allowed_destinations[%d]", i), std::string(policy.status().message()));
  }
}

}  // namespace

bool IsReversePublic(const v1::ForwardSpec& spec) { return !spec.reverse().empty() && spec.dialer().empty(); }

bool IsReversePrivate(const v1::ForwardSpec& spec) { return !spec.reverse().empty() && spec.listener().empty(); }

void CheckForward(const v1::ForwardSpec& spec, const std::string& prefix, Violations& violations,
                  std::vector<v1::Warning>& warnings) {
  if (spec.reverse().empty()) {
    CheckOrdinary(spec, prefix, violations);
  } else if (spec.listener().empty() == spec.dialer().empty()) {
    Add(violations, prefix, "reverse",
        "needs a listener, which makes this the public side, or a dialer, which makes it the private one, and not both");
  } else if (IsReversePublic(spec)) {
    CheckPublic(spec, prefix, violations);
  } else {
    CheckPrivate(spec, prefix, violations);
  }
  CheckAllowed(spec, prefix, violations);
  const bool is_short = spec.has_udp_idle_timeout() && spec.udp_idle_timeout().seconds() < kShortUdpIdleTimeoutSeconds;
  if (is_short && spec.udp().compatibility() != v1::UDP_COMPATIBILITY_V2RAY) {
    v1::Warning& warning = warnings.emplace_back();
    warning.set_field(JoinPath(prefix, "udp_idle_timeout"));
    warning.set_reason("UDP_IDLE_TIMEOUT_SHORT");
    warning.set_message(manifest::FormatDuration(spec.udp_idle_timeout()) +
                        " is below 30s: NATs and peers may still hold a flow that is forgotten here");
  }
}

}  // namespace culvert::server
