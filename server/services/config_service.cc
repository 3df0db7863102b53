#include "server/services/config_service.h"

namespace culvert::server {
namespace {

v1::ApplyResponse::Action ToProto(ChangeResult::Action action) {
  switch (action) {
    case ChangeResult::Action::kCreated: return v1::ApplyResponse::ACTION_CREATED;
    case ChangeResult::Action::kConfigured: return v1::ApplyResponse::ACTION_CONFIGURED;
    case ChangeResult::Action::kUnchanged: return v1::ApplyResponse::ACTION_UNCHANGED;
    default: return v1::ApplyResponse::ACTION_UNSPECIFIED;
  }
}

void FillResults(std::vector<ChangeResult>& results, v1::ApplyResponse& response) {
  for (ChangeResult& from : results) {
    v1::ApplyResponse::Result& result = *response.add_results();
    result.set_kind(KindInfo(from.key.kind).singular);
    result.set_name(from.key.name);
    result.set_action(ToProto(from.action));
    result.set_disruptive(from.disruptive);
    for (std::string& path : from.changed_paths) result.add_changed_paths(std::move(path));
    for (v1::Warning& warning : from.warnings) *result.add_warnings() = std::move(warning);
  }
}

}  // namespace

grpc::ServerUnaryReactor* ConfigService::Apply(Call* call, const v1::ApplyRequest* request,
                                               v1::ApplyResponse* response) {
  if (static_cast<size_t>(request->objects_size()) > kMaxObjects) {
    return FinishNow(call, InvalidField("objects", "has more than " + std::to_string(kMaxObjects) + " entries"));
  }
  ChangeSet set;
  set.manager = kApiManager;
  set.is_apply = true;
  for (const v1::Object& object : request->objects()) set.changes.emplace_back().object = object;
  Reactor* reactor = call->DefaultReactor();
  context_.supervisor->Change(std::move(set), request->validate_only(),
                              [response, reactor](absl::StatusOr<Supervisor::ChangeOutcome> outcome) {
                                if (outcome.ok()) FillResults(outcome->results, *response);
                                reactor->Finish(ToGrpcStatus(outcome.status()));
                              });
  return reactor;
}

grpc::ServerUnaryReactor* ConfigService::Export(Call* call, const v1::ExportRequest* request,
                                                v1::ExportResponse* response) {
  Reactor* reactor = call->DefaultReactor();
  context_.supervisor->Export(request->manager(), [response, reactor](absl::StatusOr<std::vector<v1::Object>> objects) {
    if (objects.ok()) {
      for (v1::Object& object : *objects) *response->add_objects() = std::move(object);
    }
    reactor->Finish(ToGrpcStatus(objects.status()));
  });
  return reactor;
}

}  // namespace culvert::server
