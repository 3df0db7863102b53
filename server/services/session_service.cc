#include "server/services/session_service.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <set>

#include "core/base/log.h"
#include "server/query/listing.h"
#include "server/services/unary_call.h"
#include "server/stats_proto.h"
#include "server/supervisor.h"
#include "server/validate.h"

namespace culvert::server {
namespace {

std::string SessionId(const std::string& name) { return StripCollection(name, "sessions"); }

bool IsWanted(const std::string& wanted, const std::string& value) { return wanted.empty() || wanted == value; }

// "sessions/ID/streams/NUMBER", or only the number.
std::string StreamId(const std::string& name) {
  const size_t slash = name.rfind('/');
  return slash == std::string::npos ? name : name.substr(slash + 1);
}

void LogClosed(const std::string& what, const std::string& id, const std::string& reason) {
  Log(LogLevel::kInfo, "control", what + "/" + id + " closed", {{"reason", QuotedValue(reason)}});
}

// The sessions for which `is_wanted`, those included that ended last. `done` runs aside (supervisor.h).
void FindSessions(Supervisor& supervisor, bool with_closed, std::function<bool(const SessionSnapshot&)> is_wanted,
                  std::function<void(absl::StatusOr<std::vector<v1::Session>>)> done) {
  supervisor.Sessions([&supervisor, with_closed, is_wanted = std::move(is_wanted), done = std::move(done)](const absl::StatusOr<ReportPtr>& report) {
    if (!report.ok()) return done(report.status());
    std::vector<v1::Session> sessions;
    for (const SessionSnapshot& session : (*report)->sessions) {
      if (is_wanted(session)) sessions.push_back(ToProto(session));
    }
    if (!with_closed) return done(std::move(sessions));
    supervisor.ClosedSessions([sessions = std::move(sessions), is_wanted, done](const absl::StatusOr<std::vector<SessionSnapshot>>& closed) mutable {
      if (!closed.ok()) return done(closed.status());
      std::set<std::string> open;  // one that ended between the two questions is told once
      for (const v1::Session& session : sessions) open.insert(session.name());
      for (const SessionSnapshot& session : *closed) {
        if (is_wanted(session) && !open.contains("sessions/" + session.id)) sessions.push_back(ToProto(session));
      }
      done(std::move(sessions));
    });
  });
}

// One page of what matches. `snapshots(report)` are those of the kind; `matches` judges a snapshot, the query its message.
template <typename Item, typename Request, typename Response, typename Snapshots, typename Matches, typename Add>
grpc::ServerUnaryReactor* ListObserved(const ServiceContext& context, grpc::CallbackServerContext* call, const Request* request,
                                       Response* response, const std::string& arguments, const Snapshots& snapshots,
                                       const Matches& matches, const Add& add) {
  return RunUnary(context, call, request, response, [&](const UnaryCall<Response>& answer) {
    absl::StatusOr<ListQuery> parsed = ParseListQuery(*request, *Item::descriptor(), arguments);
    if (!parsed.ok()) return answer.Answer(parsed.status());
    const auto query = std::make_shared<const ListQuery>(*std::move(parsed));
    context.supervisor->Sessions([tokens = context.tokens, query, answer, snapshots, matches, add](const absl::StatusOr<ReportPtr>& report) {
      if (!report.ok()) return answer.Answer(report.status());
      std::vector<Item> items;
      for (const auto& snapshot : snapshots(**report)) {
        if (matches(snapshot)) items.push_back(ToProto(snapshot));
      }
      Response page;
      const absl::Status status = FillList(*tokens, *query, items, [](const Item& item) { return item.name(); },
                                           [&](Item& item) { *add(page) = std::move(item); }, page);
      answer.Answer(status, [&](Response& out) { out.Swap(&page); });
    });
  });
}

// Closes many sessions, a few at a time, so that the workers' mailboxes have room for others. On the control thread.
class ManyClosed : public std::enable_shared_from_this<ManyClosed> {
 public:
  static constexpr size_t kAtATime = 64;

  ManyClosed(Supervisor& supervisor, v1::CloseSessionRequest request, std::vector<std::string> ids,
             UnaryCall<v1::CloseSessionResponse> answer)
      : supervisor_(supervisor), request_(std::move(request)), ids_(std::move(ids)), answer_(std::move(answer)) {}

  void Step() {
    if (is_stepping_) return;  // an answer that came at once; the loop below goes on
    is_stepping_ = true;
    while (next_ < ids_.size() && under_way_ < kAtATime) {
      const std::string& id = ids_[next_++];
      ++under_way_;
      supervisor_.CloseSession(id, request_.graceful(), /*validate_only=*/false, [self = shared_from_this(), id](const absl::Status& status) {
        if (status.ok()) ++self->closed_;  // one that has ended by itself meanwhile is not counted
        if (status.ok()) LogClosed("session", id, self->request_.reason());
        --self->under_way_;
        self->Step();
      });
    }
    is_stepping_ = false;
    if (next_ < ids_.size() || under_way_ > 0) return;
    answer_.Answer(absl::OkStatus(), [this](v1::CloseSessionResponse& out) { out.set_closed_count(closed_); });
  }

 private:
  Supervisor& supervisor_;
  const v1::CloseSessionRequest request_;
  const std::vector<std::string> ids_;
  const UnaryCall<v1::CloseSessionResponse> answer_;
  size_t next_ = 0;
  size_t under_way_ = 0;
  int32_t closed_ = 0;
  bool is_stepping_ = false;
};

void CloseMatching(Supervisor& supervisor, const v1::CloseSessionRequest& request, const UnaryCall<v1::CloseSessionResponse>& answer) {
  const absl::StatusOr<Filter> filter = Filter::Parse(request.filter(), *v1::Session::descriptor());
  if (!filter.ok()) return answer.Answer(filter.status());
  supervisor.Sessions([&supervisor, request, answer, filter = *filter](const absl::StatusOr<ReportPtr>& report) {
    if (!report.ok()) return answer.Answer(report.status());
    std::vector<std::string> ids;
    for (const SessionSnapshot& session : (*report)->sessions) {
      if (filter.Matches(ToProto(session))) ids.push_back(session.id);
    }
    if (!request.validate_only()) {
      const auto closing = std::make_shared<ManyClosed>(supervisor, request, std::move(ids), answer);
      return supervisor.PostBack([closing] { closing->Step(); });
    }
    answer.Answer(absl::OkStatus(), [&](v1::CloseSessionResponse& out) { out.set_closed_count(static_cast<int32_t>(ids.size())); });
  });
}

}  // namespace

grpc::ServerUnaryReactor* SessionService::ListSessions(Call* call, const v1::ListSessionsRequest* request,
                                                       v1::ListSessionsResponse* response) {
  return RunUnary(context_, call, request, response, [&](const UnaryCall<v1::ListSessionsResponse>& answer) {
    // Names hold no newline, so this is unambiguous.
    const std::string arguments = "sessions\n" + request->listener() + "\n" + request->dialer() + (request->include_closed() ? "\nclosed" : "");
    absl::StatusOr<ListQuery> query = ParseListQuery(*request, *v1::Session::descriptor(), arguments);
    if (!query.ok()) return answer.Answer(query.status());
    const auto is_wanted = [listener = request->listener(), dialer = request->dialer()](const SessionSnapshot& session) {
      return IsWanted(listener, session.listener) && IsWanted(dialer, session.dialer);
    };
    FindSessions(*context_.supervisor, request->include_closed(), is_wanted,
                 [tokens = context_.tokens, answer, query = *std::move(query)](absl::StatusOr<std::vector<v1::Session>> sessions) {
                   if (!sessions.ok()) return answer.Answer(sessions.status());
                   v1::ListSessionsResponse page;
                   const absl::Status status = FillList(*tokens, query, *sessions, [](const v1::Session& one) { return one.name(); },
                                                        [&](v1::Session& one) { *page.add_sessions() = std::move(one); }, page);
                   answer.Answer(status, [&](v1::ListSessionsResponse& out) { out.Swap(&page); });
                 });
  });
}

grpc::ServerUnaryReactor* SessionService::GetSession(Call* call, const v1::GetSessionRequest* request,
                                                     v1::GetSessionResponse* response) {
  return RunUnary(context_, call, request, response, [&](const UnaryCall<v1::GetSessionResponse>& answer) {
    absl::StatusOr<ReadMask> mask = ReadMask::Parse(request->read_mask(), *v1::Session::descriptor());
    if (!mask.ok()) return answer.Answer(mask.status());
    const std::string id = SessionId(request->name());
    FindSessions(*context_.supervisor, /*with_closed=*/true, [id](const SessionSnapshot& session) { return session.id == id; },
                 [answer, id, mask = *std::move(mask)](absl::StatusOr<std::vector<v1::Session>> sessions) {
                   if (!sessions.ok()) return answer.Answer(sessions.status());
                   const auto at = std::ranges::find(*sessions, "sessions/" + id, [](const v1::Session& one) { return one.name(); });
                   if (at == sessions->end()) return answer.Answer(SessionNotFound(id));
                   answer.Answer(absl::OkStatus(), [&](v1::GetSessionResponse& out) {
                     mask.Trim(*at);
                     *out.mutable_session() = std::move(*at);
                   });
                 });
  });
}

grpc::ServerUnaryReactor* SessionService::CloseSession(Call* call, const v1::CloseSessionRequest* request,
                                                       v1::CloseSessionResponse* response) {
  return RunUnary(context_, call, request, response, [&](const UnaryCall<v1::CloseSessionResponse>& answer) {
    if (request->name().empty() == request->filter().empty()) {
      return answer.Answer(InvalidField("name", request->name().empty() ? "must be set, or else filter" : "excludes filter"));
    }
    if (request->name().empty()) return CloseMatching(*context_.supervisor, *request, answer);
    const std::string id = SessionId(request->name());
    context_.supervisor->CloseSession(
        id, request->graceful(), request->validate_only(),
        [id, reason = request->reason(), trial = request->validate_only(), answer](const absl::Status& status) {
          if (status.ok() && !trial) LogClosed("session", id, reason);
          answer.Answer(status, [](v1::CloseSessionResponse& out) { out.set_closed_count(1); });
        });
  });
}

grpc::ServerUnaryReactor* SessionService::ListStreams(Call* call, const v1::ListStreamsRequest* request,
                                                      v1::ListStreamsResponse* response) {
  const std::string session = SessionId(request->session());
  return ListObserved<v1::Stream>(
      context_, call, request, response, "streams\n" + session + "\n" + request->forward(),
      [](const MergedReport& report) -> const std::vector<StreamSnapshot>& { return report.streams; },
      [session, forward = request->forward()](const StreamSnapshot& stream) {
        return IsWanted(forward, stream.forward) &&
               (session.empty() || stream.session_id == session || stream.far_session_id == session);
      },
      [](v1::ListStreamsResponse& page) { return page.add_streams(); });
}

grpc::ServerUnaryReactor* SessionService::CloseStream(Call* call, const v1::CloseStreamRequest* request, v1::CloseStreamResponse* response) {
  return RunUnary(context_, call, request, response, [&](const UnaryCall<v1::CloseStreamResponse>& answer) {
    const std::string id = StreamId(request->name());
    context_.supervisor->CloseStream(
        id, request->graceful(), request->validate_only(),
        [id, reason = request->reason(), trial = request->validate_only(), answer](const absl::Status& status) {
          if (status.ok() && !trial) LogClosed("stream", id, reason);
          answer.Answer(status);
        });
  });
}

grpc::ServerUnaryReactor* SessionService::ListUdpFlows(Call* call, const v1::ListUdpFlowsRequest* request,
                                                       v1::ListUdpFlowsResponse* response) {
  return ListObserved<v1::UdpFlow>(
      context_, call, request, response, "udpFlows\n" + request->forward() + "\n" + request->listener(),
      [](const MergedReport& report) -> const std::vector<UdpFlowSnapshot>& { return report.udp_flows; },
      [forward = request->forward(), listener = request->listener()](const UdpFlowSnapshot& flow) {
        return IsWanted(forward, flow.forward) && IsWanted(listener, flow.listener);
      },
      [](v1::ListUdpFlowsResponse& page) { return page.add_udp_flows(); });
}

grpc::ServerUnaryReactor* SessionService::CloseUdpFlow(Call* call, const v1::CloseUdpFlowRequest* request, v1::CloseUdpFlowResponse* response) {
  return RunUnary(context_, call, request, response, [&](const UnaryCall<v1::CloseUdpFlowResponse>& answer) {
    const std::string id = StripCollection(request->name(), "udpFlows");
    context_.supervisor->CloseUdpFlow(
        id, request->validate_only(), [id, reason = request->reason(), trial = request->validate_only(), answer](const absl::Status& status) {
          if (status.ok() && !trial) LogClosed("udpFlow", id, reason);
          answer.Answer(status);
        });
  });
}

}  // namespace culvert::server
