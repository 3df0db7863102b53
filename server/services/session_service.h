// SessionService: transport sessions as the workers see them at the moment of the call.
#pragma once

#include "culvert/v1/session.grpc.pb.h"
#include "server/services/declared_service.h"

namespace culvert::server {

class SessionService final : public v1::SessionService::CallbackService {
 public:
  explicit SessionService(const ServiceContext& context) : context_(context) {}

  using Call = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;
  Reactor* ListSessions(Call* call, const v1::ListSessionsRequest* request, v1::ListSessionsResponse* response) override;
  Reactor* GetSession(Call* call, const v1::GetSessionRequest* request, v1::GetSessionResponse* response) override;
  Reactor* CloseSession(Call* call, const v1::CloseSessionRequest* request, v1::CloseSessionResponse* response) override;

 private:
  const ServiceContext context_;
};

}  // namespace culvert::server
