// SessionService: transport sessions, streams and UDP flows as the workers see them at the moment of the call.
#pragma once

#include "culvert/v1/session.grpc.pb.h"
#include "server/services/service_context.h"

namespace culvert::server {

class SessionService final : public v1::SessionService::CallbackService {
 public:
  explicit SessionService(const ServiceContext& context) : context_(context) {}

  using Call = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;
  Reactor* ListSessions(Call* call, const v1::ListSessionsRequest* request, v1::ListSessionsResponse* response) override;
  Reactor* GetSession(Call* call, const v1::GetSessionRequest* request, v1::GetSessionResponse* response) override;
  Reactor* CloseSession(Call* call, const v1::CloseSessionRequest* request, v1::CloseSessionResponse* response) override;
  Reactor* ListStreams(Call* call, const v1::ListStreamsRequest* request, v1::ListStreamsResponse* response) override;
  Reactor* CloseStream(Call* call, const v1::CloseStreamRequest* request, v1::CloseStreamResponse* response) override;
  Reactor* ListUdpFlows(Call* call, const v1::ListUdpFlowsRequest* request, v1::ListUdpFlowsResponse* response) override;
  Reactor* CloseUdpFlow(Call* call, const v1::CloseUdpFlowRequest* request, v1::CloseUdpFlowResponse* response) override;

 private:
  const ServiceContext context_;
};

}  // namespace culvert::server
