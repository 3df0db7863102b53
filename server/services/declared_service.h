// The five methods that listeners, dialers and forwards have in common, written once. A kind says by its traits what its
// messages are called; its service class only forwards (declared_services.h).
// Thread: gRPC's; nothing here waits. A call is finished exactly once, by the supervisor's answer.
#pragma once

#include <grpcpp/grpcpp.h>

#include <string>
#include <utility>
#include <vector>

#include "server/error_builder.h"
#include "server/page.h"
#include "server/status_mapping.h"
#include "server/supervisor.h"

namespace culvert::server {

// What every service needs; all outlive the services.
struct ServiceContext {
  Supervisor* supervisor = nullptr;
  const PageTokens* tokens = nullptr;
};

inline constexpr char kApiManager[] = "api";

inline grpc::ServerUnaryReactor* FinishNow(grpc::CallbackServerContext* context, const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

// Traits: static constexpr Kind kKind; Body& Mutable(v1::Object&) (the Listener, ...); and for each response and request the
// accessor of the object or list in it. See declared_services.h.
template <typename Traits>
class DeclaredMethods {
 public:
  explicit DeclaredMethods(const ServiceContext& context) : context_(context) {}

  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* call, const Request* request, Response* response) const {
    grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
    context_.supervisor->List(Traits::kKind, [this, request, response, reactor](
                                                 absl::StatusOr<std::vector<v1::Object>> objects) {
      reactor->Finish(ToGrpcStatus(objects.ok() ? FillPage(*request, *objects, *response) : objects.status()));
    });
    return reactor;
  }

  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* call, const Request* request, Response* response) const {
    if (request->name().empty()) return FinishNow(call, InvalidField("name", "must be set"));
    grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
    context_.supervisor->Get(KeyFor(request->name()), [response, reactor](absl::StatusOr<v1::Object> object) {
      if (object.ok()) Traits::MutableIn(*response) = std::move(Traits::MutableOf(*object));
      reactor->Finish(ToGrpcStatus(object.status()));
    });
    return reactor;
  }

  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* Create(grpc::CallbackServerContext* call, const Request* request, Response* response) const {
    if (!Traits::IsIn(*request)) return FinishNow(call, InvalidField(KindInfo(Traits::kKind).singular, "must be set"));
    Change change;
    change.verb = Change::Verb::kCreate;
    Traits::MutableOf(change.object) = Traits::In(*request);
    return Submit(call, std::move(change), request->validate_only(), response);
  }

  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* Update(grpc::CallbackServerContext* call, const Request* request, Response* response) const {
    if (!Traits::IsIn(*request)) return FinishNow(call, InvalidField(KindInfo(Traits::kKind).singular, "must be set"));
    Change change;
    change.verb = Change::Verb::kUpdate;
    change.allow_missing = request->allow_missing();
    Traits::MutableOf(change.object) = Traits::In(*request);
    change.mask_paths.assign(request->update_mask().paths().begin(), request->update_mask().paths().end());
    return Submit(call, std::move(change), request->validate_only(), response);
  }

  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* Delete(grpc::CallbackServerContext* call, const Request* request, bool force,
                                   Response* response) const {
    if (request->name().empty()) return FinishNow(call, InvalidField("name", "must be set"));
    Change change;
    change.verb = Change::Verb::kDelete;
    change.key = KeyFor(request->name());
    change.etag = request->etag();
    change.force = force;
    change.allow_missing = request->allow_missing();
    return Submit(call, std::move(change), request->validate_only(), response);
  }

 private:
  static ObjectKey KeyFor(const std::string& name) {
    return {Traits::kKind, StripCollection(name, KindInfo(Traits::kKind).collection)};
  }

  template <typename Request, typename Response>
  absl::Status FillPage(const Request& request, std::vector<v1::Object>& objects, Response& response) const {
    const absl::StatusOr<PageRange> page =
        FindPage(*context_.tokens, request.page_size(), request.page_token(), KindInfo(Traits::kKind).collection,
                 objects.size(), [&](size_t i) -> const std::string& { return MetadataOf(objects[i]).name(); });
    if (!page.ok()) return page.status();
    for (size_t i = page->begin; i < page->end; ++i) {
      Traits::AddTo(response) = std::move(Traits::MutableOf(objects[i]));
    }
    response.set_next_page_token(page->next_token);
    response.set_total_size(static_cast<int32_t>(objects.size()));
    return absl::OkStatus();
  }

  template <typename Response>
  grpc::ServerUnaryReactor* Submit(grpc::CallbackServerContext* call, Change change, bool validate_only,
                                   Response* response) const {
    ChangeSet set;
    set.manager = kApiManager;
    set.changes.push_back(std::move(change));
    grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
    context_.supervisor->Change(std::move(set), validate_only,
                                [response, reactor](absl::StatusOr<Supervisor::ChangeOutcome> outcome) {
                                  if (outcome.ok()) FillOutcome(*outcome, *response);
                                  reactor->Finish(ToGrpcStatus(outcome.status()));
                                });
    return reactor;
  }

  template <typename Response>
  static void FillOutcome(Supervisor::ChangeOutcome& outcome, Response& response) {
    v1::Object& object = outcome.objects.front();
    if (KindOf(object)) Traits::MutableIn(response) = std::move(Traits::MutableOf(object));
    if constexpr (requires { response.add_warnings(); }) {
      for (v1::Warning& warning : outcome.results.front().warnings) *response.add_warnings() = std::move(warning);
    }
  }

  const ServiceContext context_;
};

}  // namespace culvert::server
