#include "cli/changes/declared.h"

#include "cli/changes/mutation.h"
#include "culvert/v1/dialer.grpc.pb.h"
#include "culvert/v1/forward.grpc.pb.h"
#include "culvert/v1/listener.grpc.pb.h"

namespace culvert::cli {
namespace {

// Sends it, and once more when nobody answered: the id tells the daemon that it is the same.
template <typename Service, typename Request, typename Response>
grpc::Status SendTwice(Client& client, grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                       const Request& request, Response* response) {
  const grpc::Status first = client.RawCall<Service>(method, request, response);
  if (first.error_code() != grpc::StatusCode::UNAVAILABLE) return first;
  response->Clear();
  return client.RawCall<Service>(method, request, response);
}

template <typename Response>
void TakeWarnings(Response& response, Changed& out) {
  out.warnings.assign(response.warnings().begin(), response.warnings().end());
}

template <typename Service, typename Request, typename Response>
grpc::Status Submit(Client& client, grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    Request& request, bool validate_only, Response& response, Changed& out) {
  request.set_validate_only(validate_only);
  request.set_request_id(NewRequestId());
  const grpc::Status status = SendTwice<Service>(client, method, request, &response);
  if (status.ok()) TakeWarnings(response, out);
  return status;
}

template <typename Request>
void SetMask(Request& request, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) request.mutable_update_mask()->add_paths(path);
}

}  // namespace

Outcome CreateObject(Client& client, const v1::Object& object, bool validate_only, Changed& out) {
  grpc::Status status;
  if (object.has_listener()) {
    v1::CreateListenerRequest request;
    v1::CreateListenerResponse response;
    *request.mutable_listener() = object.listener();
    status = Submit<v1::ListenerService>(client, &v1::ListenerService::Stub::CreateListener, request, validate_only, response, out);
    out.object.mutable_listener()->Swap(response.mutable_listener());
  } else if (object.has_dialer()) {
    v1::CreateDialerRequest request;
    v1::CreateDialerResponse response;
    *request.mutable_dialer() = object.dialer();
    status = Submit<v1::DialerService>(client, &v1::DialerService::Stub::CreateDialer, request, validate_only, response, out);
    out.object.mutable_dialer()->Swap(response.mutable_dialer());
  } else {
    v1::CreateForwardRequest request;
    v1::CreateForwardResponse response;
    *request.mutable_forward() = object.forward();
    status = Submit<v1::ForwardService>(client, &v1::ForwardService::Stub::CreateForward, request, validate_only, response, out);
    out.object.mutable_forward()->Swap(response.mutable_forward());
  }
  if (status.ok()) return std::nullopt;
  return client.Explain(status);
}

Outcome UpdateObject(Client& client, const v1::Object& object, const std::vector<std::string>& paths, bool validate_only, Changed& out,
                     bool* is_outdated) {
  grpc::Status status;
  if (object.has_listener()) {
    v1::UpdateListenerRequest request;
    v1::UpdateListenerResponse response;
    *request.mutable_listener() = object.listener();
    SetMask(request, paths);
    status = Submit<v1::ListenerService>(client, &v1::ListenerService::Stub::UpdateListener, request, validate_only, response, out);
    out.object.mutable_listener()->Swap(response.mutable_listener());
  } else if (object.has_dialer()) {
    v1::UpdateDialerRequest request;
    v1::UpdateDialerResponse response;
    *request.mutable_dialer() = object.dialer();
    SetMask(request, paths);
    status = Submit<v1::DialerService>(client, &v1::DialerService::Stub::UpdateDialer, request, validate_only, response, out);
    out.object.mutable_dialer()->Swap(response.mutable_dialer());
  } else {
    v1::UpdateForwardRequest request;
    v1::UpdateForwardResponse response;
    *request.mutable_forward() = object.forward();
    SetMask(request, paths);
    status = Submit<v1::ForwardService>(client, &v1::ForwardService::Stub::UpdateForward, request, validate_only, response, out);
    out.object.mutable_forward()->Swap(response.mutable_forward());
  }
  if (status.ok()) return std::nullopt;
  if (is_outdated != nullptr)
    *is_outdated = status.error_code() == grpc::StatusCode::ABORTED && ServerError::Decode(status).info.reason() == "ETAG_MISMATCH";
  return client.Explain(status);
}

v1::Object EmptyObject(Kind kind) {
  v1::Object object;
  if (kind == Kind::kListener) object.mutable_listener();
  if (kind == Kind::kDialer) object.mutable_dialer();
  if (kind == Kind::kForward) object.mutable_forward();
  return object;
}

Kind KindOfObject(const v1::Object& object) {
  if (object.has_listener()) return Kind::kListener;
  return object.has_dialer() ? Kind::kDialer : Kind::kForward;
}

}  // namespace culvert::cli
