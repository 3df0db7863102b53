// The audit trail: a line in the log for every call of a method that its proto marks as audited, with who called, for what, and how it
// went, and for every call that was refused for lack of a role. Never a value of the request, only a digest of all of it.
// Thread: any.
#pragma once

#include <grpcpp/server_context.h>

#include <string>

#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "server/access/caller.h"

namespace culvert::server {

struct AuditRecord {
  bool is_audited = false;
  std::string method;   // "culvert.v1.ListenerService/CreateListener"
  std::string subject;  // "quic-in", "3 objects"; what the request is about
  std::string digest;   // of the request
  bool is_trial = false;  // validate_only
};

AuditRecord AuditOf(const google::protobuf::Message& request);
void WriteAudit(const AuditRecord& record, const Caller& caller, const absl::Status& result);
// A call that was not admitted: whoever it was has no role for it.
void AuditRefusal(const CallerSource& source, const grpc::ServerContextBase& call, const google::protobuf::Message& request,
                  const absl::Status& result);

// The same of a method that is not ours: nothing is known of its request.
void AuditRefusal(const std::string& method, const Caller& caller, const absl::Status& result);

// What tells this request from every other, apart from its request id.
std::string RequestDigest(const google::protobuf::Message& request);

}  // namespace culvert::server
