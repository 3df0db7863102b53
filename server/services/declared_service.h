// The five methods that listeners, dialers and forwards have in common, written once. A kind says by its traits what its
// messages are called; its service class only forwards (declared_services.h).
// Thread: gRPC's; nothing here waits. A call is finished exactly once, by the supervisor's answer.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/error_builder.h"
#include "server/query/listing.h"
#include "server/services/arena_calls.h"
#include "server/services/unary_call.h"
#include "server/supervisor.h"

namespace culvert::server {

// Traits: static constexpr Kind kKind; Body& Mutable(v1::Object&) (the Listener, ...); and for each response and request the
// accessor of the object or list in it. See declared_services.h.
template <typename Traits>
class DeclaredMethods {
 public:
  explicit DeclaredMethods(const ServiceContext& context) : context_(context) {}

  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* call, const Request* request, Response* response) const {
    return RunUnary(context_, call, request, response, [&](const UnaryCall<Response>& answer) {
      absl::StatusOr<ListQuery> parsed = ParseListQuery(*request, *Body::descriptor(), KindInfo(Traits::kKind).collection);
      if (!parsed.ok()) return answer.Answer(parsed.status());
      const auto query = std::make_shared<const ListQuery>(*std::move(parsed));
      // Where names alone decide, the page is found before anybody is asked about what stands on it; else all are looked at.
      const std::shared_ptr<Response> page = OnArenaOf<Request, Response>(*call);
      const auto select = [tokens = context_.tokens, query, page](const std::vector<EntryPtr>& entries) -> absl::StatusOr<Supervisor::Range> {
        if (!query->IsByNameOnly()) return Supervisor::Range{0, entries.size()};
        CULVERT_ASSIGN_OR_RETURN(const PageRange range,
                                 FindPage(*tokens, query->page_size, query->page_token, query->arguments, entries.size(),
                                          [&](size_t i) -> const std::string& { return MetadataOf(entries[i]->object).name(); }));
        page->set_next_page_token(range.next_token);
        page->set_total_size(static_cast<int32_t>(entries.size()));
        return Supervisor::Range{range.begin, range.end};
      };
      context_.supervisor->List(Traits::kKind, select, [tokens = context_.tokens, query, page, answer](const absl::StatusOr<Supervisor::Listing>& listing) {
        if (!listing.ok()) return answer.Answer(listing.status());
        const absl::Status status = FillPage(*tokens, *query, *listing, *page);
        answer.Answer(status, [&](Response& out) { out.Swap(page.get()); });  // of one arena: no copy
      });
    });
  }

  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* call, const Request* request, Response* response) const {
    return RunUnary(context_, call, request, response, [&](const UnaryCall<Response>& answer) {
      absl::StatusOr<ReadMask> mask = ReadMask::Parse(request->read_mask(), *Body::descriptor());
      if (!mask.ok()) return answer.Answer(mask.status());
      context_.supervisor->Get(KeyFor(request->name()), [answer, mask = *std::move(mask)](absl::StatusOr<v1::Object> object) {
        answer.Answer(object.status(), [&](Response& out) {
          Body& body = Traits::MutableOf(*object);
          mask.Trim(body);
          Traits::MutableIn(out) = std::move(body);
        });
      });
    });
  }

  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* Create(grpc::CallbackServerContext* call, const Request* request, Response* response) const {
    return RunUnary(context_, call, request, response, [&](const UnaryCall<Response>& answer) {
      Change change;
      change.verb = Change::Verb::kCreate;
      Traits::MutableOf(change.object) = Traits::In(*request);
      Submit(answer, std::move(change), request->validate_only());
    });
  }

  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* Update(grpc::CallbackServerContext* call, const Request* request, Response* response) const {
    return RunUnary(context_, call, request, response, [&](const UnaryCall<Response>& answer) {
      Change change;
      change.verb = Change::Verb::kUpdate;
      change.allow_missing = request->allow_missing();
      Traits::MutableOf(change.object) = Traits::In(*request);
      change.mask_paths.assign(request->update_mask().paths().begin(), request->update_mask().paths().end());
      Submit(answer, std::move(change), request->validate_only());
    });
  }

  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* Delete(grpc::CallbackServerContext* call, const Request* request, bool force,
                                   Response* response) const {
    return RunUnary(context_, call, request, response, [&](const UnaryCall<Response>& answer) {
      Change change;
      change.verb = Change::Verb::kDelete;
      change.key = KeyFor(request->name());
      change.etag = request->etag();
      change.force = force;
      change.allow_missing = request->allow_missing();
      const Duration drain = DrainTimeoutOf(*request);
      if (drain == Duration::zero() || request->validate_only()) return Submit(answer, std::move(change), request->validate_only());
      context_.supervisor->DrainAndDelete(std::move(change), drain, [answer](absl::StatusOr<Supervisor::ChangeOutcome> outcome) {
        answer.Answer(outcome.status(), [&](Response& out) { FillOutcome(*outcome, out); });
      });
    });
  }

 private:
  using Body = typename Traits::Body;

  static ObjectKey KeyFor(const std::string& name) {
    return {Traits::kKind, StripCollection(name, KindInfo(Traits::kKind).collection)};
  }

  template <typename Response>
  static absl::Status FillPage(const PageTokens& tokens, const ListQuery& query, const Supervisor::Listing& listing, Response& page) {
    page.set_revision(listing.revision);
    const auto add = [&](const ObjectView& view) {
      Body& body = Traits::AddTo(page);
      view.FillInto(*listing.report, body);
      query.mask.Trim(body);
    };
    if (query.IsByNameOnly()) {
      for (const ObjectView& view : listing.objects) add(view);
      return absl::OkStatus();
    }
    // Each is made to be looked at and forgotten: what is on the page is made again, and the rest never takes memory together.
    google::protobuf::Arena arena;
    const auto look = [&](size_t i) -> const Body& {
      arena.Reset();
      Body& body = *google::protobuf::Arena::CreateMessage<Body>(&arena);
      listing.objects[i].FillInto(*listing.report, body);
      return body;
    };
    CULVERT_ASSIGN_OR_RETURN(
        const std::vector<size_t> selected,
        SelectPage(tokens, query, listing.objects.size(), look, [](const Body& body) { return body.metadata().name(); }, page));
    for (const size_t i : selected) add(listing.objects[i]);
    return absl::OkStatus();
  }

  template <typename Response>
  void Submit(const UnaryCall<Response>& answer, Change change, bool validate_only) const {
    ChangeSet set;
    set.manager = kApiManager;
    set.may_name_any_file = answer.caller().MayNameAnyFile();
    set.changes.push_back(std::move(change));
    context_.supervisor->Change(std::move(set), validate_only, [answer](absl::StatusOr<Supervisor::ChangeOutcome> outcome) {
      answer.Answer(outcome.status(), [&](Response& out) { FillOutcome(*outcome, out); });
    });
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
