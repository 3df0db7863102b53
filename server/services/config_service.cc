#include "server/services/config_service.h"

#include <memory>
#include <utility>

#include "server/services/unary_call.h"
#include "server/supervisor.h"

namespace culvert::server {
namespace {

constexpr size_t kLongAnswer = 50;  // objects

v1::ApplyResponse::Action ToProto(ChangeResult::Action action) {
  switch (action) {
    case ChangeResult::Action::kCreated: return v1::ApplyResponse::ACTION_CREATED;
    case ChangeResult::Action::kConfigured: return v1::ApplyResponse::ACTION_CONFIGURED;
    case ChangeResult::Action::kUnchanged: return v1::ApplyResponse::ACTION_UNCHANGED;
    case ChangeResult::Action::kDeleted: return v1::ApplyResponse::ACTION_DELETED;
    case ChangeResult::Action::kDraining:  // no apply does these three
    case ChangeResult::Action::kResumed:
    case ChangeResult::Action::kMissing: break;
  }
  return v1::ApplyResponse::ACTION_UNSPECIFIED;
}

void FillOutcome(Supervisor::ChangeOutcome& outcome, v1::ApplyResponse& response) {
  for (ChangeResult& from : outcome.results) {
    v1::ApplyResponse::Result& result = *response.add_results();
    result.set_kind(KindInfo(from.key.kind).singular);
    result.set_name(from.key.name);
    result.set_action(ToProto(from.action));
    result.set_disruptive(from.disruptive);
    for (std::string& path : from.changed_paths) result.add_changed_paths(std::move(path));
    for (v1::Warning& warning : from.warnings) *result.add_warnings() = std::move(warning);
    if (from.before != nullptr) *result.mutable_before() = RedactedObject(*from.before);
    if (from.after != nullptr) *result.mutable_after() = RedactedObject(*from.after);
  }
  response.set_revision(outcome.revision);
}

}  // namespace

grpc::ServerUnaryReactor* ConfigService::Apply(Call* call, const v1::ApplyRequest* request,
                                               v1::ApplyResponse* response) {
  return RunUnary(context_, call, request, response, [&](const UnaryCall<v1::ApplyResponse>& answer) {
    if (static_cast<size_t>(request->objects_size()) > kMaxObjects) {
      return answer.Answer(InvalidField("objects", "has more than " + std::to_string(kMaxObjects) + " entries"));
    }
    if (request->manager() == kFileManager) {
      return answer.Answer(InvalidField("manager", "\"file\" belongs to the daemon's configuration folders"));
    }
    ChangeSet set;
    set.manager = request->manager().empty() ? kApiManager : request->manager();
    set.is_apply = true;
    set.may_name_any_file = answer.caller().MayNameAnyFile();
    set.prune = request->prune();
    set.force_conflicts = request->force_conflicts();
    for (const v1::Object& object : request->objects()) set.changes.emplace_back().object = object;
    // The answer holds every object twice. Making a long one must not hold up who asks for something else.
    const auto done = [answer, supervisor = context_.supervisor](absl::StatusOr<Supervisor::ChangeOutcome> outcome) {
      const bool is_long = outcome.ok() && outcome->results.size() > kLongAnswer;
      const auto shared = std::make_shared<absl::StatusOr<Supervisor::ChangeOutcome>>(std::move(outcome));
      const auto say = [answer, shared] { answer.Answer(shared->status(), [&](v1::ApplyResponse& out) { FillOutcome(**shared, out); }); };
      if (!is_long || !supervisor->Aside(say)) say();
    };
    context_.supervisor->Change(std::move(set), request->validate_only(), done);
  });
}

grpc::ServerUnaryReactor* ConfigService::Export(Call* call, const v1::ExportRequest* request,
                                                v1::ExportResponse* response) {
  return RunUnary(context_, call, request, response, [&](const UnaryCall<v1::ExportResponse>& answer) {
    context_.supervisor->Export(request->manager(), [answer](absl::StatusOr<std::vector<v1::Object>> objects) {
      answer.Answer(objects.status(), [&](v1::ExportResponse& out) {
        for (v1::Object& object : *objects) *out.add_objects() = std::move(object);
      });
    });
  });
}

grpc::ServerUnaryReactor* ConfigService::GetConfigStatus(Call* call, const v1::GetConfigStatusRequest* request,
                                                         v1::GetConfigStatusResponse* response) {
  return RunUnary(context_, call, request, response, [&](const UnaryCall<v1::GetConfigStatusResponse>& answer) {
    context_.supervisor->GetConfigStatus([answer](absl::StatusOr<v1::GetConfigStatusResponse> status) {
      answer.Answer(status.status(), [&](v1::GetConfigStatusResponse& out) { out.Swap(&*status); });
    });
  });
}

}  // namespace culvert::server
