#include "server/access/admission.h"

#include "culvert/v1/config.pb.h"
#include "server/access/methods.h"
#include "server/error_builder.h"
#include "server/validate.h"

namespace culvert::server {
namespace {

absl::Status RoleRequired(const google::protobuf::MethodDescriptor& method, const Caller& caller) {
  const v1::Role needed = RulesOf(method).role();
  return ErrorBuilder(absl::StatusCode::kPermissionDenied, "ROLE_REQUIRED",
                      method.name() + " needs the role " + RoleText(needed) + "; " + caller.Name() + " has " + RoleText(caller.role))
      .Metadata("required_role", RoleText(needed))
      .Metadata("role", RoleText(caller.role))
      .Metadata("method", PathOf(method))
      .Metadata("principal", caller.Name())
      .Build();
}

absl::Status NoClientIdentity() {
  return ErrorBuilder(absl::StatusCode::kUnauthenticated, "NO_CLIENT_IDENTITY", "the connection does not say who calls").Build();
}

}  // namespace

absl::Status JudgeRole(const Caller& caller, const google::protobuf::Descriptor& request) {
  const google::protobuf::MethodDescriptor* method = MethodTaking(request);
  if (method == nullptr) return InternalError("no method takes " + request.full_name());
  if (caller.principals.empty()) return NoClientIdentity();
  if (!Suffices(caller.role, RulesOf(*method).role())) return RoleRequired(*method, caller);
  return absl::OkStatus();
}

absl::StatusOr<Caller> AdmitTo(const CallerSource& source, const grpc::ServerContextBase& call,
                               const google::protobuf::Descriptor& request) {
  Caller caller = source.CallerOf(call);
  if (absl::Status status = JudgeRole(caller, request); !status.ok()) return status;
  return caller;
}

absl::StatusOr<Caller> Admit(const CallerSource& source, const grpc::ServerContextBase& call,
                             const google::protobuf::Message& request) {
  absl::StatusOr<Caller> caller = AdmitTo(source, call, *request.GetDescriptor());
  if (!caller.ok()) return caller;
  const bool is_apply = request.GetDescriptor() == v1::ApplyRequest::descriptor();
  if (!is_apply && request.ByteSizeLong() > kMaxRequestBytes) return LimitExceeded("bytes of a request", kMaxRequestBytes);
  Violations violations;
  ValidateRequest(request, violations);
  if (!violations.empty()) return InvalidFields(violations);
  return caller;
}

}  // namespace culvert::server
