#include "cli/changes/apply_call.h"

#include "cli/changes/mutation.h"
#include "cli/objects/manifest_files.h"
#include "culvert/v1/config.grpc.pb.h"

namespace culvert::cli {

void AddApplyOptions(CLI::App& app, ApplyOptions& options) {
  app.add_flag("--prune", options.prune, "delete what this manager owns and the files do not name");
  app.add_option("--manager", options.manager, "on whose behalf (api); what it creates is its own");
  app.add_flag("--force-conflicts", options.force_conflicts, "take objects over from other managers");
}

Outcome CallApply(Client& client, const std::vector<manifest::SourceObject>& sources, const ApplyOptions& options, bool validate_only,
                  v1::ApplyResponse& response) {
  v1::ApplyRequest request;
  for (const manifest::SourceObject& source : sources) *request.add_objects() = source.object;
  request.set_manager(options.manager);
  request.set_prune(options.prune);
  request.set_force_conflicts(options.force_conflicts);
  request.set_validate_only(validate_only);
  request.set_request_id(NewRequestId());
  using Service = v1::ConfigService;
  grpc::Status status = client.RawCall<Service>(&Service::Stub::Apply, request, &response);
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    response.Clear();
    status = client.RawCall<Service>(&Service::Stub::Apply, request, &response);
  }
  if (status.ok()) return std::nullopt;
  const ServerError error = ServerError::Decode(status);
  Failure failure = AtSources(error, client.Explain(status), sources);
  if (error.info.reason() == "MANAGED_BY_OTHER") failure.next = "--force-conflicts takes them over";
  return failure;
}

}  // namespace culvert::cli
