#include "server/services/session_service.h"

#include "core/base/log.h"
#include "server/stats_proto.h"
#include "server/validate.h"

namespace culvert::server {
namespace {

std::string SessionId(const std::string& name) { return StripCollection(name, "sessions"); }

// One page of what matches, in the order of the ids.
template <typename Snapshot, typename Matches, typename Request, typename Add, typename Response>
absl::Status FillPage(const PageTokens& tokens, const Request& request, const std::string& arguments,
                      const std::vector<Snapshot>& all, const Matches& matches, const Add& add, Response& response) {
  std::vector<const Snapshot*> matching;
  for (const Snapshot& one : all) {
    if (matches(one)) matching.push_back(&one);
  }
  const absl::StatusOr<PageRange> page = FindPage(tokens, request.page_size(), request.page_token(), arguments, matching.size(),
                                                  [&](size_t i) -> const std::string& { return matching[i]->id; });
  if (!page.ok()) return page.status();
  for (size_t i = page->begin; i < page->end; ++i) add(*matching[i]);
  response.set_next_page_token(page->next_token);
  response.set_total_size(static_cast<int32_t>(matching.size()));
  return absl::OkStatus();
}

bool IsWanted(const std::string& wanted, const std::string& value) { return wanted.empty() || wanted == value; }

// "sessions/ID/streams/NUMBER", or only the number.
std::string StreamId(const std::string& name) {
  const size_t slash = name.rfind('/');
  return slash == std::string::npos ? name : name.substr(slash + 1);
}

void LogClosed(const std::string& what, const std::string& id, const std::string& reason) {
  Log(LogLevel::kInfo, "control", what + "/" + id + " closed", {{"reason", QuotedValue(reason)}});
}

}  // namespace

grpc::ServerUnaryReactor* SessionService::ListSessions(Call* call, const v1::ListSessionsRequest* request,
                                                       v1::ListSessionsResponse* response) {
  Reactor* reactor = call->DefaultReactor();
  context_.supervisor->Sessions([this, request, response, reactor](const absl::StatusOr<ReportPtr>& report) {
    if (!report.ok()) return reactor->Finish(ToGrpcStatus(report.status()));
    const auto matches = [&](const SessionSnapshot& session) {
      return IsWanted(request->listener(), session.listener) && IsWanted(request->dialer(), session.dialer);
    };
    // Names hold no newline, so this is unambiguous.
    const std::string arguments = "sessions\n" + request->listener() + "\n" + request->dialer();
    reactor->Finish(ToGrpcStatus(FillPage(*context_.tokens, *request, arguments, (*report)->sessions, matches,
                                          [&](const SessionSnapshot& one) { *response->add_sessions() = ToProto(one); }, *response)));
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

grpc::ServerUnaryReactor* SessionService::ListStreams(Call* call, const v1::ListStreamsRequest* request,
                                                      v1::ListStreamsResponse* response) {
  Reactor* reactor = call->DefaultReactor();
  context_.supervisor->Sessions([this, request, response, reactor](const absl::StatusOr<ReportPtr>& report) {
    if (!report.ok()) return reactor->Finish(ToGrpcStatus(report.status()));
    const std::string session = SessionId(request->session());
    const auto matches = [&](const StreamSnapshot& stream) {
      return IsWanted(request->forward(), stream.forward) &&
             (session.empty() || stream.session_id == session || stream.far_session_id == session);
    };
    const std::string arguments = "streams\n" + session + "\n" + request->forward();
    reactor->Finish(ToGrpcStatus(FillPage(*context_.tokens, *request, arguments, (*report)->streams, matches,
                                          [&](const StreamSnapshot& one) { *response->add_streams() = ToProto(one); }, *response)));
  });
  return reactor;
}

grpc::ServerUnaryReactor* SessionService::CloseStream(Call* call, const v1::CloseStreamRequest* request, v1::CloseStreamResponse*) {
  if (request->name().empty()) return FinishNow(call, InvalidField("name", "must be set"));
  Reactor* reactor = call->DefaultReactor();
  const std::string id = StreamId(request->name());
  context_.supervisor->CloseStream(id, request->graceful(), request->validate_only(), [id, request, reactor](const absl::Status& status) {
    if (status.ok() && !request->validate_only()) LogClosed("stream", id, request->reason());
    reactor->Finish(ToGrpcStatus(status));
  });
  return reactor;
}

grpc::ServerUnaryReactor* SessionService::ListUdpFlows(Call* call, const v1::ListUdpFlowsRequest* request,
                                                       v1::ListUdpFlowsResponse* response) {
  Reactor* reactor = call->DefaultReactor();
  context_.supervisor->Sessions([this, request, response, reactor](const absl::StatusOr<ReportPtr>& report) {
    if (!report.ok()) return reactor->Finish(ToGrpcStatus(report.status()));
    const auto matches = [&](const UdpFlowSnapshot& flow) {
      return IsWanted(request->forward(), flow.forward) && IsWanted(request->listener(), flow.listener);
    };
    const std::string arguments = "udpFlows\n" + request->forward() + "\n" + request->listener();
    reactor->Finish(ToGrpcStatus(FillPage(*context_.tokens, *request, arguments, (*report)->udp_flows, matches,
                                          [&](const UdpFlowSnapshot& one) { *response->add_udp_flows() = ToProto(one); }, *response)));
  });
  return reactor;
}

grpc::ServerUnaryReactor* SessionService::CloseUdpFlow(Call* call, const v1::CloseUdpFlowRequest* request, v1::CloseUdpFlowResponse*) {
  if (request->name().empty()) return FinishNow(call, InvalidField("name", "must be set"));
  Reactor* reactor = call->DefaultReactor();
  const std::string id = StripCollection(request->name(), "udpFlows");
  context_.supervisor->CloseUdpFlow(id, request->validate_only(), [id, request, reactor](const absl::Status& status) {
    if (status.ok() && !request->validate_only()) LogClosed("udpFlow", id, request->reason());
    reactor->Finish(ToGrpcStatus(status));
  });
  return reactor;
}

}  // namespace culvert::server
