#include "server/services/daemon_service.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <optional>

#include "proto/manifest/suggest.h"
#include "server/log_book.h"
#include "server/log_levels.h"
#include "server/services/unary_call.h"
#include "server/supervisor.h"
#include "server/validate.h"

namespace culvert::server {
namespace {

std::optional<LogLevel> FromProto(v1::LogLevel level) {
  switch (level) {
    case v1::LOG_LEVEL_ERROR: return LogLevel::kError;
    case v1::LOG_LEVEL_WARNING: return LogLevel::kWarning;
    case v1::LOG_LEVEL_INFO: return LogLevel::kInfo;
    case v1::LOG_LEVEL_DEBUG: return LogLevel::kDebug;
    default: return std::nullopt;
  }
}

absl::Status CheckComponent(const std::string& component) {
  const std::vector<std::string>& known = LogComponents();
  if (component.empty() || std::ranges::find(known, component) != known.end()) return absl::OkStatus();
  std::string list;
  for (const std::string& one : known) list += (list.empty() ? "" : ", ") + one;
  return InvalidField("component", QuotedValue(component) + " is no component" + manifest::DidYouMean(component, known) + "; there are " + list);
}

}  // namespace

grpc::ServerUnaryReactor* DaemonService::GetDaemon(Call* call, const v1::GetDaemonRequest* request, v1::GetDaemonResponse* response) {
  return RunUnary(context_, call, request, response, [&](const UnaryCall<v1::GetDaemonResponse>& answer) {
    context_.supervisor->GetDaemon([answer](absl::StatusOr<v1::Daemon> daemon) {
      answer.Answer(daemon.status(), [&](v1::GetDaemonResponse& out) { *out.mutable_daemon() = *std::move(daemon); });
    });
  });
}

grpc::ServerUnaryReactor* DaemonService::StartDrain(Call* call, const v1::StartDrainRequest* request, v1::StartDrainResponse* response) {
  return RunUnary(context_, call, request, response, [&](const UnaryCall<v1::StartDrainResponse>& answer) {
    DrainRequest drain;
    drain.timeout = Duration(google::protobuf::util::TimeUtil::DurationToNanoseconds(request->timeout()));
    drain.inbound_only = request->inbound_only();
    drain.exit_when_drained = request->exit_when_drained();
    context_.supervisor->StartDrain(drain, [answer](absl::StatusOr<v1::Drain> state) {
      answer.Answer(state.status(), [&](v1::StartDrainResponse& out) { *out.mutable_drain() = *std::move(state); });
    });
  });
}

grpc::ServerUnaryReactor* DaemonService::CancelDrain(Call* call, const v1::CancelDrainRequest* request, v1::CancelDrainResponse* response) {
  return RunUnary(context_, call, request, response, [&](const UnaryCall<v1::CancelDrainResponse>& answer) {
    context_.supervisor->CancelDrain([answer](absl::StatusOr<v1::Drain> state) {
      answer.Answer(state.status(), [&](v1::CancelDrainResponse& out) { *out.mutable_drain() = *std::move(state); });
    });
  });
}

grpc::ServerUnaryReactor* DaemonService::ReloadCredentials(Call* call, const v1::ReloadCredentialsRequest* request,
                                                           v1::ReloadCredentialsResponse* response) {
  return RunUnary(context_, call, request, response, [&](const UnaryCall<v1::ReloadCredentialsResponse>& answer) {
    context_.supervisor->ReloadCredentials([answer](absl::StatusOr<v1::ReloadCredentialsResponse> reloaded) {
      answer.Answer(reloaded.status(), [&](v1::ReloadCredentialsResponse& out) { out.Swap(&*reloaded); });
    });
  });
}

grpc::ServerUnaryReactor* DaemonService::SetLogLevel(Call* call, const v1::SetLogLevelRequest* request, v1::SetLogLevelResponse* response) {
  return RunUnary(context_, call, request, response, [&](const UnaryCall<v1::SetLogLevelResponse>& answer) {
    if (const absl::Status status = CheckComponent(request->component()); !status.ok()) return answer.Answer(status);
    const std::optional<LogLevel> level = FromProto(request->level());
    if (!level) return answer.Answer(InvalidField("level", "must be ERROR, WARNING, INFO or DEBUG"));
    const Duration revert_after(google::protobuf::util::TimeUtil::DurationToNanoseconds(request->revert_after()));
    context_.supervisor->SetLogLevel(request->component(), *level, revert_after, [answer](const absl::StatusOr<LogLevel>& previous) {
      answer.Answer(previous.status(), [&](v1::SetLogLevelResponse& out) { out.set_previous_level(ToProto(*previous)); });
    });
  });
}

}  // namespace culvert::server
