#include "cli/objects/lists.h"

#include <chrono>
#include <type_traits>
#include <utility>

#include "absl/strings/str_format.h"
#include "culvert/v1/dialer.grpc.pb.h"
#include "culvert/v1/forward.grpc.pb.h"
#include "culvert/v1/listener.grpc.pb.h"
#include "culvert/v1/observe.grpc.pb.h"
#include "culvert/v1/session.grpc.pb.h"

namespace culvert::cli {
namespace {

constexpr int kPageSize = 1000;
constexpr int kMaxPages = 1000;           // a daemon whose token never ends must not keep us for ever
// Of one list, as it comes; in memory it is about three times as much (reliability.md T72). Ten thousand objects are 12 MiB.
constexpr size_t kMaxListBytes = size_t{16} << 20;

Failure TooLong() {
  return {ExitCode::kServer, {absl::StrFormat("the list is longer than %d MiB, or does not end", kMaxListBytes >> 20)}, "--filter takes a part of it", ""};
}

// One page after another; `take` gets each. All of them together take no longer than --request-timeout allows one request.
template <typename Service, typename Request, typename Response, typename Take>
Outcome ListPages(Client& client, const Query& query,
                  grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&, Response*), Take&& take) {
  Request request;
  request.set_page_size(kPageSize);
  request.set_filter(query.filter);
  request.set_order_by(query.order_by);
  if constexpr (std::is_same_v<Request, v1::ListSessionsRequest>) request.set_include_closed(query.include_closed);
  const auto began = std::chrono::steady_clock::now();
  size_t bytes = 0;
  for (int page = 0; page < kMaxPages; ++page) {
    Response response;
    const Duration passed = std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - began);
    if (Outcome failed = client.Call<Service>(method, request, &response, -passed)) return failed;
    bytes += response.ByteSizeLong();
    if (bytes > kMaxListBytes) return TooLong();
    const std::string next = response.next_page_token();
    take(response);
    if (next.empty()) return std::nullopt;
    request.set_page_token(next);
  }
  return TooLong();
}

}  // namespace

Outcome ListObjects(Client& client, Kind kind, std::vector<v1::Object>& out, const Query& query) {
  switch (kind) {
    case Kind::kListener:
      return ListPages<v1::ListenerService>(client, query, &v1::ListenerService::Stub::ListListeners, [&](auto& page) {
        for (auto& one : *page.mutable_listeners()) out.emplace_back().mutable_listener()->Swap(&one);
      });
    case Kind::kDialer:
      return ListPages<v1::DialerService>(client, query, &v1::DialerService::Stub::ListDialers, [&](auto& page) {
        for (auto& one : *page.mutable_dialers()) out.emplace_back().mutable_dialer()->Swap(&one);
      });
    default:
      return ListPages<v1::ForwardService>(client, query, &v1::ForwardService::Stub::ListForwards, [&](auto& page) {
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

Outcome ListSessions(Client& client, std::vector<v1::Session>& out, const Query& query) {
  return ListPages<v1::SessionService>(client, query, &v1::SessionService::Stub::ListSessions, [&](auto& page) {
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

Outcome ListStreams(Client& client, std::vector<v1::Stream>& out, const Query& query) {
  return ListPages<v1::SessionService>(client, query, &v1::SessionService::Stub::ListStreams, [&](auto& page) {
    for (auto& one : *page.mutable_streams()) out.emplace_back().Swap(&one);
  });
}

Outcome ListUdpFlows(Client& client, std::vector<v1::UdpFlow>& out, const Query& query) {
  return ListPages<v1::SessionService>(client, query, &v1::SessionService::Stub::ListUdpFlows, [&](auto& page) {
    for (auto& one : *page.mutable_udp_flows()) out.emplace_back().Swap(&one);
  });
}

Outcome ListEvents(Client& client, const v1::ListEventsRequest& request, std::vector<v1::Event>& out,
                   uint64_t& missed) {
  if (Outcome failed = client.Connect()) return failed;
  grpc::ClientContext call;
  Client::SetDeadline(call, client.request_timeout());
  const auto stub = v1::ObserveService::NewStub(client.channel());
  const auto reader = stub->ListEvents(&call, request);
  v1::ListEventsResponse response;
  bool too_many = false;
  size_t bytes = 0;
  while (!too_many && reader->Read(&response)) {
    missed = response.missed();  // of the whole stream so far
    bytes += response.ByteSizeLong();
    for (auto& one : *response.mutable_events()) out.emplace_back().Swap(&one);
    too_many = bytes > kMaxListBytes;
  }
  if (too_many) call.TryCancel();
  const grpc::Status status = reader->Finish();
  if (too_many) return TooLong();
  if (status.ok()) return std::nullopt;
  return client.Explain(status);
}

}  // namespace culvert::cli
