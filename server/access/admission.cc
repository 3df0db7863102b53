#include "server/access/admission.h"

#include "culvert/v1/config.pb.h"
#include "server/access/methods.h"
#include "server/error_builder.h"
#include "server/validate.h"

namespace culvert::server {
namespace {

// `path`: "culvert.v1.ListenerService/CreateListener".
absl::Status RoleRequired(const std::string& path, v1::Role needed, const Caller& caller) {
  const std::string name = path.substr(path.rfind('/') + 1);
  return ErrorBuilder(absl::StatusCode::kPermissionDenied, "ROLE_REQUIRED",
                      name + " needs the role " + RoleText(needed) + "; " + caller.Name() + " has " + RoleText(caller.role))
      .Metadata("required_role", RoleText(needed))
      .Metadata("role", RoleText(caller.role))
      .Metadata("method", path)
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
  const v1::Role needed = RulesOf(*method).role();
  if (!Suffices(caller.role, needed)) return RoleRequired(PathOf(*method), needed, caller);
  return absl::OkStatus();
}

absl::Status JudgeStockCall(const Caller& caller, const std::string& method) {
  if (caller.principals.empty()) return NoClientIdentity();
  if (!Suffices(caller.role, v1::ROLE_VIEWER)) return RoleRequired(method, v1::ROLE_VIEWER, caller);
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
