// AccessPolicy: which role a caller of the control API has (culvert/v1/access.proto). A pure function of what names the caller.
// Thread: any; immutable.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "culvert/v1/access.pb.h"

namespace culvert::server {

// What names a caller, the most telling one first: "uid:1000", "gid:100"; "spiffe://a/b", "dns:ctl.example", "email:a@b", "cn:ops".
using Principals = std::vector<std::string>;

class AccessPolicy {
 public:
  // Where no file says otherwise: root and `own_uid` are admins, members of `own_gid` operators, everybody else is refused.
  static AccessPolicy BuiltIn(uint32_t own_uid, uint32_t own_gid);
  // Of a file in YAML or JSON, whose name stands in errors. An empty file has no rules and refuses everybody.
  // Errors: INVALID_ARGUMENT with a line per fault: file, line and field.
  static absl::StatusOr<AccessPolicy> Parse(std::string_view text, const std::string& file);

  // ROLE_UNSPECIFIED: refused.
  [[nodiscard]] v1::Role RoleOf(const Principals& principals) const;

 private:
  explicit AccessPolicy(v1::AccessPolicy policy) : policy_(std::move(policy)) {}

  v1::AccessPolicy policy_;
};

}  // namespace culvert::server
