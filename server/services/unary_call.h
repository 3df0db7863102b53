// UnaryCall: one call from its admission to its answer. Handlers are given one, keep copies of it in what they post, and say Answer
// once; whoever comes after that, or after the call's time was up, is ignored. What changes something is audited here, and what has a
// request id is answered once and then from memory.
// Thread: any.
#pragma once

#include <google/protobuf/util/time_util.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <utility>

#include "core/io/monotonic_clock.h"
#include "server/access/admission.h"
#include "server/access/call_book.h"
#include "server/access/methods.h"
#include "server/error_builder.h"
#include "server/services/audit.h"
#include "server/services/service_context.h"
#include "server/status_mapping.h"

namespace culvert::server {

// How long a request asks to be kept waiting.
template <typename Request>
Duration DrainTimeoutOf(const Request& request) {
  if constexpr (requires { request.drain_timeout(); }) {
    return Duration(google::protobuf::util::TimeUtil::DurationToNanoseconds(request.drain_timeout()));
  } else {
    return Duration::zero();
  }
}

template <typename Response>
class UnaryCall {
 public:
  // Fills the response and finishes. `fill(Response&)` runs only when `status` is OK and nobody has answered yet.
  template <typename Fill>
  void Answer(const absl::Status& status, const Fill& fill) const {
    if (!state_->pending->Claim()) {
      // Its time was up. What came of it in the end is what the request's id stands for.
      Response late;
      if (status.ok()) fill(late);
      WriteAudit(state_->audit, state_->caller, status);
      return Remember(status, late);
    }
    if (status.ok()) fill(*state_->response);
    Finish(status);
  }
  void Answer(const absl::Status& status) const {
    Answer(status, [](Response&) {});
  }

  const Caller& caller() const { return state_->caller; }

  // Runs `handler(call)` when the call is admitted; else it is answered already.
  template <typename Request, typename Handler>
  static grpc::ServerUnaryReactor* Run(const ServiceContext& context, grpc::CallbackServerContext* call, const Request* request,
                                       Response* response, const Handler& handler) {
    grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
    absl::StatusOr<Caller> caller = Admit(*context.callers, *call, *request);
    if (!caller.ok()) {
      AuditRefusal(*context.callers, *call, *request, caller.status());
      reactor->Finish(ToGrpcStatus(caller.status()));
      return reactor;
    }
    UnaryCall unary;
    unary.state_ = std::make_shared<State>();
    State& state = *unary.state_;
    state.caller = *std::move(caller);
    state.response = response;
    state.book = context.calls;
    state.audit = AuditOf(*request);
    if (!unary.FindAnswer(*request, reactor)) return reactor;
    state.pending = std::make_shared<PendingCall>(io::Now() + CallBook::kCallTimeout + DrainTimeoutOf(*request),
                                                  [reactor](absl::Status status) { reactor->Finish(ToGrpcStatus(status)); });
    if (state.book->Add(state.pending, state.caller.Name())) {
      handler(unary);
    } else {
      unary.Answer(LimitExceeded("calls of one caller under way", CallBook::kMaxPendingOfOneCaller));
    }
    return reactor;
  }

 private:
  struct State {
    Caller caller;
    Response* response = nullptr;  // belongs to who has claimed `pending`
    std::shared_ptr<CallBook> book;
    std::shared_ptr<PendingCall> pending;
    AuditRecord audit;
    CallBook::RequestKey request_key;  // its id is empty: none
  };

  // False: answered.
  template <typename Request>
  bool FindAnswer(const Request& request, grpc::ServerUnaryReactor* reactor) {
    if constexpr (requires { request.request_id(); }) {
      // What is only tried leaves nothing that could be done twice.
      if (request.request_id().empty()) return true;
      if constexpr (requires { request.validate_only(); }) {
        if (request.validate_only()) return true;
      }
      state_->request_key = {state_->caller.Name(), request.request_id()};
      const CallBook::Found found = state_->book->Begin(state_->request_key, RequestDigest(request), io::Now());
      switch (found.standing) {
        case CallBook::Standing::kNew: return true;
        case CallBook::Standing::kAnswered:
          state_->response->ParseFromString(found.answer);
          reactor->Finish(grpc::Status::OK);
          return false;
        case CallBook::Standing::kUnderWay: reactor->Finish(ToGrpcStatus(RequestUnderWay(request.request_id()))); return false;
        case CallBook::Standing::kOther: break;
      }
      reactor->Finish(ToGrpcStatus(InvalidField("request_id", "was used with another request in the last 10 minutes")));
      return false;
    }
    return true;
  }

  void Finish(const absl::Status& status) const {
    State& state = *state_;
    state.book->Remove(state.pending);
    Remember(status, *state.response);
    WriteAudit(state.audit, state.caller, status);
    state.pending->Finish(status);
  }

  void Remember(const absl::Status& status, const Response& response) const {
    if (state_->request_key.id.empty()) return;
    std::optional<std::string> answer;
    if (status.ok()) answer = response.SerializeAsString();
    state_->book->End(state_->request_key, std::move(answer), io::Now());
  }

  std::shared_ptr<State> state_;
};

// What a handler of a unary method says: the type of the call follows from the response.
template <typename Request, typename Response, typename Handler>
grpc::ServerUnaryReactor* RunUnary(const ServiceContext& context, grpc::CallbackServerContext* call, const Request* request,
                                   Response* response, const Handler& handler) {
  return UnaryCall<Response>::Run(context, call, request, response, handler);
}

}  // namespace culvert::server
