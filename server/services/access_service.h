// AccessService: who is asking, and what they may do.
#pragma once

#include "culvert/v1/access.grpc.pb.h"
#include "server/services/service_context.h"

namespace culvert::server {

class AccessService final : public v1::AccessService::CallbackService {
 public:
  explicit AccessService(const ServiceContext& context) : context_(context) {}

  using Call = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;
  Reactor* WhoAmI(Call* call, const v1::WhoAmIRequest* request, v1::WhoAmIResponse* response) override;
  Reactor* TestPermissions(Call* call, const v1::TestPermissionsRequest* request, v1::TestPermissionsResponse* response) override;

 private:
  const ServiceContext context_;
};

}  // namespace culvert::server
