#include "server/access/access_policy.h"

#include <algorithm>
#include <map>
#include <utility>

#include "proto/manifest/message.h"
#include "server/query/literal.h"
#include "server/validate.h"

namespace culvert::server {
namespace {

constexpr int kMaxRules = 1000;

bool Matches(const v1::AccessRule& rule, const Principals& principals) {
  return std::ranges::any_of(rule.principals(), [&principals](const std::string& pattern) {
    return std::ranges::any_of(principals, [&pattern](const std::string& one) { return MatchesPattern(pattern, one); });
  });
}

void AddRule(v1::AccessPolicy& policy, v1::Role role, std::initializer_list<std::string> principals) {
  v1::AccessRule& rule = *policy.add_rules();
  rule.set_role(role);
  for (const std::string& principal : principals) rule.add_principals(principal);
}

// A pattern that no principal can have is a rule that its writer takes for another: "1000" in place of "uid:1000".
bool CanMatch(const std::string& pattern) {
  for (const char* head : {"uid:", "gid:", "spiffe://", "uri:", "dns:", "ip:", "email:", "cn:", "*"}) {
    if (pattern.starts_with(head)) return true;
  }
  return false;
}

Violations Judge(const v1::AccessPolicy& policy) {
  Violations violations;
  if (policy.rules_size() > kMaxRules) {
    violations.push_back({"rules", "at most " + std::to_string(kMaxRules) + " rules are taken"});
    return violations;
  }
  ValidateTree(policy, "", violations);
  for (int i = 0; i < policy.rules_size() && violations.size() < kMaxViolations; ++i) {
    const v1::AccessRule& rule = policy.rules(i);
    const std::string path = "rules[" + std::to_string(i) + "]";
    const bool has_role = rule.role() != v1::ROLE_UNSPECIFIED;
    if (has_role == rule.deny()) {
      violations.push_back({path + ".role", rule.deny() ? "excludes deny: true" : "must be VIEWER, OPERATOR or ADMIN unless deny is true"});
    }
    for (int k = 0; k < rule.principals_size(); ++k) {
      if (CanMatch(rule.principals(k))) continue;
      violations.push_back({path + ".principals[" + std::to_string(k) + "]",
                            QuotedValue(rule.principals(k)) + " matches nobody: uid:, gid:, spiffe://, uri:, dns:, ip:, email: or cn: comes first"});
    }
  }
  return violations;
}

}  // namespace

AccessPolicy AccessPolicy::BuiltIn(uint32_t own_uid, uint32_t own_gid) {
  v1::AccessPolicy policy;
  AddRule(policy, v1::ROLE_ADMIN, {"uid:0", "uid:" + std::to_string(own_uid)});
  AddRule(policy, v1::ROLE_OPERATOR, {"gid:" + std::to_string(own_gid)});
  return AccessPolicy(std::move(policy));
}

absl::StatusOr<AccessPolicy> AccessPolicy::Parse(std::string_view text, const std::string& file) {
  v1::AccessPolicy policy;
  std::map<std::string, int> lines;
  if (absl::Status status = manifest::ParseMessage(text, file, policy, lines); !status.ok()) return status;
  const Violations violations = Judge(policy);
  if (violations.empty()) return AccessPolicy(std::move(policy));
  std::string faults;
  for (const Violation& violation : violations) {
    faults += (faults.empty() ? "" : "\n") + manifest::WhereIn(file, lines, violation.path) + ": " + violation.path + ": " + violation.description;
  }
  return absl::InvalidArgumentError(faults);
}

v1::Role AccessPolicy::RoleOf(const Principals& principals) const {
  v1::Role role = v1::ROLE_UNSPECIFIED;
  for (const v1::AccessRule& rule : policy_.rules()) {
    if (role != v1::ROLE_UNSPECIFIED && !rule.deny()) continue;  // the first one that grants has been found
    if (!Matches(rule, principals)) continue;
    if (rule.deny()) return v1::ROLE_UNSPECIFIED;
    role = rule.role();
  }
  return role;
}

}  // namespace culvert::server
