#include "cli/client.h"

#include <chrono>

#include "absl/strings/str_format.h"
#include "cli/escape.h"
#include "culvert/v1/dialer.grpc.pb.h"
#include "culvert/v1/forward.grpc.pb.h"
#include "culvert/v1/listener.grpc.pb.h"
#include "culvert/v1/session.grpc.pb.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "proto/manifest/manifest.h"

namespace culvert::cli {
namespace {

constexpr int kPageSize = 1000;
constexpr int kMaxPages = 1000;  // a daemon whose token never ends must not keep us for ever
constexpr int kMaxMessageBytes = 16 << 20;

// One page after another. `list(token)` appends a page and answers the next token.
template <typename Service, typename Request, typename Response, typename Take>
Outcome ListPages(Client& client,
                  grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&, Response*), Take&& take) {
  Request request;
  request.set_page_size(kPageSize);
  for (int page = 0; page < kMaxPages; ++page) {
    Response response;
    if (Outcome failed = client.Call<Service>(method, request, &response)) return failed;
    take(response);
    if (response.next_page_token().empty()) return std::nullopt;
    request.set_page_token(response.next_page_token());
  }
  return Fail(ExitCode::kServer, "the list does not end");
}

}  // namespace

Outcome Client::Connect() {
  if (channel_) return std::nullopt;
  const auto paths = SocketPaths(globals_, environment_);
  if (!paths.ok()) return Usage(std::string(paths.status().message()));
  const auto path = WaitForSocket(*paths, kSocketPatience);
  if (absl::IsPermissionDenied(path.status())) {
    return Fail(ExitCode::kDenied, "not allowed to use the control socket: " + std::string(path.status().message()),
                "run as root or as the daemon's user, or join the socket's group");
  }
  if (!path.ok()) {
    return Fail(ExitCode::kUnreachable, "cannot reach culvertd: " + std::string(path.status().message()),
                "is culvertd running? another socket is chosen with --address unix:PATH");
  }
  path_ = *path;
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  channel_ = grpc::CreateCustomChannel("unix:" + path_, grpc::InsecureChannelCredentials(), arguments);
  return std::nullopt;
}

void Client::SetDeadline(grpc::ClientContext& context, Duration timeout) {
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::duration_cast<std::chrono::system_clock::duration>(timeout));
}

Failure Client::Explain(const grpc::Status& status) const {
  Failure failure = FromServer(status);
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    failure.faults = {absl::StrFormat("no answer within %s", globals_.timeout_text)};
    failure.next = "give it longer with --request-timeout";
  } else if (status.error_code() == grpc::StatusCode::UNAVAILABLE &&
             ServerError::Decode(status).info.reason().empty()) {
    failure.faults = {absl::StrFormat("lost culvertd at unix:%s: %s", Visible(path_), Visible(status.error_message()))};
  }
  return failure;
}

Outcome ListObjects(Client& client, Kind kind, std::vector<v1::Object>& out) {
  switch (kind) {
    case Kind::kListener:
      return ListPages<v1::ListenerService>(client, &v1::ListenerService::Stub::ListListeners, [&](auto& page) {
        for (auto& one : *page.mutable_listeners()) out.emplace_back().mutable_listener()->Swap(&one);
      });
    case Kind::kDialer:
      return ListPages<v1::DialerService>(client, &v1::DialerService::Stub::ListDialers, [&](auto& page) {
        for (auto& one : *page.mutable_dialers()) out.emplace_back().mutable_dialer()->Swap(&one);
      });
    default:
      return ListPages<v1::ForwardService>(client, &v1::ForwardService::Stub::ListForwards, [&](auto& page) {
        for (auto& one : *page.mutable_forwards()) out.emplace_back().mutable_forward()->Swap(&one);
      });
  }
}

Outcome GetObject(Client& client, const Reference& reference, v1::Object& out) {
  Outcome failed;
  if (reference.kind == Kind::kListener) {
    v1::GetListenerRequest request;
    v1::GetListenerResponse response;
    request.set_name(reference.name);
    failed = client.Call<v1::ListenerService>(&v1::ListenerService::Stub::GetListener, request, &response);
    if (!failed) *out.mutable_listener() = std::move(*response.mutable_listener());
  } else if (reference.kind == Kind::kDialer) {
    v1::GetDialerRequest request;
    v1::GetDialerResponse response;
    request.set_name(reference.name);
    failed = client.Call<v1::DialerService>(&v1::DialerService::Stub::GetDialer, request, &response);
    if (!failed) *out.mutable_dialer() = std::move(*response.mutable_dialer());
  } else {
    v1::GetForwardRequest request;
    v1::GetForwardResponse response;
    request.set_name(reference.name);
    failed = client.Call<v1::ForwardService>(&v1::ForwardService::Stub::GetForward, request, &response);
    if (!failed) *out.mutable_forward() = std::move(*response.mutable_forward());
  }
  return failed;
}

Outcome ListSessions(Client& client, std::vector<v1::Session>& out) {
  return ListPages<v1::SessionService>(client, &v1::SessionService::Stub::ListSessions, [&](auto& page) {
    for (auto& one : *page.mutable_sessions()) out.emplace_back().Swap(&one);
  });
}

Outcome GetSession(Client& client, const std::string& name, v1::Session& out) {
  v1::GetSessionRequest request;
  v1::GetSessionResponse response;
  request.set_name(name);
  Outcome failed = client.Call<v1::SessionService>(&v1::SessionService::Stub::GetSession, request, &response);
  if (!failed) out.Swap(response.mutable_session());
  return failed;
}

}  // namespace culvert::cli
