// The audit trail: a line in the log for every call of a method that its proto marks as audited, with who called, for what, and how it
// went, and for every call that was refused for lack of a role. Of what goes on for a while, Connect and ProbeDialer, there is a line when
// it ends. Never a value of the request but what it is about, only a digest of all of it.
// Thread: any.
#pragma once

#include <grpcpp/server_context.h>

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "core/base/time.h"
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

// Of a request whose method is not to be audited it says nothing.
AuditRecord AuditOf(const google::protobuf::Message& request);
// Of any request.
AuditRecord DescribeRequest(const google::protobuf::Message& request);
// A text that may come from a caller, as `subject` has it: printable and not too long.
std::string SubjectText(const std::string& text);
void WriteAudit(const AuditRecord& record, const Caller& caller, const absl::Status& result);
struct AuditEnd {
  Duration elapsed{};
  // What was carried; nullopt: the method carries nothing.
  std::optional<uint64_t> bytes_from_caller;
  std::optional<uint64_t> bytes_to_caller;
};
// Something that went on for a while has ended. `outcome`: "ok", or a reason in UPPER_SNAKE_CASE.
void WriteAuditEnd(const AuditRecord& record, const Caller& caller, const std::string& outcome, const AuditEnd& end);
// The outcome that a status stands for.
std::string OutcomeText(const absl::Status& status);
// A call that was not admitted: whoever it was has no role for it.
void AuditRefusal(const CallerSource& source, const grpc::ServerContextBase& call, const google::protobuf::Message& request,
                  const absl::Status& result);

// The same of a method that is not ours: nothing is known of its request.
void AuditRefusal(const std::string& method, const Caller& caller, const absl::Status& result);

// What tells this request from every other, apart from its request id.
std::string RequestDigest(const google::protobuf::Message& request);

}  // namespace culvert::server
