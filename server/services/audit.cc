#include "server/services/audit.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "core/base/log.h"
#include "core/crypto/sha256.h"
#include "core/io/monotonic_clock.h"
#include "server/access/methods.h"
#include "server/error_builder.h"
#include "server/message_walk.h"

namespace culvert::server {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr size_t kShownDigestBytes = 8;
constexpr size_t kMaxSubjectBytes = 128;

// Its name, that of the object in it, or how many there are.
std::string SubjectOf(const Message& request) {
  const google::protobuf::Reflection& reflection = *request.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(request, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->is_repeated()) {
      if (field->name() == "objects") return std::to_string(reflection.FieldSize(request, field)) + " objects";
      continue;
    }
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING && (field->name() == "name" || field->name() == "dialer" || field->name() == "filter")) {
      return reflection.GetString(request, field);
    }
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    const Message& inside = reflection.GetMessage(request, field);
    const FieldDescriptor* metadata = inside.GetDescriptor()->FindFieldByName("metadata");
    if (metadata == nullptr || metadata->message_type() != v1::Metadata::descriptor()) continue;
    return static_cast<const v1::Metadata&>(inside.GetReflection()->GetMessage(inside, metadata)).name();
  }
  return "";
}

std::string Digest(const std::string& bytes, size_t shown) {
  const std::array<uint8_t, kSha256Size> digest = Sha256(AsBytes(bytes));
  return absl::BytesToHexString(std::string(reinterpret_cast<const char*>(digest.data()), shown));
}

void WriteLine(const AuditRecord& record, const Caller& caller, const absl::Status& result) {
  Log(LogLevel::kInfo, "audit", record.method,
      {{"event", "audit"},
       {"principal", caller.Name()},
       {"role", RoleText(caller.role)},
       {"subject", record.subject},
       {"trial", record.is_trial ? "true" : "false"},
       {"request", record.digest},
       {"result", OutcomeText(result)}});
}

// Calls that are refused cost who makes them nothing, so they are not to fill the log: a few a second, and how many more there were.
class RefusalBudget {
 public:
  // nullopt: not this one. Else how many went without a line since the last one.
  std::optional<uint64_t> Take(TimePoint now) {
    constexpr int kPerSecond = 10;
    const std::lock_guard lock(mutex_);
    if (now - second_ >= std::chrono::seconds(1)) {
      second_ = now;
      taken_ = 0;
    }
    if (taken_ == kPerSecond) {
      ++left_out_;
      return std::nullopt;
    }
    ++taken_;
    return std::exchange(left_out_, 0);
  }

 private:
  std::mutex mutex_;
  TimePoint second_{};  // guarded by mutex_, like all below
  int taken_ = 0;
  uint64_t left_out_ = 0;
};

// Whether this one gets a line; says how many did not.
bool MayTellRefusal() {
  static auto* const budget = new RefusalBudget;  // for the rest of the process
  const std::optional<uint64_t> left_out = budget->Take(io::Now());
  if (!left_out) return false;
  if (*left_out > 0) {
    Log(LogLevel::kInfo, "audit", "more calls were refused", {{"event", "audit"}, {"calls", std::to_string(*left_out)}});
  }
  return true;
}

}  // namespace

std::string OutcomeText(const absl::Status& status) {
  if (status.ok()) return "ok";
  std::string reason = ReasonOf(status);
  return reason.empty() ? absl::StatusCodeToString(status.code()) : reason;
}

std::string SubjectText(const std::string& text) { return absl::Utf8SafeCHexEscape(text.substr(0, kMaxSubjectBytes)); }

AuditRecord AuditOf(const Message& request) {
  const google::protobuf::MethodDescriptor* method = MethodTaking(*request.GetDescriptor());
  return method != nullptr && RulesOf(*method).audited() ? DescribeRequest(request) : AuditRecord();
}

AuditRecord DescribeRequest(const Message& request) {
  AuditRecord record;
  record.is_audited = true;
  if (const google::protobuf::MethodDescriptor* method = MethodTaking(*request.GetDescriptor())) record.method = PathOf(*method);
  record.subject = SubjectText(SubjectOf(request));
  const FieldDescriptor* trial = request.GetDescriptor()->FindFieldByName("validate_only");
  record.is_trial = trial != nullptr && request.GetReflection()->GetBool(request, trial);
  // Of what is no secret: a digest of a short secret is a way to guess it.
  const std::unique_ptr<Message> copy(request.New());
  copy->CopyFrom(request);
  RedactSecrets(*copy);
  record.digest = Digest(DeterministicBytes(*copy), kShownDigestBytes);
  return record;
}

void WriteAudit(const AuditRecord& record, const Caller& caller, const absl::Status& result) {
  if (record.is_audited) WriteLine(record, caller, result);
}

void WriteAuditEnd(const AuditRecord& record, const Caller& caller, const std::string& outcome, const AuditEnd& end) {
  if (!record.is_audited) return;
  const auto text = [](const std::optional<uint64_t>& bytes) { return bytes ? std::to_string(*bytes) : ""; };
  Log(LogLevel::kInfo, "audit", record.method + " ended",
      {{"event", "audit"},
       {"principal", caller.Name()},
       {"role", RoleText(caller.role)},
       {"subject", record.subject},
       {"request", record.digest},
       {"elapsed", absl::StrFormat("%.3fs", std::chrono::duration<double>(end.elapsed).count())},
       {"bytes_from_caller", text(end.bytes_from_caller)},
       {"bytes_to_caller", text(end.bytes_to_caller)},
       {"result", outcome}});
}

void AuditRefusal(const std::string& method, const Caller& caller, const absl::Status& result) {
  if (!MayTellRefusal()) return;
  AuditRecord record;
  record.method = absl::Utf8SafeCHexEscape(method.substr(0, kMaxSubjectBytes));
  WriteLine(record, caller, result);
}

void AuditRefusal(const CallerSource& source, const grpc::ServerContextBase& call, const Message& request, const absl::Status& result) {
  if (!absl::IsPermissionDenied(result) && !absl::IsUnauthenticated(result)) return;
  if (!MayTellRefusal()) return;
  AuditRecord record = AuditOf(request);
  if (const google::protobuf::MethodDescriptor* method = MethodTaking(*request.GetDescriptor())) record.method = PathOf(*method);
  WriteLine(record, source.CallerOf(call), result);
}

std::string RequestDigest(const Message& request) {
  const std::unique_ptr<Message> copy(request.New());
  copy->CopyFrom(request);
  if (const FieldDescriptor* id = request.GetDescriptor()->FindFieldByName("request_id")) copy->GetReflection()->ClearField(copy.get(), id);
  return Digest(DeterministicBytes(*copy), kSha256Size);
}

}  // namespace culvert::server
