// Admission: the gate that every call passes before anything of it is looked at: who calls, may they, is the request small enough,
// and is it, apart from the objects in it, well formed. Deny by default: a method without a role in its proto is nobody's.
// Thread: any; no state.
#pragma once

#include <grpcpp/server_context.h>

#include <string>

#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "server/access/caller.h"

namespace culvert::server {

// Of an encoded request; only Apply takes more, up to what the server reads at all.
inline constexpr size_t kMaxRequestBytes = 1 << 20;

// The caller, when the call goes on. Errors: UNAUTHENTICATED (NO_CLIENT_IDENTITY); PERMISSION_DENIED (ROLE_REQUIRED) with the role in
// the metadata; RESOURCE_EXHAUSTED (LIMIT_EXCEEDED); INVALID_ARGUMENT with every violation.
absl::StatusOr<Caller> Admit(const CallerSource& source, const grpc::ServerContextBase& call, const google::protobuf::Message& request);
// The same without a request: of a stream whose first message has not come yet.
absl::StatusOr<Caller> AdmitTo(const CallerSource& source, const grpc::ServerContextBase& call, const google::protobuf::Descriptor& request);

// Whether the caller may call the method that takes `request`, by what is known of it. Errors: those about who calls, as above.
absl::Status JudgeRole(const Caller& caller, const google::protobuf::Descriptor& request);

// Whether the caller may call `method` of the services that gRPC brings ("grpc.health.v1.Health/Check"): that takes any role. Errors: as
// above.
absl::Status JudgeStockCall(const Caller& caller, const std::string& method);

}  // namespace culvert::server
