// ListenerService, DialerService and ForwardService: names only. What they do is in declared_service.h and, for probes and calls, in
// probe_reactor.cc and connect_reactor.cc.
#pragma once

#include "culvert/v1/dialer.grpc.pb.h"
#include "culvert/v1/forward.grpc.pb.h"
#include "culvert/v1/listener.grpc.pb.h"
#include "server/services/arena_calls.h"
#include "server/services/declared_service.h"

namespace culvert::server {

struct ListenerTraits {
  using Body = v1::Listener;
  static constexpr Kind kKind = Kind::kListener;
  static v1::Listener& MutableOf(v1::Object& object) { return *object.mutable_listener(); }
  template <typename M>
  static const v1::Listener& In(const M& message) { return message.listener(); }
  template <typename M>
  static v1::Listener& MutableIn(M& message) { return *message.mutable_listener(); }
  static v1::Listener& AddTo(v1::ListListenersResponse& list) { return *list.add_listeners(); }
};

struct DialerTraits {
  using Body = v1::Dialer;
  static constexpr Kind kKind = Kind::kDialer;
  static v1::Dialer& MutableOf(v1::Object& object) { return *object.mutable_dialer(); }
  template <typename M>
  static const v1::Dialer& In(const M& message) { return message.dialer(); }
  template <typename M>
  static v1::Dialer& MutableIn(M& message) { return *message.mutable_dialer(); }
  static v1::Dialer& AddTo(v1::ListDialersResponse& list) { return *list.add_dialers(); }
};

struct ForwardTraits {
  using Body = v1::Forward;
  static constexpr Kind kKind = Kind::kForward;
  static v1::Forward& MutableOf(v1::Object& object) { return *object.mutable_forward(); }
  template <typename M>
  static const v1::Forward& In(const M& message) { return message.forward(); }
  template <typename M>
  static v1::Forward& MutableIn(M& message) { return *message.mutable_forward(); }
  static v1::Forward& AddTo(v1::ListForwardsResponse& list) { return *list.add_forwards(); }
};

class ListenerService final : public v1::ListenerService::CallbackService {
 public:
  explicit ListenerService(const ServiceContext& context) : methods_(context) { SetMessageAllocatorFor_ListListeners(&lists_); }

  using Call = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;
  Reactor* ListListeners(Call* call, const v1::ListListenersRequest* request, v1::ListListenersResponse* response) override {
    return methods_.List(call, request, response);
  }
  Reactor* GetListener(Call* call, const v1::GetListenerRequest* request, v1::GetListenerResponse* response) override {
    return methods_.Get(call, request, response);
  }
  Reactor* CreateListener(Call* call, const v1::CreateListenerRequest* request,
                          v1::CreateListenerResponse* response) override {
    return methods_.Create(call, request, response);
  }
  Reactor* UpdateListener(Call* call, const v1::UpdateListenerRequest* request,
                          v1::UpdateListenerResponse* response) override {
    return methods_.Update(call, request, response);
  }
  Reactor* DeleteListener(Call* call, const v1::DeleteListenerRequest* request,
                          v1::DeleteListenerResponse* response) override {
    return methods_.Delete(call, request, request->force(), response);
  }

 private:
  const DeclaredMethods<ListenerTraits> methods_;
  ArenaCalls<v1::ListListenersRequest, v1::ListListenersResponse> lists_;
};

class DialerService final : public v1::DialerService::CallbackService {
 public:
  explicit DialerService(const ServiceContext& context) : context_(context), methods_(context) { SetMessageAllocatorFor_ListDialers(&lists_); }

  using Call = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;
  Reactor* ListDialers(Call* call, const v1::ListDialersRequest* request, v1::ListDialersResponse* response) override {
    return methods_.List(call, request, response);
  }
  Reactor* GetDialer(Call* call, const v1::GetDialerRequest* request, v1::GetDialerResponse* response) override {
    return methods_.Get(call, request, response);
  }
  Reactor* CreateDialer(Call* call, const v1::CreateDialerRequest* request, v1::CreateDialerResponse* response) override {
    return methods_.Create(call, request, response);
  }
  Reactor* UpdateDialer(Call* call, const v1::UpdateDialerRequest* request, v1::UpdateDialerResponse* response) override {
    return methods_.Update(call, request, response);
  }
  Reactor* DeleteDialer(Call* call, const v1::DeleteDialerRequest* request, v1::DeleteDialerResponse* response) override {
    return methods_.Delete(call, request, request->force(), response);
  }
  grpc::ServerWriteReactor<v1::ProbeDialerResponse>* ProbeDialer(Call* call,
                                                                 const v1::ProbeDialerRequest* request) override;
  grpc::ServerBidiReactor<v1::ConnectRequest, v1::ConnectResponse>* Connect(Call* call) override;

 private:
  const ServiceContext context_;
  const DeclaredMethods<DialerTraits> methods_;
  ArenaCalls<v1::ListDialersRequest, v1::ListDialersResponse> lists_;
};

class ForwardService final : public v1::ForwardService::CallbackService {
 public:
  explicit ForwardService(const ServiceContext& context) : methods_(context) { SetMessageAllocatorFor_ListForwards(&lists_); }

  using Call = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;
  Reactor* ListForwards(Call* call, const v1::ListForwardsRequest* request, v1::ListForwardsResponse* response) override {
    return methods_.List(call, request, response);
  }
  Reactor* GetForward(Call* call, const v1::GetForwardRequest* request, v1::GetForwardResponse* response) override {
    return methods_.Get(call, request, response);
  }
  Reactor* CreateForward(Call* call, const v1::CreateForwardRequest* request,
                         v1::CreateForwardResponse* response) override {
    return methods_.Create(call, request, response);
  }
  Reactor* UpdateForward(Call* call, const v1::UpdateForwardRequest* request,
                         v1::UpdateForwardResponse* response) override {
    return methods_.Update(call, request, response);
  }
  Reactor* DeleteForward(Call* call, const v1::DeleteForwardRequest* request,
                         v1::DeleteForwardResponse* response) override {
    return methods_.Delete(call, request, /*force=*/false, response);  // nothing refers to a forward
  }

 private:
  const DeclaredMethods<ForwardTraits> methods_;
  ArenaCalls<v1::ListForwardsRequest, v1::ListForwardsResponse> lists_;
};

}  // namespace culvert::server
