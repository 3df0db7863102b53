#include "server/services/session_service.h"

#include "core/base/log.h"
#include "server/stats_proto.h"
#include "server/validate.h"

namespace culvert::server {
namespace {

std::string SessionId(const std::string& name) { return StripCollection(name, "sessions"); }

absl::Status FillPage(const PageTokens& tokens, const v1::ListSessionsRequest& request, const MergedReport& report,
                      v1::ListSessionsResponse& response) {
  std::vector<const SessionSnapshot*> matching;
  for (const SessionSnapshot& session : report.sessions) {
    if (!request.listener().empty() && session.listener != request.listener()) continue;
    if (!request.dialer().empty() && session.dialer != request.dialer()) continue;
    matching.push_back(&session);
  }
  // Names hold no newline, so this is unambiguous.
  const std::string arguments = "sessions\n" + request.listener() + "\n" + request.dialer();
  const absl::StatusOr<PageRange> page =
      FindPage(tokens, request.page_size(), request.page_token(), arguments, matching.size(),
               [&](size_t i) -> const std::string& { return matching[i]->id; });
  if (!page.ok()) return page.status();
  for (size_t i = page->begin; i < page->end; ++i) *response.add_sessions() = ToProto(*matching[i]);
  response.set_next_page_token(page->next_token);
  response.set_total_size(static_cast<int32_t>(matching.size()));
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* SessionService::ListSessions(Call* call, const v1::ListSessionsRequest* request,
                                                       v1::ListSessionsResponse* response) {
  Reactor* reactor = call->DefaultReactor();
  context_.supervisor->Sessions([this, request, response, reactor](const absl::StatusOr<ReportPtr>& report) {
    reactor->Finish(
        ToGrpcStatus(report.ok() ? FillPage(*context_.tokens, *request, **report, *response) : report.status()));
  });
  return reactor;
}

grpc::ServerUnaryReactor* SessionService::GetSession(Call* call, const v1::GetSessionRequest* request,
                                                     v1::GetSessionResponse* response) {
  if (request->name().empty()) return FinishNow(call, InvalidField("name", "must be set"));
  Reactor* reactor = call->DefaultReactor();
  context_.supervisor->Sessions([request, response, reactor](const absl::StatusOr<ReportPtr>& report) {
    if (!report.ok()) return reactor->Finish(ToGrpcStatus(report.status()));
    const std::string id = SessionId(request->name());
    for (const SessionSnapshot& session : (*report)->sessions) {
      if (session.id != id) continue;
      *response->mutable_session() = ToProto(session);
      return reactor->Finish(grpc::Status::OK);
    }
    reactor->Finish(ToGrpcStatus(SessionNotFound(id)));
  });
  return reactor;
}

grpc::ServerUnaryReactor* SessionService::CloseSession(Call* call, const v1::CloseSessionRequest* request,
                                                       v1::CloseSessionResponse* response) {
  if (request->name().empty()) return FinishNow(call, InvalidField("name", "must be set"));
  Reactor* reactor = call->DefaultReactor();
  const std::string id = SessionId(request->name());
  context_.supervisor->CloseSession(
      id, request->graceful(), request->validate_only(), [id, request, response, reactor](const absl::Status& status) {
        if (status.ok()) {
          response->set_closed_count(1);
          if (!request->validate_only()) {
            Log(LogLevel::kInfo, "control", "session/" + id + " closed",
                {{"graceful", request->graceful() ? "true" : "false"}, {"reason", QuotedValue(request->reason())}});
          }
        }
        reactor->Finish(ToGrpcStatus(status));
      });
  return reactor;
}

}  // namespace culvert::server
